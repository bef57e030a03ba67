"""Accounts and roles. A site administrator reaches the own site's people and can give nobody a right beyond it."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

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
REGIONAL = frozenset({Role.ADMINISTRATOR.value, Role.ARCHIVE_OPERATOR.value})


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


class AccountAnswer(BaseModel):
    """An account; the password never leaves."""

    login: str
    name: str
    role: str
    site_id: str
    active: bool
    last_sign_in_at: str | None
    must_change_password: bool


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
        return whole([AccountAnswer(**_fields(a)) for a in directory.accounts(tx) if a.site_id in visible])


@router.post("/accounts", status_code=201, summary="Add an account", openapi_extra=REPEATABLE)
def add_account(body: NewAccount, call: AccountManager) -> AccountWithPassword:
    """Add an account; the answer holds its one-time password."""
    site_id = body.site_id or call.actor.site_id

    def act(tx: Tx) -> AccountWithPassword:
        _may_give(tx, call, body.role, site_id)
        account, password = directory.add_account(
            tx, call.actor, login=body.login, role=body.role, site_id=site_id, name=body.name
        )  # fmt: skip
        return AccountWithPassword(**_fields(account), one_time_password=password)

    return once(call, body, AccountWithPassword, act, secret=body.login)


@router.patch("/accounts/{login}", summary="Change an account")
def change_account(login: Word, body: AccountChanges, call: AccountManager) -> AccountAnswer:
    """Change a name, role, site or activity. An account that is disabled loses its sessions and tokens at once."""
    changes = body.changes()

    def act(tx: Tx) -> Account:
        account = _reachable(tx, call, login)
        _may_give(tx, call, changes.get("role", account.role), changes.get("site_id", account.site_id))
        changed = directory.change_account(tx, call.actor, login, **changes)
        if not changed.active:
            signin.sign_out_everywhere(tx, account.id)
        return changed

    return AccountAnswer(**_fields(call.database.transact(act)))


@router.post("/accounts/{login}/reset-password", summary="Give an account a one-time password", openapi_extra=REPEATABLE)
def reset_password(login: Word, call: AccountManager) -> OneTimePassword:
    """Replace the password by one for the next sign-in, and end all sessions and tokens of the account."""

    def act(tx: Tx) -> OneTimePassword:
        account = _reachable(tx, call, login)
        signin.sign_out_everywhere(tx, account.id)
        return OneTimePassword(one_time_password=directory.reset_password(tx, call.actor, login))

    return once(call, None, OneTimePassword, act, secret=login)


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


def _fields(account: Account) -> dict[str, str | bool | None]:
    return {
        "login": account.login, "name": account.name, "role": account.role, "site_id": account.site_id, "active": account.active,
        "last_sign_in_at": account.last_sign_in_at or None, "must_change_password": account.must_change_password,
    }  # fmt: skip
