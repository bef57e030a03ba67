"""SQL of objects that are let go: which they are, and whether anything names them still."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import delete, func, select, update

from archipel.archive.rows import chunks, insert_new, instance
from archipel.archive.rows_review import conflict
from archipel.archive.rows_sealed import let_go, sealed
from archipel.kit.database import Tx

# Instead of an instant: the sweeper is about to remove this one, or died while it did.
CLAIMED = ""


def note(tx: Tx, keys: Iterable[str], at: str) -> None:
    """Objects that the index turns away from now, or may turn to in a moment."""
    some = sorted(set(keys))
    put_off(tx, some, at)  # what was in it and is elsewhere only now has its whole time before it
    insert_new(tx, let_go, [{"blob_key": key, "at": at} for key in some])


def keep(tx: Tx, key: str) -> bool:
    """The index turns to an object that was noted: it stays. False when the sweeper has claimed it, or removed it already."""
    return bool(tx.execute(delete(let_go).where(let_go.c.blob_key == key, let_go.c.at != CLAIMED)).rowcount)


def claim(tx: Tx, keys: Iterable[str]) -> list[str]:
    """Those of the objects that are let go and named by nothing, claimed for removal: from here on nothing can turn to them."""
    found: list[str] = []
    named_now = named(tx, keys := list(keys))
    for some in chunks(key for key in keys if key not in named_now):
        statement = update(let_go).where(let_go.c.blob_key.in_(some)).values(at=CLAIMED)
        found += tx.execute(statement.returning(let_go.c.blob_key)).scalars()
    return found


def is_noted(tx: Tx, key: str) -> bool:
    """Whether an object is let go."""
    return tx.execute(select(let_go.c.blob_key).where(let_go.c.blob_key == key)).first() is not None


def due(tx: Tx, before: str, limit: int) -> list[str]:
    """Objects that were let go before an instant, oldest first."""
    statement = select(let_go.c.blob_key).where(let_go.c.at < before).order_by(let_go.c.at, let_go.c.blob_key)
    return list(tx.execute(statement.limit(limit)).scalars())


def named(tx: Tx, keys: Iterable[str]) -> set[str]:
    """Those of the objects that an instance, a sealed series or a content kept aside is in."""
    found: set[str] = set()
    kept = conflict.c.kept["blob_key"].as_string()
    for some in chunks(keys):
        for column in (instance.c.blob_key, sealed.c.blob_key, kept):
            found |= set(tx.execute(select(column).where(column.in_(some)).distinct()).scalars())
    return found


def put_off(tx: Tx, keys: Iterable[str], at: str) -> None:
    """Look at these again later: something names them still."""
    for some in chunks(keys):
        tx.execute(update(let_go).where(let_go.c.blob_key.in_(some), let_go.c.at != CLAIMED).values(at=at))


def forget(tx: Tx, keys: Iterable[str]) -> None:
    """These are gone."""
    for some in chunks(keys):
        tx.execute(delete(let_go).where(let_go.c.blob_key.in_(some)))


def count(tx: Tx) -> int:
    """How many objects are let go and not yet removed."""
    return int(tx.execute(select(func.count()).select_from(let_go)).scalar_one())
