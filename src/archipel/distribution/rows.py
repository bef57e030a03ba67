"""SQL of distribution."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, String, Table, select, update

from archipel.kit.database import Tx
from archipel.kit.rows import insert_new, metadata

note = Table(
    "distribution_note",
    metadata,
    Column("note_uid", String(64), primary_key=True),
    Column("ae_title", String(16), primary_key=True),
    Column("study_uid", String(64), nullable=False),
    Column("rejection_id", String(32), nullable=False),
    Column("job_id", String(32), nullable=False),
    Column("sent_at", String(27), nullable=False),
    Index(None, "study_uid"),
)


def is_known(tx: Tx, note_uid: str, ae_title: str) -> bool:
    """Whether a note is, or was, on its way to a device."""
    n = note.c
    return tx.execute(select(n.job_id).where(n.note_uid == note_uid, n.ae_title == ae_title)).first() is not None


def add(tx: Tx, values: dict[str, Any]) -> None:
    """Insert a note that is to be sent."""
    insert_new(tx, note, [values])


def mark_sent(tx: Tx, note_uid: str, ae_title: str, at: str) -> None:
    """Note when it arrived."""
    tx.execute(update(note).where(note.c.note_uid == note_uid, note.c.ae_title == ae_title).values(sent_at=at))
