"""Second factors of an account: one-time codes, passkeys, and the recovery codes for when both are lost."""

from __future__ import annotations

import hashlib
import json
import secrets
from collections.abc import Collection
from dataclasses import dataclass
from datetime import timedelta

from archipel import audit, directory
from archipel.directory import Account
from archipel.kit.actor import Actor
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, NotAllowed, NotFound
from archipel.kit.ids import new_id
from archipel.kit.settings import Settings
from archipel.signin import rows as session_rows
from archipel.signin import rows_factors as rows
from archipel.signin import steps, totp
from archipel.signin.keys import keys_of, seal, unseal

FACTORS_COUNT_MAX = 10
RECOVERY_COUNT = 10
FRESH_S = 900
NAME_LENGTH_MAX = 60
ISSUER = "Archipel"
_ALPHABET = "abcdefghjkmnpqrstuvwxyz23456789"  # no characters that look alike: people type them from paper
_GROUP = 4
_GROUPS = 4


@dataclass(frozen=True)
class Factor:
    """A second factor as its owner sees it: ``kind`` is ``totp`` or ``passkey``."""

    id: str
    kind: str
    name: str
    created_at: str
    used_at: str


@dataclass(frozen=True)
class Enrolment:
    """What an authenticator app is given: a picture, and the same as text."""

    picture: str
    secret: str


def factors_of(tx: Tx, account_id: str) -> list[Factor]:
    """The second factors of an account, oldest first."""
    return [Factor(row.id, row.kind, row.name, row.created_at, row.used_at) for row in rows.factors(tx, account_id)]


def kinds_of(tx: Tx, account_id: str) -> list[str]:
    """By what an account may give its second factor."""
    return sorted({row.kind for row in rows.factors(tx, account_id)})


def accounts_with_factors(tx: Tx) -> set[str]:
    """The ids of the accounts that have a second factor."""
    return rows.accounts_with_factors(tx)


def recovery_codes_left(tx: Tx, account_id: str) -> int:
    """How many recovery codes an account has left."""
    return rows.recovery_count(tx, account_id)


def is_required(tx: Tx, everywhere: Collection[str], account: Account) -> bool:
    """Whether an account of this role signs in with a second factor, at its site or ``everywhere``. The training region never asks."""
    site = directory.site_named(tx, account.site_id)
    return not site.demo and account.role in (*everywhere, *site.second_factor_roles)


def check_roles(settings: Settings) -> None:
    """Invalid when a role that the settings name does not exist: it would be asked for nothing."""
    unknown = [role for role in settings.signin.second_factor_roles if role not in directory.ROLES]
    if unknown:
        raise Invalid(f"signin.second_factor_roles: there is no role {unknown[0]!r}.", code="settings", field="signin.second_factor_roles")


def require_fresh(tx: Tx, actor: Actor, session_secret: str) -> Account:
    """The account behind a session that was opened moments ago: one that was left open shall not give its account away."""
    if actor.demo:
        raise NotAllowed("People of the training region share their accounts.", code="demo-region")
    digest = hashlib.sha256(session_secret.encode()).hexdigest()
    row = session_rows.get_session(tx, digest, to_text(tx.now())) if session_secret else None
    if row is None or from_text(row.created_at) < tx.now() - timedelta(seconds=FRESH_S):
        raise NotAllowed("Sign in again before you change second factors.", code="sign-in-again")
    return directory.account_named(tx, actor.id)


def begin_totp(tx: Tx, settings: Settings, account: Account) -> Enrolment:
    """A secret for an authenticator app, to be confirmed by a code of it."""
    secret = totp.new_secret()
    steps.begin(tx, "totp", account.id, account_id=account.id, sealed=seal(keys_of(settings, make=True), secret, account.id))
    return Enrolment(totp.picture_of(totp.address_of(secret, account.login, ISSUER)), totp.as_text(secret))


def confirm_totp(tx: Tx, settings: Settings, actor: Actor, account: Account, *, code: str, name: str) -> list[str]:
    """Keep the secret that was begun, a code of which is right; recovery codes when they are the first. Invalid for a wrong code."""
    step = steps.look(tx, "totp", account.id)
    if step is None:
        raise Conflict("This enrolment is over; begin it again.", code="enrolment-over")
    sealed = step.payload["sealed"]
    used = totp.matching_step(unseal(keys_of(settings), sealed, account.id), code.replace(" ", ""), tx.now(), after=0)
    if used is None:
        raise Invalid("This code is not right.", code="wrong-code", field="code")
    steps.take(tx, "totp", account.id)
    return keep(tx, actor, account, kind="totp", name=name, secret=sealed, credential="", used=used)


