"""Which role may do what, as one table."""

from __future__ import annotations

from collections.abc import Iterable

from archipel.directory import Role
from archipel.kit.actor import Actor
from archipel.kit.errors import Invalid, NotAllowed

_READ = ("exam.read", "exam.download")
PERMISSIONS: dict[str, frozenset[str]] = {
    Role.ADMINISTRATOR: frozenset(
        (
            *_READ, "exam.store", "exam.reject", "conflict.resolve", "device.manage", "site.manage", "account.manage", "system.read",
            "system.operate", "demo.reset", "audit.read", "identity.manage", "device.read", "device.control",
        )
    ),
    Role.SITE_ADMINISTRATOR: frozenset(
        (
            *_READ, "exam.store", "exam.reject", "conflict.resolve", "device.manage", "device.read", "account.manage", "system.read",
            "audit.read",
        )
    ),
    Role.RADIOLOGIST: frozenset((*_READ, "exam.store", "exam.reject")),
    Role.TELERADIOLOGIST: frozenset(_READ),
    Role.TECHNICIAN: frozenset((*_READ, "exam.store", "exam.reject", "conflict.resolve")),
    Role.NURSE: frozenset(("exam.read",)),
    Role.REQUESTING_DOCTOR: frozenset(_READ),
    Role.PHYSICIST: frozenset((*_READ, "system.read", "device.read", "device.control")),
    Role.BIOMEDICAL_ENGINEER: frozenset(("device.read", "device.control")),
    Role.SECRETARY: frozenset(_READ),
    Role.FRONT_DESK: frozenset(("exam.read",)),
    Role.FIRST_READER: frozenset(("exam.read",)),
    Role.SECOND_READER: frozenset(("exam.read",)),
    Role.APPLICATION: frozenset((*_READ, "exam.store")),
    Role.ARCHIVE_OPERATOR: frozenset((*_READ, "exam.store", "exam.reject", "conflict.resolve", "system.read")),
    Role.AUDITOR: frozenset(("audit.read",)),
    Role.IDENTITY_OFFICER: frozenset(("identity.manage",)),
    "device": frozenset((*_READ, "exam.store", "exam.reject")),
    # Their work has no part in the platform yet, or is opened to them exam by exam: nothing comes with the role alone.
    Role.TOWN_DOCTOR: frozenset(),
    Role.PATIENT: frozenset(),
    Role.GUARDIAN: frozenset(),
    Role.ROTA_COORDINATOR: frozenset(),
    Role.MEDICAL_COMMISSION_MEMBER: frozenset(),
    Role.SCREENING_COORDINATOR: frozenset(),
    Role.SCREENING_PHYSICIAN: frozenset(),
    Role.ACCOUNTANT: frozenset(),
}  # fmt: skip

# What a token can be limited to; it never gives more than its account's role. ``admin`` without ``read`` sees no exam.
TOKEN_SCOPES: dict[str, frozenset[str]] = {
    "read": frozenset((*_READ, "system.read", "audit.read", "device.read")),
    "store": frozenset(("exam.store",)),
    "admin": frozenset(
        (
            "exam.reject",
            "conflict.resolve",
            "device.manage",
            "site.manage",
            "account.manage",
            "system.operate",
            "demo.reset",
            "identity.manage",
            "device.control",
        )
    ),
}

# Roles that reach every site, with what they may do there. The others see their own site's; care teams and consent come with identity.
EVERY_SITE = frozenset({Role.ADMINISTRATOR.value, Role.ARCHIVE_OPERATOR.value, Role.AUDITOR.value, Role.IDENTITY_OFFICER.value})


def permissions_of(role: str) -> frozenset[str]:
    """The permissions of a role; none for one that we do not know."""
    return PERMISSIONS.get(role, frozenset())


def rights_of(actor: Actor) -> frozenset[str]:
    """What the actor may do: what its role gives, within what its token was given for. The one place where rights are resolved."""
    rights = permissions_of("device" if actor.kind == "device" else actor.role)
    if not actor.token_scope:
        return rights
    return rights & frozenset().union(*(TOKEN_SCOPES.get(word, frozenset()) for word in actor.token_scope.split()))


def token_scope(words: Iterable[str]) -> str:
    """A token's scope from its words, in one order; Invalid for a word that is none."""
    wanted = set(words)
    unknown = sorted(wanted - set(TOKEN_SCOPES))
    if unknown:
        raise Invalid(f"There is no scope {unknown[0]!r}; there are: {', '.join(TOKEN_SCOPES)}.", code="scope", field="scope")
    return " ".join(word for word in TOKEN_SCOPES if word in wanted)


def may(actor: Actor, permission: str) -> bool:
    """Whether the actor has a permission."""
    return permission in rights_of(actor)


def require_whole(actor: Actor) -> None:
    """NotAllowed for a token that was given for less than everything: it does not change its account."""
    if actor.token_scope:
        raise NotAllowed("This token was given for less than that.", code="token_scope", detail=f"{actor.id} {actor.token_scope}")


def require(actor: Actor, permission: str) -> None:
    """NotAllowed when the actor lacks the permission; ``token_scope`` when only its token does."""
    if not may(actor, permission):
        if permission in permissions_of(actor.role) and actor.kind == "account":
            raise NotAllowed(
                f"This token was not given for that ({permission}).", code="token_scope", detail=f"{actor.id} {actor.token_scope}"
            )
        raise NotAllowed(
            f"Your role has no right to do this ({permission}).", code="no-right", detail=f"{actor.kind} {actor.id} {permission}"
        )


def roles() -> dict[str, list[str]]:
    """All roles of people and scripts, with their permissions."""
    return {role: sorted(rights) for role, rights in PERMISSIONS.items() if role != "device"}
