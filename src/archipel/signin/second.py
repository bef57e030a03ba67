"""Second: what follows a password, or stands in for it: a one-time code, a recovery code, a passkey."""

from __future__ import annotations

from typing import Any

from archipel import audit, directory
from archipel.kit.actor import Actor
from archipel.kit.database import Database, Tx
from archipel.kit.errors import NotAllowed
from archipel.kit.ids import new_id
from archipel.kit.settings import Settings
from archipel.signin import passkeys, steps
from archipel.signin.factors import kinds_of, use_code
from archipel.signin.sessions import Session, Way, actor_for, open_session
from archipel.signin.throttle import count_attempt, forget_attempts


def kinds_waited_for(tx: Tx, secret: str) -> list[str]:
    """By what the sign-in that this browser began may go on; empty when it began none."""
    step = steps.look(tx, "second", secret)
    return kinds_of(tx, step.account_id) if step else []


def give_up(tx: Tx, secret: str) -> None:
    """Forget the sign-in that this browser began."""
    for kind in ("second", "passkey", "unknown"):
        steps.take(tx, kind, secret)


def passkey_options(tx: Tx, settings: Settings, secret: str) -> dict[str, Any]:
    """What the browser needs to use a passkey: of the account whose password was right, or whichever it holds for us."""
    step = steps.look(tx, "second", secret)
    return passkeys.begin_use(tx, settings, secret, step.account_id if step else "")


def complete(
    database: Database, settings: Settings, secret: str, address: str, *, code: str = "", passkey: dict[str, Any] | None = None
) -> Session:
    """End a sign-in with a code, or with a passkey. NotAllowed when it is wrong or the sign-in is over, LimitReached after too many.

    The tries are counted by account, wherever they come from: who tries has the password.
    """
    with database.write() as tx:
        step = steps.look(tx, "second", secret)
        if step is None:
            raise NotAllowed("This sign-in is over; begin again.", code="sign-in-over")
        count_attempt(tx, *_counted(step.account_id))
    with database.write() as tx:
        step = steps.look(tx, "second", secret)
        session = _complete(tx, settings, secret, step, address, code, passkey) if step else None
    if session is None:
        raise NotAllowed("This code or passkey is not right, or was used before.", code="wrong-second-factor", field="code")
    return session


def _complete(
    tx: Tx, settings: Settings, secret: str, step: steps.Step, address: str, code: str, passkey: dict[str, Any] | None
) -> Session | None:
    by = "passkey" if passkey is not None and passkeys.use(tx, settings, secret, passkey) == step.account_id else ""
    by = by or (use_code(tx, settings, step.account_id, code) if code else "")
    account = directory.account_of(tx, step.account_id)
    if not by or account is None or not steps.take(tx, "second", secret):
        actor = actor_for(tx, account, address) if account else Actor("account", "unknown", "", address=address)
        audit.record(tx, actor, "signin.second_factor", outcome=audit.Outcome.REFUSED)
        return None
    way = Way(step.provider, step.payload["subject"], step.payload["sid"])
    forget_attempts(tx, *_counted(step.account_id))
    return _open(tx, settings, account.id, address, way, by)


def _open(tx: Tx, settings: Settings, account_id: str, address: str, way: Way, by: str) -> Session | None:
    hours, everywhere = settings.http.session_hours, settings.signin.second_factor_roles
    return open_session(tx, account_id, address, way, hours=hours, everywhere=everywhere, by=by)


def sign_in_by_passkey(database: Database, settings: Settings, secret: str, address: str, passkey: dict[str, Any]) -> Session:
    """Open a session by a passkey alone: it is two factors, the thing and its owner's PIN, finger or face."""
    attempt = f"passkey:{new_id()}"  # nothing to guess: only how many come from one address counts
    with database.write() as tx:
        count_attempt(tx, attempt, address[:64])
    session = None
    with database.write() as tx:
        account_id = passkeys.use(tx, settings, secret, passkey)
        if account_id:
            forget_attempts(tx, attempt, address[:64])
            session = _open(tx, settings, account_id, address, Way(), "passkey")
        if session is None:
            actor = Actor("account", "unknown", "", address=address)
            audit.record(tx, actor, "signin.sign_in", outcome=audit.Outcome.REFUSED, second_factor="passkey")
    if session is None:
        raise NotAllowed("This passkey is not known here.", code="unknown-passkey", field="passkey")
    return session


def _counted(account_id: str) -> tuple[str, str]:
    """Under which login and address the tries of a second factor are counted."""
    return f"second:{account_id}", f"second:{account_id}"
