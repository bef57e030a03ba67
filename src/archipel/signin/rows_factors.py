"""SQL of second factors, recovery codes, steps of a sign-in and identities of other providers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Column, Index, String, Table, Text, delete, func, insert, select, update

from archipel.kit.database import Tx
from archipel.kit.rows import insert_new, metadata

# ``secret``: of a one-time code sealed, of a passkey its public half. ``used``: the last step of time, or the count of signatures.
factor = Table(
    "signin_factor",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("kind", String(10), nullable=False),
    Column("name", String(60), nullable=False),
    Column("secret", Text, nullable=False),
    Column("credential", String(64), nullable=False),
    Column("used", BigInteger, nullable=False),
    Column("created_at", String(27), nullable=False),
    Column("used_at", String(27), nullable=False),
    Index(None, "account_id"),
    Index(None, "credential"),
)

recovery = Table(
    "signin_recovery",
    metadata,
    Column("account_id", String(32), primary_key=True),
    Column("digest", String(64), primary_key=True),
)

step = Table(
    "signin_step",
    metadata,
    Column("digest", String(64), primary_key=True),
    Column("kind", String(20), nullable=False),
    Column("account_id", String(32), nullable=False),
    Column("provider", String(64), nullable=False),
    Column("payload", Text, nullable=False),
    Column("expires_at", String(27), nullable=False),
)

identity = Table(
    "signin_identity",
    metadata,
    Column("provider", String(64), primary_key=True),
    Column("subject", String(255), primary_key=True),
    Column("account_id", String(32), nullable=False),
    Column("linked_at", String(27), nullable=False),
    Index(None, "account_id"),
)


def add_factor(tx: Tx, **values: Any) -> None:
    """Insert a factor."""
    tx.execute(insert(factor).values(**values))


def factors(tx: Tx, account_id: str) -> list[Any]:
    """The factors of an account, oldest first."""
    return list(tx.execute(select(factor).where(factor.c.account_id == account_id).order_by(factor.c.created_at, factor.c.id)))


def accounts_with_factors(tx: Tx) -> set[str]:
    """The ids of the accounts that have one."""
    return set(tx.execute(select(factor.c.account_id).distinct()).scalars())


def factor_of_credential(tx: Tx, credential: str) -> Any | None:
    """The passkey whose credential id has this digest."""
    return tx.execute(select(factor).where(factor.c.credential == credential, factor.c.kind == "passkey")).first()


def use_factor(tx: Tx, factor_id: str, used: int, at: str, *, rises: bool) -> bool:
    """Note that a factor was used; with ``rises``, only when its figure is higher than that of the last use."""
    where = (factor.c.id == factor_id) & (factor.c.used < used) if rises else factor.c.id == factor_id
    return bool(tx.execute(update(factor).where(where).values(used=used, used_at=at)).rowcount)


def name_factor(tx: Tx, account_id: str, factor_id: str, name: str) -> bool:
    """Give a factor another name; False when the account has no such."""
    mine = (factor.c.id == factor_id) & (factor.c.account_id == account_id)
    return bool(tx.execute(update(factor).where(mine).values(name=name)).rowcount)


def remove_factor(tx: Tx, account_id: str, factor_id: str) -> bool:
    """Remove a factor; False when the account has no such."""
    return bool(tx.execute(delete(factor).where(factor.c.id == factor_id, factor.c.account_id == account_id)).rowcount)


def remove_factors(tx: Tx, account_id: str) -> int:
    """Remove all factors and recovery codes of an account; how many factors there were."""
    tx.execute(delete(recovery).where(recovery.c.account_id == account_id))
    return int(tx.execute(delete(factor).where(factor.c.account_id == account_id)).rowcount)


def put_recovery_codes(tx: Tx, account_id: str, digests: list[str]) -> None:
    """Replace the recovery codes of an account."""
    tx.execute(delete(recovery).where(recovery.c.account_id == account_id))
    if digests:
        tx.execute(insert(recovery), [{"account_id": account_id, "digest": digest} for digest in digests])


def recovery_count(tx: Tx, account_id: str) -> int:
    """How many recovery codes are left."""
    return len(tx.execute(select(recovery.c.digest).where(recovery.c.account_id == account_id)).all())


def use_recovery_code(tx: Tx, account_id: str, digest: str) -> bool:
    """Spend a recovery code; False when there is no such."""
    return bool(tx.execute(delete(recovery).where(recovery.c.account_id == account_id, recovery.c.digest == digest)).rowcount)


def put_step(tx: Tx, **values: Any) -> None:
    """Insert or replace a step."""
    tx.execute(delete(step).where(step.c.digest == values["digest"]))
    tx.execute(insert(step).values(**values))


def add_step(tx: Tx, **values: Any) -> bool:
    """Insert a step whose payload is its alone; False when there is one already."""
    insert_new(tx, step, [values])
    return bool(tx.execute(select(step.c.payload).where(step.c.digest == values["digest"])).scalar() == values["payload"])


def step_count(tx: Tx) -> int:
    """How many steps are kept."""
    return int(tx.execute(select(func.count()).select_from(step)).scalar_one())


def get_step(tx: Tx, digest: str, kind: str, now: str) -> Any | None:
    """A step that has not expired."""
    return tx.execute(select(step).where(step.c.digest == digest, step.c.kind == kind, step.c.expires_at > now)).first()


def end_step(tx: Tx, digest: str) -> bool:
    """Remove a step; False when another did."""
    return bool(tx.execute(delete(step).where(step.c.digest == digest)).rowcount)


def sweep_steps(tx: Tx, now: str) -> None:
    """Remove the steps that have expired."""
    tx.execute(delete(step).where(step.c.expires_at <= now))


def add_identity(tx: Tx, **values: Any) -> bool:
    """Insert an identity; False when the provider's subject has another account."""
    insert_new(tx, identity, [values])
    found = get_identity(tx, values["provider"], values["subject"])
    return found is not None and bool(found.account_id == values["account_id"])


def get_identity(tx: Tx, provider: str, subject: str) -> Any | None:
    """The identity of a provider's subject."""
    return tx.execute(select(identity).where(identity.c.provider == provider, identity.c.subject == subject)).first()


def identities(tx: Tx, account_id: str) -> list[Any]:
    """The identities of an account."""
    i = identity.c
    return list(tx.execute(select(identity).where(i.account_id == account_id).order_by(i.provider, i.subject)))


def remove_identity(tx: Tx, account_id: str, provider: str, subject: str) -> bool:
    """Remove an identity; False when the account has no such."""
    i = identity.c
    which = (i.account_id == account_id) & (i.provider == provider) & (i.subject == subject)
    return bool(tx.execute(delete(identity).where(which)).rowcount)
