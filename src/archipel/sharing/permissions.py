"""Which role may do what, as one table."""

from __future__ import annotations

from archipel.directory import Role
from archipel.kit.actor import Actor
from archipel.kit.errors import NotAllowed

_READ = ("exam.read", "exam.download")
PERMISSIONS: dict[str, frozenset[str]] = {
    Role.ADMINISTRATOR: frozenset(
        (
            *_READ, "exam.store", "exam.reject", "conflict.resolve", "device.manage", "site.manage", "account.manage", "system.read",
            "system.operate", "demo.reset", "audit.read",
        )
    ),
    Role.SITE_ADMINISTRATOR: frozenset(
        (*_READ, "exam.store", "exam.reject", "conflict.resolve", "device.manage", "account.manage", "system.read", "audit.read")
    ),
    Role.RADIOLOGIST: frozenset((*_READ, "exam.store", "exam.reject")),
    Role.TECHNICIAN: frozenset((*_READ, "exam.store", "exam.reject", "conflict.resolve")),
    Role.REQUESTING_DOCTOR: frozenset(_READ),
    Role.PHYSICIST: frozenset((*_READ, "system.read")),
    Role.ARCHIVE_OPERATOR: frozenset((*_READ, "exam.store", "exam.reject", "conflict.resolve", "system.read")),
    "device": frozenset((*_READ, "exam.store", "exam.reject")),
}  # fmt: skip

# Roles that see the exams of every site. The others see their own site's; care teams and consent come with identity.
EVERY_SITE = frozenset({Role.ADMINISTRATOR.value, Role.ARCHIVE_OPERATOR.value})


def permissions_of(role: str) -> frozenset[str]:
    """The permissions of a role; none for one that we do not know."""
    return PERMISSIONS.get(role, frozenset())


def may(actor: Actor, permission: str) -> bool:
    """Whether the actor has a permission."""
    return permission in permissions_of("device" if actor.kind == "device" else actor.role)


def require(actor: Actor, permission: str) -> None:
    """NotAllowed when the actor lacks the permission."""
    if not may(actor, permission):
        raise NotAllowed(
            f"Your role has no right to do this ({permission}).", code="no-right", detail=f"{actor.kind} {actor.id} {permission}"
        )


def roles() -> dict[str, list[str]]:
    """All roles of people and scripts, with their permissions."""
    return {role: sorted(rights) for role, rights in PERMISSIONS.items() if role != "device"}
