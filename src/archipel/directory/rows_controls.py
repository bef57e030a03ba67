"""SQL of the controls of devices. A control is written once and stays: what was wrong in it, a later one says."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, String, Table, insert, select

from archipel.directory.model import Control
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

# The device is named, not referred to: one that is removed and comes back is still stopped.
control = Table(
    "directory_control",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("ae_title", String(16), nullable=False),
    Column("kind", String(20), nullable=False),
    Column("on", String(10), nullable=False),
    Column("by", String(120), nullable=False),
    Column("result", String(10), nullable=False),
    Column("next_due_on", String(10), nullable=False),
    Column("services", String(200), nullable=False),
    Column("note", String(500), nullable=False),
    Column("recorded_at", String(27), nullable=False),
    Column("recorded_by", String(64), nullable=False),
    Index(None, "ae_title", "on"),
)


def add_control(tx: Tx, c: Control) -> None:
    """Insert a control."""
    tx.execute(insert(control).values(**{**vars(c), "services": " ".join(c.services)}))


def controls(tx: Tx, ae_title: str | None = None) -> list[Control]:
    """The controls of a device, or of all, oldest first; of one day in the order in which they were recorded."""
    c = control.c
    asked = select(control).order_by(c.on, c.recorded_at, c.id)
    return [_control(row) for row in tx.execute(asked if ae_title is None else asked.where(c.ae_title == ae_title))]


def _control(row: Any) -> Control:
    values = {name: getattr(row, name) for name in ("id", "ae_title", "kind", "on", "by", "result", "next_due_on")}
    return Control(**values, services=tuple(row.services.split()), note=row.note, recorded_at=row.recorded_at, recorded_by=row.recorded_by)
