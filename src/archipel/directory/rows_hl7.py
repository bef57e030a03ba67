"""SQL of the HL7 peers."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, Integer, String, Table, delete, insert, select, update

from archipel.directory.model import Hl7Peer
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

peer = Table(
    "directory_hl7_peer",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("host", String(255), nullable=False),
    Column("port", Integer, nullable=False),
    Column("site_id", String(64), ForeignKey("directory_site.id"), nullable=False),
    Column("active", Boolean, nullable=False),
    Column("tls", Boolean, nullable=False),
    Column("certificate", String(400), nullable=False),
    Index(None, "site_id"),
)


def _peer(row: Any) -> Hl7Peer:
    return Hl7Peer(row.name, row.host, row.port, row.site_id, row.active, row.tls, row.certificate)


def put_peer(tx: Tx, p: Hl7Peer) -> None:
    """Insert or replace a peer."""
    values = {name: value for name, value in vars(p).items() if name != "name"}
    if not tx.execute(update(peer).where(peer.c.name == p.name).values(**values)).rowcount:
        tx.execute(insert(peer).values(name=p.name, **values))


def get_peer(tx: Tx, name: str) -> Hl7Peer | None:
    """One peer."""
    row = tx.execute(select(peer).where(peer.c.name == name)).first()
    return _peer(row) if row else None


def all_peers(tx: Tx) -> list[Hl7Peer]:
    """All peers by name."""
    return [_peer(row) for row in tx.execute(select(peer).order_by(peer.c.name))]


def delete_peer(tx: Tx, name: str) -> bool:
    """Remove a peer; False when there was none."""
    return bool(tx.execute(delete(peer).where(peer.c.name == name)).rowcount)
