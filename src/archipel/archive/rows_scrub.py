"""SQL of the scheduled verification: how far it is, and what it found damaged."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, delete, func, or_, select, update

from archipel.archive.rows import insert_new, words
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

# One row. A pass is over when ``ended_at`` is set; ``part`` and ``cursor`` are where the next slice begins.
verified = Table(
    "archive_verified",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("part", String(10), nullable=False, default=""),
    Column("cursor", words(100), nullable=False, default=""),
    Column("started_at", words(27), nullable=False, default=""),
    Column("ended_at", words(27), nullable=False, default=""),
    Column("checked", BigInteger, nullable=False, default=0),
    Column("bytes", BigInteger, nullable=False, default=0),
    Column("damaged", BigInteger, nullable=False, default=0),
    Column("holder", String(32), nullable=False, default=""),
    Column("held_until", words(27), nullable=False, default=""),
)

damage = Table(
    "archive_damage",
    metadata,
    Column("sop_instance_uid", words(64), primary_key=True),
    Column("digest", String(64), primary_key=True),
    Column("study_uid", words(64), nullable=False),
    Column("reason", Text, nullable=False),
    Column("found_at", words(27), nullable=False),
    Index(None, "study_uid"),
)

_ONE = verified.c.id == 1


def read(tx: Tx) -> Any | None:
    """The row, None before the first pass."""
    return tx.execute(select(verified).where(_ONE)).first()


def hold(tx: Tx, holder: str, now: str, until: str) -> Any | None:
    """Take or keep the work for one process; the row, or None while another has it."""
    blank = {"part": "", "cursor": "", "started_at": "", "ended_at": "", "checked": 0, "bytes": 0, "damaged": 0}
    insert_new(tx, verified, [{"id": 1, "holder": "", "held_until": "", **blank}])
    free = or_(verified.c.holder == holder, verified.c.held_until < now)
    if not tx.execute(update(verified).where(_ONE, free).values(holder=holder, held_until=until)).rowcount:
        return None
    return read(tx)


def begin(tx: Tx, holder: str, part: str, at: str) -> None:
    """Begin a pass."""
    values = {"part": part, "cursor": "", "started_at": at, "ended_at": "", "checked": 0, "bytes": 0, "damaged": 0}
    tx.execute(update(verified).where(_ONE, verified.c.holder == holder).values(**values))


def go_on(tx: Tx, holder: str, values: dict[str, Any], *, checked: int, size_bytes: int, damaged: int) -> bool:
    """Note how far the pass is; False when another process has taken the work over."""
    v = verified.c
    counts = {"checked": v.checked + checked, "bytes": v.bytes + size_bytes, "damaged": v.damaged + damaged}
    return bool(tx.execute(update(verified).where(_ONE, v.holder == holder).values(**values, **counts)).rowcount)


def note(tx: Tx, values: dict[str, Any]) -> None:
    """An instance is damaged; when that was found first stays."""
    insert_new(tx, damage, [values])


def mended(tx: Tx, contents: Iterable[tuple[str, str]]) -> None:
    """These contents (SOP Instance UID, digest) are whole, or are held no more."""
    for uid, digest in contents:
        tx.execute(delete(damage).where(damage.c.sop_instance_uid == uid, damage.c.digest == digest))


def damages(tx: Tx, after: tuple[str, str] = ("", ""), limit: int = 1000) -> list[Any]:
    """What is damaged, in the order of UIDs and digests, behind one."""
    d = damage.c
    behind = (d.sop_instance_uid > after[0]) | ((d.sop_instance_uid == after[0]) & (d.digest > after[1]))
    return list(tx.execute(select(damage).where(behind).order_by(d.sop_instance_uid, d.digest).limit(limit)))


def damage_count(tx: Tx) -> int:
    """How many contents are damaged."""
    return int(tx.execute(select(func.count()).select_from(damage)).scalar_one())
