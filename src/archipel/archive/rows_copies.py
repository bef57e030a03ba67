"""SQL of the copies of sealed objects in the store behind this machine's folder."""

from __future__ import annotations

from typing import Any

from sqlalchemy import BigInteger, Boolean, Column, Index, String, Table, delete, func, insert, literal, select, update

from archipel.archive.rows import chunks, words
from archipel.archive.rows_sealed import let_go, sealed
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

copies = Table(
    "archive_copy",
    metadata,
    Column("blob_key", words(120), primary_key=True),
    Column("asked_at", words(27), nullable=False),
    Column("copied_at", words(27), nullable=False, default=""),
    Column("size_bytes", BigInteger, nullable=False, default=0),
    Column("digest", String(64), nullable=False, default=""),
    Column("is_local", Boolean, nullable=False, default=True),
    Index(None, "copied_at", "asked_at"),
)


def ask(tx: Tx, key: str, at: str) -> None:
    """A new object is to be copied."""
    tx.execute(insert(copies).values(blob_key=key, asked_at=at))


def ask_for_missing(tx: Tx, at: str, limit: int) -> int:
    """Ask for sealed objects that nobody asked for, those of a time without a store behind; returns how many."""
    there = select(copies.c.blob_key).where(copies.c.blob_key == sealed.c.blob_key).exists()
    some = select(sealed.c.blob_key, literal(at), literal(""), literal(0), literal(""), literal(True)).where(~there).limit(limit)
    names = ["blob_key", "asked_at", "copied_at", "size_bytes", "digest", "is_local"]
    return int(tx.execute(insert(copies).from_select(names, some)).rowcount)


def waiting(tx: Tx, limit: int, offset: int = 0) -> list[str]:
    """Objects to be copied, oldest first; not those that are let go."""
    gone = select(let_go.c.blob_key).where(let_go.c.blob_key == copies.c.blob_key).exists()
    statement = select(copies.c.blob_key).where(copies.c.copied_at == "", ~gone).order_by(copies.c.asked_at, copies.c.blob_key)
    return list(tx.execute(statement.limit(limit).offset(offset)).scalars())


def lag(tx: Tx) -> tuple[int, str]:
    """How many objects are to be copied, and since when the oldest is ('' when there is none)."""
    count, oldest = tx.execute(select(func.count(), func.min(copies.c.asked_at)).where(copies.c.copied_at == "")).one()
    return int(count), oldest or ""


def copied(tx: Tx, key: str, size_bytes: int, digest: str, at: str) -> None:
    """An object is in the store and was read back from there."""
    tx.execute(update(copies).where(copies.c.blob_key == key).values(copied_at=at, size_bytes=size_bytes, digest=digest))


def to_free(tx: Tx, copied_before: str, limit: int) -> list[Any]:
    """Objects here that were copied before an instant: (blob_key, size_bytes), oldest copy first."""
    c = copies.c
    statement = select(c.blob_key, c.size_bytes).where(c.copied_at != "", c.copied_at < copied_before, c.is_local.is_(True))
    return list(tx.execute(statement.order_by(c.copied_at).limit(limit)))


def freed(tx: Tx, keys: list[str]) -> None:
    """These are in the store alone."""
    for some in chunks(keys):
        tx.execute(update(copies).where(copies.c.blob_key.in_(some)).values(is_local=False))


def lost(tx: Tx, keys: list[str]) -> None:
    """The store has these no more: they are to be copied again."""
    for some in chunks(keys):
        tx.execute(update(copies).where(copies.c.blob_key.in_(some)).values(copied_at=""))


def digest_of(tx: Tx, key: str) -> str:
    """The SHA-256 of an object that was copied, '' when it was not."""
    return str(tx.execute(select(copies.c.digest).where(copies.c.blob_key == key, copies.c.copied_at != "")).scalar() or "")


def forget(tx: Tx, keys: list[str]) -> None:
    """These objects are gone."""
    for some in chunks(keys):
        tx.execute(delete(copies).where(copies.c.blob_key.in_(some)))
