"""Sessions and tokens: secrets leave once, only their digests are kept."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from archipel import audit, directory, sharing
from archipel.directory import Account
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Invalid, NotAllowed
from archipel.signin import rows, steps
from archipel.signin.factors import is_required, kinds_of
from archipel.signin.throttle import count_attempt, note_success

Due = Literal["", "password", "factor"]


@dataclass(frozen=True)
class Session:
    """A session that was opened: the cookie's secret and the value that state-changing requests must repeat."""

    account: Account
    secret: str
    csrf: str


@dataclass(frozen=True)
class SecondStep:
    """A sign-in that waits for a second factor: by what it may be given, and what the browser holds meanwhile."""

    kinds: list[str]
    secret: str


@dataclass(frozen=True)
class Way:
    """How somebody signed in: by the own password (empty), or through a provider that calls the person and the session so."""

    provider: str = ""
    subject: str = ""
    sid: str = ""
    two_factors: bool = False


def sign_in(
    database: Database, login: str, password: str, address: str, *, hours: int, everywhere: Collection[str] = ()
) -> Session | SecondStep:
    """Open a session, or wait for the account's second factor; without one, its session enrols one first if its role must (``everywhere``,
    or at its site). NotAllowed for a wrong login or password (never which), LimitReached after too many failures.
    """
    login, address = _plain(login), _plain(address)
    with database.write() as tx:
        count_attempt(tx, login, address)
    with database.read() as tx:  # the hash takes long: SQLite's one writer must not wait for it
        account = directory.verified(tx, login, password)
    with database.write() as tx:
        opened = go_on(tx, account.id, address, Way(), hours=hours, everywhere=everywhere) if account else None
        if opened is None:
            actor = Actor("account", "unknown", login, address=address)
            audit.record(tx, actor, "signin.sign_in", outcome=audit.Outcome.REFUSED)
        else:
            note_success(tx, login, address)
    if opened is None:
        raise NotAllowed("The login or the password is not right.", code="wrong-credentials")
    return opened


def go_on(tx: Tx, account_id: str, address: str, way: Way, *, hours: int, everywhere: Collection[str]) -> Session | SecondStep | None:
    """After a password or a provider has named the account: its session, or its second step; None when it is disabled."""
    kinds = [] if way.two_factors else kinds_of(tx, account_id)
    if not kinds:
        return open_session(tx, account_id, address, way, hours=hours, everywhere=everywhere)
    secret = steps.new_secret()
    steps.begin(tx, "second", secret, account_id=account_id, provider=way.provider, subject=way.subject, sid=way.sid)
    return SecondStep(kinds, secret)


def open_session(
    tx: Tx, account_id: str, address: str, way: Way, *, hours: int, everywhere: Collection[str], by: str = ""
) -> Session | None:
    """Open the session of an account that has shown all it must; None when it is disabled. ``by`` is its second factor, for the trace."""
    account = directory.note_sign_in(tx, account_id)
    if account is None:
        return None
    secret, csrf = secrets.token_urlsafe(32), secrets.token_urlsafe(24)
    now = tx.now()
    rows.sweep(tx, to_text(now))
    enrol_due = not by and not way.two_factors and is_required(tx, everywhere, account)
    rows.add_session(
        tx, digest=_digest(secret), account_id=account.id, csrf=csrf, created_at=to_text(now),
        expires_at=to_text(now + timedelta(hours=hours)), provider=way.provider, subject=way.subject, sid=way.sid, enrol_due=enrol_due,
    )  # fmt: skip
    audit.record(tx, actor_for(tx, account, address), "signin.sign_in", provider=way.provider, second_factor=by)
    return Session(account, secret, csrf)


