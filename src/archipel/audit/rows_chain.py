"""SQL of the chain: what waits for its place, links, head, days, removals."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from sqlalchemy import BigInteger, Column, Index, Integer, String, Table, Text, bindparam, delete, func, insert, or_, select, update

from archipel.audit.rows import record
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared
from archipel.kit.rows import insert_new, metadata

# Under which links get their places on PostgreSQL; SQLite has one writer.
CHAIN_LOCK = 0x41554454

pending = Table("audit_pending", metadata, Column("record_id", String(32), primary_key=True))

link = Table(
    "audit_link",
    metadata,
    Column("seq", BigInteger, primary_key=True, autoincrement=False),
    Column("record_id", String(32), nullable=False),
    Column("record_digest", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("removal_id", String(32), nullable=False),
    Index(None, "record_id", unique=True),
)

# One row.
head = Table(
    "audit_head",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("seq", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("signature", String(128), nullable=False),
)

day = Table(
    "audit_day",
    metadata,
    Column("day", String(10), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("signature", String(128), nullable=False),
)

removal = Table(
    "audit_removal",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("until_day", String(10), nullable=False),
    Column("record_count", BigInteger, nullable=False),
    Column("digest", String(64), nullable=False),
    Column("at", String(27), nullable=False),
    Column("key_id", String(32), nullable=False),
    Column("signature", String(128), nullable=False),
)

# How far each destination has what is sent on.
sent = Table(
    "audit_sent",
    metadata,
    Column("destination", String(255), primary_key=True),
    Column("seq", BigInteger, nullable=False),
    Column("at", String(27), nullable=False),
    Column("error", Text, nullable=False),
    Column("holder", String(32), nullable=False),
    Column("held_until", String(27), nullable=False),
)

# One row: how the last verification of the whole chain ended.
verified = Table(
    "audit_verified",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("begun_at", String(27), nullable=False),
    Column("ended_at", String(27), nullable=False),
    Column("seq", BigInteger, nullable=False),
    Column("until", String(27), nullable=False),
    Column("finding_count", Integer, nullable=False),
    Column("findings", Text, nullable=False),
)

_WAIT = Prepared(lambda _: insert(pending).values(record_id=bindparam("record_id")))


def wait(tx: Tx, record_id: str) -> None:
    """A record waits for its place in the chain."""
    _WAIT.many(tx, [{"record_id": record_id}])


def lock(tx: Tx) -> None:
    """Nobody else adds to the chain until this transaction ends."""
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(CHAIN_LOCK)))


def waiting(tx: Tx, limit: int) -> list[Any]:
    """Records that wait, in the order of their ids."""
    joined = select(record).join(pending, pending.c.record_id == record.c.id)
    return list(tx.execute(joined.order_by(pending.c.record_id).limit(limit)))


def waiting_count(tx: Tx) -> int:
    """How many records wait."""
    return int(tx.execute(select(func.count()).select_from(pending)).scalar_one())


def add_links(tx: Tx, links: Sequence[dict[str, Any]]) -> None:
    """Add links; their records wait no more."""
    tx.execute(insert(link), list(links))
    tx.execute(delete(pending).where(pending.c.record_id.in_([one["record_id"] for one in links])))


def read_head(tx: Tx) -> Any | None:
    """The signed end of the chain, None before its first link."""
    return tx.execute(select(head).where(head.c.id == 1)).first()


def write_head(tx: Tx, values: dict[str, Any]) -> None:
    """The chain ends here now."""
    if not tx.execute(update(head).where(head.c.id == 1).values(**values)).rowcount:
        tx.execute(insert(head).values(id=1, **values))


def last_link(tx: Tx) -> Any | None:
    """The last link."""
    return tx.execute(select(link).order_by(link.c.seq.desc()).limit(1)).first()


def last_day(tx: Tx) -> Any | None:
    """The last signed day."""
    return tx.execute(select(day).order_by(day.c.day.desc()).limit(1)).first()


def days(tx: Tx) -> list[Any]:
    """All signed days in order."""
    return list(tx.execute(select(day).order_by(day.c.day)))


def add_day(tx: Tx, values: dict[str, Any]) -> None:
    """A day is signed."""
    tx.execute(insert(day).values(**values))


def linked(tx: Tx, after: int, limit: int) -> list[Any]:
    """Links behind a place, each with its record's columns (``r_...``; ``r_id`` None where there is no record)."""
    columns = [column.label(f"r_{column.name}") for column in record.c]
    joined = select(link, *columns).join_from(link, record, record.c.id == link.c.record_id, isouter=True)
    return list(tx.execute(joined.where(link.c.seq > after).order_by(link.c.seq).limit(limit)))


