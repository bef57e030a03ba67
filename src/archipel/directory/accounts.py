"""Accounts: add, authenticate, change. Passwords are kept as argon2id hashes only."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field
from typing import Any

import argon2

from archipel import audit
from archipel.directory import rows
from archipel.directory.administrators import keeping_an_administrator
from archipel.directory.model import Account, check_login, check_rpps, check_text, is_login
from archipel.directory.roles import Role, check_role
from archipel.directory.sites import DEFAULT_SITE, site_named
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.kit.ids import new_id

_HASHER = argon2.PasswordHasher()
_DECOY = _HASHER.hash(secrets.token_hex(8))  # verified when the login is unknown, so that the time taken tells nothing
PASSWORD_LENGTH_MIN = 12
# No characters that look alike: people read one-time passwords to each other on the telephone.
_ALPHABET = "abcdefghjkmnpqrstuvwxyzABCDEFGHJKMNPQRSTUVWXYZ23456789"


def add_account(tx: Tx, actor: Actor, *, login: str, role: str, site_id: str = DEFAULT_SITE, name: str = "") -> tuple[Account, str]:
    """Add an account; returns it with a one-time password that must be changed at the first sign-in to the web app."""
    check_login(login)
    check_role(role)
    site_named(tx, site_id)
    check_text(name, 120, "name")
    password = _one_time_password()
    account = Account(new_id(), login, name or login, role, site_id, active=True, must_change_password=True)
    if not rows.add_account(tx, account, _HASHER.hash(password), to_text(tx.now())):
        raise Conflict(f"There is an account {login} already.", code="account-exists", field="login")
    audit.record(tx, actor, "directory.add_account", object_id=login, role=role, site_id=site_id)
    return account, password


def ensure_first_administrator(tx: Tx) -> tuple[Account, str] | None:
    """Add ``admin`` when there is no account outside of the training region; None when there is one."""
    if rows.has_real_account(tx):
        return None
    return add_account(tx, Actor.system("first_start"), login="admin", role=Role.ADMINISTRATOR.value, name="Administrator")


def verified(tx: Tx, login: str, password: str) -> Account | None:
    """The active account with that login and password, or None; reads only. Takes as long for an unknown login."""
    found = rows.get_account(tx, login=login) if is_login(login) else None
    account, password_hash = found if found else (None, _DECOY)
    if not _matches(password_hash, password) or account is None or not account.active:
        return None
    return account


def note_sign_in(tx: Tx, account_id: str) -> Account | None:
    """Note that somebody signed in; None when the account has been disabled meanwhile."""
    rows.change_account(tx, account_id, last_sign_in_at=to_text(tx.now()))
    account = account_of(tx, account_id)
    return account if account and account.active else None


def authenticate(tx: Tx, login: str, password: str) -> Account | None:
    """The active account with that login and password, whose sign-in is noted, or None."""
    account = verified(tx, login, password)
    return note_sign_in(tx, account.id) if account else None


@dataclass(frozen=True)
class NewPassword:
    """A password that its owner may give an account: the account, the hash that it replaces, and its own."""

    account_id: str
    login: str
    replaces: str = field(repr=False)
    password_hash: str = field(repr=False)


def check_password(login: str, current: str, new: str) -> None:
    """Invalid for a new password that is too short, too long, the same, or holds the login."""
    if len(new) < PASSWORD_LENGTH_MIN or len(new) > 256:
        raise Invalid(f"A password has {PASSWORD_LENGTH_MIN} to 256 characters.", code="password-length", field="new")
    if new == current or login.lower() in new.lower():
        raise Invalid("The new password must differ from the current one and not hold the login.", code="password-weak", field="new")


def new_password(tx: Tx, login: str, current: str, new: str) -> NewPassword:
    """What replaces a password; reads only, and takes long. Invalid when the current one is wrong or the new one will not do."""
    found = rows.get_account(tx, login=login)
    if not found or not _matches(found[1], current):
        raise _wrong_password()
    check_password(login, current, new)
    return NewPassword(found[0].id, login, found[1], _HASHER.hash(new))


def change_password(tx: Tx, actor: Actor, made: NewPassword) -> None:
    """Replace a password by its owner; Invalid when another has replaced it meanwhile."""
    found = rows.get_account(tx, account_id=made.account_id)
    if not found or found[1] != made.replaces:
        raise _wrong_password()
    rows.change_account(tx, made.account_id, password_hash=made.password_hash, must_change_password=False)
    audit.record(tx, actor, "directory.change_password", object_id=made.login)


def _wrong_password() -> Invalid:
    return Invalid("The current password is not right.", code="wrong-password", field="current")


def set_password(tx: Tx, login: str, password: str) -> None:
    """Give an account a known password; only for the training region, whose passwords are public."""
    rows.change_account(tx, account_named(tx, login).id, password_hash=_HASHER.hash(password), must_change_password=False)


def reset_password(tx: Tx, actor: Actor, login: str) -> str:
    """A new one-time password for an account."""
    account = account_named(tx, login)
    password = _one_time_password()
    rows.change_account(tx, account.id, password_hash=_HASHER.hash(password), must_change_password=True)
    audit.record(tx, actor, "directory.reset_password", object_id=login)
    return password


def change_account(tx: Tx, actor: Actor, login: str, **changes: Any) -> Account:
    """Change an account's name, role, site, activity, locale or RPPS number; Conflict when another account has that number."""
    account = account_named(tx, login)
    if check_rpps(changes.get("rpps", "")) and any(other.id != account.id for other in rows.accounts_of_rpps(tx, changes["rpps"])):
        raise Conflict("Another account has this RPPS number.", code="rpps-taken", field="rpps")
    check_text(changes.get("name", ""), 120, "name")
    if "role" in changes:
        check_role(changes["role"])
    if "site_id" in changes:
        site_named(tx, changes["site_id"])
    if changes.get("locale", "fr") not in ("fr", "en"):
        raise Invalid("The languages are fr and en.", code="locale", field="locale")
    with keeping_an_administrator(tx):
        rows.change_account(tx, account.id, **changes)
    audit.record(tx, actor, "directory.change_account", object_id=login, fields=sorted(changes))
    return account_named(tx, login)


def account_named(tx: Tx, login: str) -> Account:
    """One account by login, or NotFound."""
    found = rows.get_account(tx, login=login) if is_login(login) else None
    if not found:
        raise NotFound(f"There is no account {login}.", code="no-account", field="login")
    return found[0]


def account_of(tx: Tx, account_id: str) -> Account | None:
    """One account by id."""
    found = rows.get_account(tx, account_id=account_id)
    return found[0] if found else None


def account_of_rpps(tx: Tx, rpps: str) -> Account | None:
    """The account of a professional, when there is one and one only."""
    found = rows.accounts_of_rpps(tx, rpps) if rpps else []
    return found[0] if len(found) == 1 else None


def accounts(tx: Tx) -> list[Account]:
    """All accounts by login."""
    return rows.all_accounts(tx)


def _one_time_password() -> str:
    return "-".join("".join(secrets.choice(_ALPHABET) for _ in range(5)) for _ in range(3))


def _matches(password_hash: str, password: str) -> bool:
    try:
        return _HASHER.verify(password_hash, password[:1024].encode("utf-8", "replace"))
    except argon2.exceptions.VerificationError:
        return False
