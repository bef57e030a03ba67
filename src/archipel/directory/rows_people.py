"""SQL of structures, units, professionals and their memberships."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import Boolean, Column, ForeignKey, Index, String, Table, func, insert, literal, or_, select, update

from archipel.directory.model import Membership, Professional, Structure, Unit
from archipel.kit.database import Tx
from archipel.kit.rows import metadata

structure = Table(
    "directory_structure",
    metadata,
    Column("finess", String(9), primary_key=True),
    Column("kind", String(10), nullable=False),
    Column("name", String(200), nullable=False),
    Column("legal_finess", String(9), nullable=False),
    Index(None, "legal_finess"),
)

unit = Table(
    "directory_unit",
    metadata,
    Column("site_id", String(64), ForeignKey("directory_site.id"), primary_key=True),
    Column("code", String(20), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("active", Boolean, nullable=False),
)

professional = Table(
    "directory_professional",
    metadata,
    Column("rpps", String(11), primary_key=True),
    Column("family", String(100), nullable=False),
    Column("given", String(100), nullable=False),
    Column("profession", String(10), nullable=False),
    Column("specialty", String(10), nullable=False),
    Column("folded", String(210), nullable=False),
    Index(None, "folded"),
)

membership = Table(
    "directory_membership",
    metadata,
    Column("rpps", String(11), ForeignKey("directory_professional.rpps"), primary_key=True),
    Column("finess", String(9), ForeignKey("directory_structure.finess"), primary_key=True),
    Column("role", String(40), primary_key=True),
    Column("from_on", String(10), primary_key=True),
    Column("to_on", String(10), nullable=False),
    Index(None, "finess"),
)
_KEYS = {structure: ("finess",), unit: ("site_id", "code"), professional: ("rpps",), membership: ("rpps", "finess", "role", "from_on")}


def _put(tx: Tx, table: Table, values: dict[str, Any]) -> None:
    keys = _KEYS[table]
    rest = {name: value for name, value in values.items() if name not in keys}
    where = [table.c[name] == values[name] for name in keys]
    if not tx.execute(update(table).where(*where).values(**rest)).rowcount:
        tx.execute(insert(table).values(**values))


def put_structure(tx: Tx, s: Structure) -> None:
    """Insert or replace a structure."""
    _put(tx, structure, dict(vars(s)))


def put_unit(tx: Tx, u: Unit) -> None:
    """Insert or replace a unit."""
    _put(tx, unit, dict(vars(u)))


def put_professional(tx: Tx, p: Professional, folded: str) -> None:
    """Insert or replace a professional; ``folded`` is what searches compare."""
    _put(tx, professional, {**vars(p), "folded": folded})


def put_membership(tx: Tx, m: Membership) -> None:
    """Insert a membership, or replace its end."""
    _put(tx, membership, dict(vars(m)))


def get_structure(tx: Tx, finess: str) -> Structure | None:
    """One structure."""
    row = tx.execute(select(structure).where(structure.c.finess == finess)).first()
    return _structure(row) if row else None


def all_structures(tx: Tx) -> list[Structure]:
    """All structures by number."""
    return [_structure(row) for row in tx.execute(select(structure).order_by(structure.c.finess))]


def units_of(tx: Tx, site_id: str) -> list[Unit]:
    """The units of a site by code."""
    found = tx.execute(select(unit).where(unit.c.site_id == site_id).order_by(unit.c.code))
    return [Unit(row.site_id, row.code, row.name, row.active) for row in found]


def get_professional(tx: Tx, rpps: str) -> Professional | None:
    """One professional."""
    row = tx.execute(select(professional).where(professional.c.rpps == rpps)).first()
    return _professional(row) if row else None


def all_professionals(tx: Tx) -> list[Professional]:
    """All professionals by number."""
    return [_professional(row) for row in tx.execute(select(professional).order_by(professional.c.rpps))]


def find_professionals(tx: Tx, words: Iterable[str], limit: int) -> tuple[list[Professional], int]:
    """Those whose number or a name begins with each of the folded words, by name; and how many there are."""
    p = professional.c
    where = [
        or_(p.rpps.startswith(word, autoescape=True), (literal(" ") + p.folded).contains(" " + word, autoescape=True)) for word in words
    ]
    rows = tx.execute(select(professional).where(*where).order_by(p.folded, p.rpps).limit(limit))
    return [_professional(row) for row in rows], int(tx.execute(select(func.count()).select_from(professional).where(*where)).scalar() or 0)


def memberships(tx: Tx, *, rpps: str | None = None) -> list[Membership]:
    """The memberships of one professional, or all, by number, structure and first day."""
    m = membership.c
    asked = select(membership).order_by(m.rpps, m.finess, m.role, m.from_on)
    rows = tx.execute(asked if rpps is None else asked.where(m.rpps == rpps))
    return [Membership(row.rpps, row.finess, row.role, row.from_on, row.to_on) for row in rows]


def _structure(row: Any) -> Structure:
    return Structure(row.finess, row.kind, row.name, row.legal_finess)


def _professional(row: Any) -> Professional:
    return Professional(row.rpps, row.family, row.given, row.profession, row.specialty)
