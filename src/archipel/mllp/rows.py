"""SQL of the kept messages."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, Integer, LargeBinary, String, Table, Text, delete, func, insert, select, update

from archipel.kit.database import Tx
from archipel.kit.rows import metadata
from archipel.mllp.model import Kept, State

message = Table(
    "mllp_message",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("peer", String(64), nullable=False),
    Column("site_id", String(64), nullable=False),
    Column("address", String(64), nullable=False),
    Column("control_id", String(200), nullable=False),
    Column("event", String(20), nullable=False),
    Column("received_at", String(27), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("size_bytes", Integer, nullable=False),
    Column("data", LargeBinary, nullable=False),
    Column("key_name", String(20), nullable=False),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("ended_at", String(27), nullable=False),
    Column("code", String(2), nullable=False),
    Column("condition", String(40), nullable=False),
    Column("text", Text, nullable=False),
    Column("answer", LargeBinary, nullable=False),
    Column("original_id", String(32), nullable=False),
    Index(None, "peer", "control_id", "digest"),
    Index(None, "state", "received_at"),
)

_SHOWN = [column for column in message.c if column.name not in ("data", "answer")]


def _kept(row: Any) -> Kept:
    values = {name: getattr(row, name) for name in Kept.__dataclass_fields__}
    return Kept(**{**values, "state": State(row.state)})


def take_turn(tx: Tx, digest: str) -> None:
    """Let nobody else keep a message of these bytes until this transaction ends; SQLite has one writer anyway."""
    if tx.dialect == "postgresql":
        tx.execute(select(func.pg_advisory_xact_lock(int(digest[:15], 16))))


def add(tx: Tx, kept: Kept, data: bytes, answer: bytes = b"") -> None:
    """Keep a message."""
    tx.execute(insert(message).values(**vars(kept), data=data, answer=answer))


def same(tx: Tx, peer: str, control_id: str, digest: str) -> tuple[Kept, bytes] | None:
    """The first message of this peer with that control id and those bytes, with its answer; repetitions aside."""
    m = message.c
    found = select(*_SHOWN, m.answer).where(m.peer == peer, m.control_id == control_id, m.digest == digest)
    row = tx.execute(found.where(m.state != State.DUPLICATE).order_by(m.id).limit(1)).first()
    return (_kept(row), row.answer) if row else None


def get(tx: Tx, message_id: str) -> Kept | None:
    """One message without its bytes."""
    row = tx.execute(select(*_SHOWN).where(message.c.id == message_id)).first()
    return _kept(row) if row else None


def lock(tx: Tx, message_id: str) -> tuple[Kept, bytes] | None:
    """One message and its answer, held until this transaction ends: nobody else applies it meanwhile."""
    row = tx.execute(select(*_SHOWN, message.c.answer).where(message.c.id == message_id).with_for_update()).first()
    return (_kept(row), row.answer) if row else None


def data(tx: Tx, message_id: str) -> bytes:
    """The bytes as they are kept."""
    return bytes(tx.execute(select(message.c.data).where(message.c.id == message_id)).scalar_one())


def end(tx: Tx, message_id: str, **values: Any) -> None:
    """Say what became of a message."""
    tx.execute(update(message).where(message.c.id == message_id).values(attempts=message.c.attempts + 1, **values))


def newest(tx: Tx, *, states: list[str], peers: list[str], sites: list[str] | None, before: str, limit: int) -> list[Kept]:
    """Messages, newest first, after the id ``before``; an empty list of states or peers takes all."""
    m = message.c
    found = select(*_SHOWN).order_by(m.id.desc()).limit(limit)
    if states:
        found = found.where(m.state.in_(states))
    if peers:
        found = found.where(m.peer.in_(peers))
    if sites is not None:
        found = found.where(m.site_id.in_(sites))
    if before:
        found = found.where(m.id < before)
    return [_kept(row) for row in tx.execute(found)]


def counts(tx: Tx, sites: list[str] | None, peers: list[str]) -> dict[str, int]:
    """How many there are in each state."""
    m = message.c
    found = select(m.state, func.count()).group_by(m.state)
    if sites is not None:
        found = found.where(m.site_id.in_(sites))
    if peers:
        found = found.where(m.peer.in_(peers))
    return {str(state): int(count) for state, count in tx.execute(found)}


def left(tx: Tx, before: str, limit: int) -> list[str]:
    """Messages that were kept before an instant and never got to their end, in the order in which they came."""
    m = message.c
    found = select(m.id).where(m.state == State.TAKEN, m.received_at < before).order_by(m.id).limit(limit)
    return [str(value) for value in tx.execute(found).scalars()]


def forget(tx: Tx, before: str, limit: int) -> int:
    """Remove messages that came before an instant and wait for nobody; how many went."""
    m = message.c
    over = [State.APPLIED, State.REFUSED, State.DUPLICATE]
    old = select(m.id).where(m.state.in_(over), m.received_at < before).order_by(m.received_at).limit(limit)
    return int(tx.execute(delete(message).where(m.id.in_(old.scalar_subquery()))).rowcount)