def keep(tx: Tx, actor: Actor, account: Account, *, kind: str, name: str, secret: str, credential: str, used: int) -> list[str]:
    """Keep a factor. Recovery codes when it is the account's first, else none."""
    had = rows.factors(tx, account.id)
    if len(had) >= FACTORS_COUNT_MAX:
        raise Conflict(f"An account has {FACTORS_COUNT_MAX} second factors at most.", code="factors-many")
    rows.add_factor(
        tx, id=new_id(), account_id=account.id, kind=kind, name=_named(name), secret=secret, credential=credential, used=used,
        created_at=to_text(tx.now()), used_at="",
    )  # fmt: skip
    session_rows.enrolled(tx, account.id)
    audit.record(tx, actor, "signin.add_factor", object_id=account.login, kind=kind)
    return [] if had else new_recovery_codes(tx, actor, account)


def rename_factor(tx: Tx, actor: Actor, account: Account, factor_id: str, name: str) -> None:
    """Give a factor another name."""
    if not rows.name_factor(tx, account.id, factor_id, _named(name)):
        raise _no_factor()
    audit.record(tx, actor, "signin.rename_factor", object_id=account.login)


def remove_factor(tx: Tx, actor: Actor, account: Account, factor_id: str) -> None:
    """Remove a factor; with the last one go the recovery codes."""
    if not rows.remove_factor(tx, account.id, factor_id):
        raise _no_factor()
    if not rows.factors(tx, account.id):
        rows.remove_factors(tx, account.id)
    audit.record(tx, actor, "signin.remove_factor", object_id=account.login)


def reset_factors(tx: Tx, actor: Actor, login: str) -> int:
    """Remove what somebody lost, by an administrator, and end the sessions of the account; how many factors there were."""
    account = directory.account_named(tx, login)
    count = rows.remove_factors(tx, account.id)
    session_rows.end_other_sessions(tx, account.id, "")
    audit.record(tx, actor, "signin.reset_factors", object_id=login, count=count)
    return count


def new_recovery_codes(tx: Tx, actor: Actor, account: Account) -> list[str]:
    """New recovery codes in the place of those that were; they are shown this once. Conflict without a factor to stand in for."""
    if not rows.factors(tx, account.id):
        raise Conflict("Recovery codes stand in for a second factor; add one first.", code="no-factor")
    codes = ["-".join("".join(secrets.choice(_ALPHABET) for _ in range(_GROUP)) for _ in range(_GROUPS)) for _ in range(RECOVERY_COUNT)]
    rows.put_recovery_codes(tx, account.id, [_recovery_digest(account.id, code) for code in codes])
    audit.record(tx, actor, "signin.new_recovery_codes", object_id=account.login)
    return codes


def use_code(tx: Tx, settings: Settings, account_id: str, code: str) -> str:
    """Spend a one-time code or a recovery code: ``totp`` or ``recovery``, or nothing when it is neither, or was used before."""
    plain = "".join(code.lower().split())
    if len(plain) != totp.DIGITS:
        return "recovery" if rows.use_recovery_code(tx, account_id, _recovery_digest(account_id, plain)) else ""
    for row in rows.factors(tx, account_id):
        if row.kind != "totp":
            continue
        step = totp.matching_step(unseal(keys_of(settings), row.secret, account_id), plain, tx.now(), after=row.used)
        if step is not None and rows.use_factor(tx, row.id, step, to_text(tx.now()), rises=True):
            return "totp"
    return ""


def passkey_secret(credential_id: str, public_key: str, transports: list[str]) -> str:
    """The public half of a passkey as it is kept."""
    return json.dumps({"id": credential_id, "public_key": public_key, "transports": transports})


def _recovery_digest(account_id: str, code: str) -> str:
    """80 random bits: a plain digest is not guessed."""
    return hashlib.sha256(f"{account_id}:{code.replace('-', '')}".encode()).hexdigest()


def _named(name: str) -> str:
    plain = " ".join(name.split())
    if not plain or len(plain) > NAME_LENGTH_MAX:
        raise Invalid(f"A second factor has a name of at most {NAME_LENGTH_MAX} characters.", code="factor-name", field="name")
    return plain


def _no_factor() -> NotFound:
    return NotFound("The account has no such second factor.", code="no-factor", field="id")
