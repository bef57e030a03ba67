"""Accounts and roles. A site administrator reaches the own site's people and can give nobody a right beyond it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field, StringConstraints

from archipel import directory, sharing, signin
from archipel.directory import Account, Role
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed, NotFound
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, SignedIn, needs
from archipel.web.words import Body, Listed, Text, Word, whole

router = APIRouter(route_class=DoorRoute, tags=["directory"])
AccountManager = Annotated[Call, needs("account.manage")]
# Roles that reach every site: only an administrator gives or takes them.
REGIONAL = frozenset({Role.ADMINISTRATOR.value, Role.ARCHIVE_OPERATOR.value, Role.IDENTITY_OFFICER.value})


class NewAccount(Body):
    """A person or a script; without ``site_id`` it belongs to the site of who adds it."""

    login: Word
    name: Annotated[Text, Field(max_length=120)] = ""
    role: Word
    site_id: Word | None = None


class AccountChanges(Body):
    """What to change; the rest stays."""

    name: Annotated[Text, Field(max_length=120)] | None = None
    role: Word | None = None
    site_id: Word | None = None
    active: bool | None = None
    rpps: Annotated[str, StringConstraints(max_length=11)] | None = Field(
        None, description="National number of a professional; null: none."
    )


class AccountAnswer(BaseModel):
    """An account; the password never leaves."""

    login: str
    name: str
    role: str
    site_id: str
    active: bool
    last_sign_in_at: str | None
    must_change_password: bool
    rpps: str | None
    second_factor: bool = Field(description="Whether it has a second factor.")


class Identity(Body):
    """A person as a provider of identities calls them."""

    provider: Word
    subject: Annotated[str, StringConstraints(min_length=1, max_length=255)]


class AccountWithPassword(AccountAnswer):
    """An account with the password for its first sign-in; it is shown this once."""

    one_time_password: str


class OneTimePassword(BaseModel):
    """A password for the next sign-in; it is shown this once."""

    one_time_password: str


class RoleAnswer(BaseModel):
    """A role and what it may do."""

    role: str
    permissions: list[str]


@router.get("/roles", summary="List roles")
def list_roles(call: SignedIn) -> list[RoleAnswer]:
    """All roles with their permissions."""
    return [RoleAnswer(role=str(role), permissions=rights) for role, rights in sharing.roles().items()]


@router.get("/accounts", summary="List accounts")
def list_accounts(call: AccountManager) -> Listed[AccountAnswer]:
    """The accounts of the sites that the account manages, by login."""
    with call.database.read() as tx:
        visible = sharing.visible_site_ids(tx, call.actor)
        strong = signin.factors.accounts_with_factors(tx)
        return whole([_answer(a, strong) for a in directory.accounts(tx) if a.site_id in visible])


@router.post("/accounts", status_code=201, summary="Add an account", openapi_extra=REPEATABLE)
def add_account(body: NewAccount, call: AccountManager) -> AccountWithPassword:
    """Add an account; the answer holds its one-time password."""
    site_id = body.site_id or call.actor.site_id

    def act(tx: Tx) -> AccountWithPassword:
        _may_give(tx, call, body.role, site_id)
        account, password = directory.add_account(
            tx, call.actor, login=body.login, role=body.role, site_id=site_id, name=body.name
        )  # fmt: skip
        return AccountWithPassword(**_answer(account, set()).model_dump(), one_time_password=password)

    return once(call, body, AccountWithPassword, act, secret=body.login)


@router.patch("/accounts/{login}", summary="Change an account")
def change_account(login: Word, body: AccountChanges, call: AccountManager) -> AccountAnswer:
    """Change a name, role, site or activity. An account that is disabled loses its sessions and tokens at once."""
    changes = body.changes(clearable=("rpps",))

    def act(tx: Tx) -> AccountAnswer:
        account = _reachable(tx, call, login)
        _may_give(tx, call, changes.get("role", account.role), changes.get("site_id", account.site_id))
        changed = directory.change_account(tx, call.actor, login, **changes)
        if not changed.active:
            signin.sign_out_everywhere(tx, account.id)
        return _answer(changed, signin.factors.accounts_with_factors(tx))

    return call.database.transact(act)


@router.post("/accounts/{login}/reset-password", summary="Give an account a one-time password", openapi_extra=REPEATABLE)
def reset_password(login: Word, call: AccountManager) -> OneTimePassword:
    """Replace the password by one for the next sign-in, and end all sessions and tokens of the account."""

    def act(tx: Tx) -> OneTimePassword:
        account = _reachable(tx, call, login)
        signin.sign_out_everywhere(tx, account.id)
        return OneTimePassword(one_time_password=directory.reset_password(tx, call.actor, login))

    return once(call, None, OneTimePassword, act, secret=login)


@router.post("/accounts/{login}/reset-second-factors", status_code=204, summary="Remove the second factors of an account")
def reset_second_factors(login: Word, call: AccountManager) -> None:
    """For somebody who lost them: all of them go, with the recovery codes, and the account's sessions end."""

    def act(tx: Tx) -> None:
        signin.factors.reset_factors(tx, call.actor, _reachable(tx, call, login).login)

    call.database.transact(act)


@router.get("/accounts/{login}/identities", summary="List the identities of an account")
def list_identities(login: Word, call: AccountManager) -> Listed[Identity]:
    """Who signs in as this account through a provider."""
    with call.database.read() as tx:
        found = signin.oidc.identities_of(tx, _reachable(tx, call, login).id)
    return whole([Identity(provider=one.provider, subject=one.subject) for one in found])


@router.post("/accounts/{login}/identities", status_code=204, summary="Link an identity to an account")
def link_identity(login: Word, body: Identity, call: AccountManager) -> None:
    """Let this person of a provider sign in as the account."""
    if body.provider not in call.parts.providers:
        raise NotFound("There is no such provider of identities.", code="no-provider", field="provider")

    def act(tx: Tx) -> None:
        signin.oidc.link(tx, call.actor, _reachable(tx, call, login).login, body.provider, body.subject)

    call.database.transact(act)


@router.post("/accounts/{login}/identities/removal", status_code=204, summary="Unlink an identity from an account")
def unlink_identity(login: Word, body: Identity, call: AccountManager) -> None:
    """End that, and the sessions that it opened."""

    def act(tx: Tx) -> None:
        signin.oidc.unlink(tx, call.actor, _reachable(tx, call, login).login, body.provider, body.subject)

    call.database.transact(act)


def _reachable(tx: Tx, call: Call, login: str) -> Account:
    """The account, if the actor manages it; another site's account is not there for him, one of the region is out of reach."""
    account = directory.account_named(tx, login)
    if account.site_id not in sharing.visible_site_ids(tx, call.actor):
        raise NotFound(f"There is no account {login}.", code="no-account", field="login")
    _may_give(tx, call, account.role, account.site_id)
    return account


def _may_give(tx: Tx, call: Call, role: str, site_id: str) -> None:
    sharing.reaches_site(tx, call.actor, site_id)
    if role in REGIONAL and call.actor.role != Role.ADMINISTRATOR:
        raise NotAllowed("Only an administrator gives or changes this role.", code="role-beyond-yours", field="role")


def _answer(account: Account, with_factors: set[str]) -> AccountAnswer:
    return AccountAnswer(
        login=account.login, name=account.name, role=account.role, site_id=account.site_id, active=account.active,
        last_sign_in_at=account.last_sign_in_at or None, must_change_password=account.must_change_password, rpps=account.rpps or None,
        second_factor=account.id in with_factors,
    )  # fmt: skip