def change_password(database: Database, actor: Actor, current: str, new: str, secret: str) -> None:
    """Replace the own password; the account's other sessions than the one that this cookie opened end.

    Invalid when the current password is wrong or the new one will not do, LimitReached after too many wrong ones: a session that was
    left open shall not give its account away.
    """
    directory.check_password(actor.id, current, new)
    address = _plain(actor.address)
    with database.write() as tx:
        count_attempt(tx, actor.id, address)
    try:
        with database.read() as tx:  # the hashes take long: SQLite's one writer must not wait for them
            made = directory.new_password(tx, actor.id, current, new)
    except Invalid:
        with database.write() as tx:
            audit.record(tx, actor, "directory.change_password", outcome=audit.Outcome.REFUSED, object_id=actor.id)
        raise
    with database.write() as tx:
        note_success(tx, actor.id, address)
        directory.change_password(tx, actor, made)
        sign_out_others(tx, made.account_id, secret)


def _plain(text: str) -> str:
    """What a stranger sent, as every database takes it."""
    return text[:64].replace("\0", "").encode("utf-8", "replace").decode()


def sign_out(tx: Tx, secret: str) -> None:
    """Close the session that this cookie opened."""
    rows.end_session(tx, _digest(secret))


def sign_out_others(tx: Tx, account_id: str, secret: str) -> None:
    """Close the sessions of an account except the one that this cookie opened: its owner has changed the password.

    Tokens stay: an operator gave them to scripts, and they end by themselves.
    """
    rows.end_other_sessions(tx, account_id, _digest(secret))


def sign_out_everywhere(tx: Tx, account_id: str) -> None:
    """Close every session and token of an account: it was disabled, or its password was reset."""
    rows.end_all(tx, account_id)


def actor_of_session(tx: Tx, secret: str, address: str) -> tuple[Actor, str, Due] | None:
    """The actor behind a session cookie, its CSRF value, and what is due first; None when the session is over."""
    row = rows.get_session(tx, _digest(secret), to_text(tx.now()))
    account = directory.account_of(tx, row.account_id) if row else None
    if row is None or account is None or not account.active:
        return None
    by_password = not row.provider  # who comes through a provider has no password to change
    due: Due = "password" if account.must_change_password and by_password else "factor" if row.enrol_due else ""
    return actor_for(tx, account, address), row.csrf, due


def session_is_ageing(tx: Tx, secret: str, *, hours: int) -> bool:
    """Whether a session has lost a tenth of its life since it was last extended: time to extend it, and not at every request."""
    row = rows.get_session(tx, _digest(secret), to_text(tx.now()))
    return row is not None and row.expires_at < to_text(tx.now() + timedelta(hours=0.9 * hours))


def extend_session(tx: Tx, secret: str, *, hours: int) -> None:
    """Let a session that is used live for ``hours`` from now."""
    rows.extend_session(tx, _digest(secret), to_text(tx.now() + timedelta(hours=hours)))


def issue_token(tx: Tx, actor: Actor, login: str, *, hours: int = 24, scope: Iterable[str] = ()) -> str:
    """A bearer token for an account; it ends after ``hours`` or when the account is disabled.

    ``scope`` limits it to some of what the account's role may (words of ``sharing.TOKEN_SCOPES``); empty: to nothing less.
    """
    limited = sharing.token_scope(scope)
    account = directory.account_named(tx, login)
    if not account.active:
        raise NotAllowed(f"The account {login} is disabled.", code="account-disabled")
    secret = "ak_" + secrets.token_urlsafe(32)
    now = tx.now()
    rows.add_token(
        tx,
        digest=_digest(secret),
        account_id=account.id,
        scope=limited,
        created_at=to_text(now),
        expires_at=to_text(now + timedelta(hours=hours)),
    )
    audit.record(tx, actor, "signin.issue_token", object_id=login, hours=hours, scope=limited)
    return secret


def actor_of_token(tx: Tx, secret: str, address: str) -> Actor | None:
    """The actor behind a bearer token; None when it is unknown or over."""
    row = rows.get_token(tx, _digest(secret), to_text(tx.now()))
    account = directory.account_of(tx, row.account_id) if row else None
    return replace(actor_for(tx, account, address), token_scope=row.scope) if row and account and account.active else None


def actor_for(tx: Tx, account: Account, address: str) -> Actor:
    """An account as the author of acts."""
    demo = directory.site_named(tx, account.site_id).demo
    return Actor("account", account.login, account.name, account.role, account.site_id, address, demo)


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode("utf-8", "replace")).hexdigest()
