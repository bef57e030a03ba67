"""SQL of signing in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sqlalchemy import Boolean, Column, Index, Integer, String, Table, bindparam, delete, false, func, insert, select, text, update

from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared
from archipel.kit.rows import metadata


@dataclass(frozen=True)
class Failed:
    """Failed attempts: for a login from an address, for the login, and from the address."""

    by_both: int
    by_login: int
    by_address: int


# Any constant does: it names the lock under which attempts are counted.
ATTEMPT_LOCK = 0x41525349

session = Table(
    "signin_session",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("csrf", String(64), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("expires_at", String(27), nullable=False),
    Column("provider", String(64), server_default=text("''"), nullable=False),
    Column("subject", String(255), server_default=text("''"), nullable=False),
    Column("sid", String(255), server_default=text("''"), nullable=False),
    Column("enrol_due", Boolean, server_default=false(), nullable=False),
    Index(None, "account_id"),
)

token = Table(
    "signin_token",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("scope", String(200), nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("expires_at", String(27), nullable=False),
    Index(None, "account_id"),
)

# ``count`` is 1 for an attempt that failed, 0 for the last that succeeded from an address.
attempt = Table(
    "signin_attempt",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("login", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("count", Integer, nullable=False),
    Index(None, "login", "at"),
    Index(None, "address", "at"),
)

# Every request runs one of them.
_SESSION = Prepared(lambda _: select(session).where(session.c.digest == bindparam("digest"), session.c.expires_at > bindparam("now")))
_TOKEN = Prepared(lambda _: select(token).where(token.c.digest == bindparam("digest"), token.c.expires_at > bindparam("now")))


def add_session(tx: Tx, **values: Any) -> None:
    """Insert a session."""
    tx.execute(insert(session).values(**values))


def get_session(tx: Tx, digest: str, now: str) -> Any | None:
    """A session that has not expired."""
    return next(iter(_SESSION.all(tx, digest=digest, now=now)), None)


def extend_session(tx: Tx, digest: str, expires_at: str) -> None:
    """Move a session's end."""
    tx.execute(update(session).where(session.c.digest == digest).values(expires_at=expires_at))


def enrolled(tx: Tx, account_id: str) -> None:
    """No session of an account waits for a second factor any more."""
    tx.execute(update(session).where(session.c.account_id == account_id).values(enrol_due=False))


def end_provider_sessions(tx: Tx, provider: str, *, subject: str, sid: str) -> int:
    """Remove the sessions that a provider opened: the one that it calls so, or all of a subject."""
    s = session.c
    which = (s.sid == sid) if sid else (s.subject == subject)
    both = which & (s.subject == subject) if subject else which
    return int(tx.execute(delete(session).where(s.provider == provider, both)).rowcount)


def end_session(tx: Tx, digest: str) -> None:
    """Remove a session."""
    tx.execute(delete(session).where(session.c.digest == digest))


def end_other_sessions(tx: Tx, account_id: str, digest: str) -> None:
    """Remove the sessions of an account except one."""
    tx.execute(delete(session).where(session.c.account_id == account_id, session.c.digest != digest))


def end_all(tx: Tx, account_id: str) -> None:
    """Remove every session and token of an account."""
    for table in (session, token):
        tx.execute(delete(table).where(table.c.account_id == account_id))


def add_token(tx: Tx, **values: Any) -> None:
    """Insert a token."""
    tx.execute(insert(token).values(**values))


def get_token(tx: Tx, digest: str, now: str) -> Any | None:
    """A token that has not expired."""
    return next(iter(_TOKEN.all(tx, digest=digest, now=now)), None)


def sweep(tx: Tx, now: str) -> None:
    """Remove what has expired."""
    for table in (session, token):
        tx.execute(delete(table).where(table.c.expires_at <= now))


def sweep_attempts(tx: Tx, failed_before: str, *, known_before: str) -> None:
    """Remove failed attempts before an instant, and those that succeeded before another."""
    a = attempt.c
    tx.execute(delete(attempt).where(((a["count"] > 0) & (a.at < failed_before)) | (a.at < known_before)))


def one_at_a_time(tx: Tx) -> None:
    """Let no other attempt be counted until this transaction ends; SQLite has one writer anyway."""
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(ATTEMPT_LOCK)))


def add_attempt(tx: Tx, *, count: int = 1, **values: Any) -> None:
    """Note an attempt."""
    tx.execute(insert(attempt).values(count=count, **values))


def failed_attempts(tx: Tx, *, login: str, address: str, since: str) -> Failed:
    """Failed attempts since an instant."""
    a = attempt.c
    counted = select(func.count()).select_from(attempt).where(a["count"] > 0, a.at > since)
    ways = ((a.login == login) & (a.address == address), a.login == login, a.address == address)
    return Failed(*(int(tx.execute(counted.where(way)).scalar_one()) for way in ways))


def has_signed_in(tx: Tx, login: str, address: str, *, since: str) -> bool:
    """Whether somebody signed in with a login from an address since an instant."""
    a = attempt.c
    found = select(a.id).where(a.login == login, a.address == address, a["count"] == 0, a.at > since)
    return tx.execute(found.limit(1)).first() is not None


def clear_attempts(tx: Tx, login: str, address: str) -> None:
    """Forget the attempts of a login from an address."""
    tx.execute(delete(attempt).where(attempt.c.login == login, attempt.c.address == address))