def link_counts(tx: Tx) -> int:
    """How many links there are."""
    return int(tx.execute(select(func.count()).select_from(link)).scalar_one())


def unlinked(tx: Tx, limit: int) -> list[Any]:
    """Records that have no link and do not wait for one."""
    joined = record.outerjoin(link, link.c.record_id == record.c.id).outerjoin(pending, pending.c.record_id == record.c.id)
    nowhere = link.c.record_id.is_(None) & pending.c.record_id.is_(None)
    return list(tx.execute(select(record).select_from(joined).where(nowhere).order_by(record.c.id).limit(limit)))


def orphaned(tx: Tx, limit: int) -> list[str]:
    """Ids that wait for a place and have no record."""
    joined = pending.outerjoin(record, record.c.id == pending.c.record_id)
    found = tx.execute(select(pending.c.record_id).select_from(joined).where(record.c.id.is_(None)).limit(limit))
    return [str(one) for one in found.scalars()]


def place_of(tx: Tx, record_digest: str) -> int | None:
    """The place of the link that was made for a record with this digest."""
    return tx.execute(select(link.c.seq).where(link.c.record_digest == record_digest).limit(1)).scalar()  # type: ignore[no-any-return]


def removals(tx: Tx) -> list[Any]:
    """All removals."""
    return list(tx.execute(select(removal).order_by(removal.c.id)))


def is_removal(tx: Tx, removal_id: str) -> bool:
    """Whether there is such a removal."""
    return tx.execute(select(removal.c.id).where(removal.c.id == removal_id)).first() is not None


def of_actions(tx: Tx, until_seq: int, before: str, actions: Sequence[str], others: bool, limit: int) -> list[Any]:
    """Links (seq, record_id, record_digest) up to a place, of records older than an instant whose action is (or is none) of these."""
    matches = record.c.action.not_in(actions) if others else record.c.action.in_(actions)
    found = select(link.c.seq, link.c.record_id, link.c.record_digest).join(record, record.c.id == link.c.record_id)
    found = found.where(record.c.at < before, link.c.seq <= until_seq, link.c.removal_id == "", matches)
    return list(tx.execute(found.order_by(link.c.seq).limit(limit)))


def remove(tx: Tx, values: dict[str, Any], record_ids: Sequence[str]) -> None:
    """Take records away; their links stay and say by which removal."""
    tx.execute(insert(removal).values(**values))
    tx.execute(update(link).where(link.c.record_id.in_(record_ids)).values(removal_id=values["id"]))
    tx.execute(delete(record).where(record.c.id.in_(record_ids)))


def hold_destination(tx: Tx, destination: str, holder: str, seconds: float) -> int | None:
    """Take or keep a destination for one process; the last place that it has, None while another process sends there."""
    now, until = to_text(tx.now()), to_text(tx.now() + timedelta(seconds=seconds))
    insert_new(tx, sent, [{"destination": destination, "seq": 0, "at": now, "error": "", "holder": "", "held_until": ""}])
    s = sent.c
    mine = update(sent).where(s.destination == destination, or_(s.holder == holder, s.held_until < now))
    if not tx.execute(mine.values(holder=holder, held_until=until)).rowcount:
        return None
    return int(tx.execute(select(s.seq).where(s.destination == destination)).scalar_one())


def note_sent(tx: Tx, destination: str, holder: str, until: int, error: str) -> None:
    """A destination has everything up to a place, or could not take what follows it."""
    mine = update(sent).where(sent.c.destination == destination, sent.c.holder == holder)
    tx.execute(mine.values(seq=until, at=to_text(tx.now()), error=error))


def destinations(tx: Tx) -> list[Any]:
    """How far each destination is."""
    return list(tx.execute(select(sent).order_by(sent.c.destination)))


def last_verified(tx: Tx) -> Any | None:
    """How the last verification ended, or that one has begun."""
    return tx.execute(select(verified).where(verified.c.id == 1)).first()


def begin_verifying(tx: Tx, now: str, before: str) -> bool:
    """Take the verification that is due: none began since ``before``. False when another process has it."""
    insert_new(tx, verified, [{"id": 1, "begun_at": "", "ended_at": "", "seq": 0, "until": "", "finding_count": 0, "findings": "[]"}])
    due = update(verified).where(verified.c.id == 1, verified.c.begun_at < before)
    return bool(tx.execute(due.values(begun_at=now)).rowcount)


def end_verifying(tx: Tx, values: dict[str, Any]) -> None:
    """A verification has ended so."""
    insert_new(tx, verified, [{"id": 1, "begun_at": "", **values}])
    tx.execute(update(verified).where(verified.c.id == 1).values(**values))
