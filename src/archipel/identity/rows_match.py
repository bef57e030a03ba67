"""SQL that finds records that may be of one person with another."""

from __future__ import annotations

from collections.abc import Iterable

from sqlalchemy import ColumnElement, bindparam, select

from archipel.identity.fold import blocks
from archipel.identity.model import Record
from archipel.identity.rows import by_ins, record, to_record
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared

BLOCK_MAX = 400
"""Records that one block gives; a larger one says nothing (a first of January, a name that many have)."""

_C = record.c
_BLOCKS: dict[str, tuple[ColumnElement[str], ...]] = {
    "block_date": (_C.block_date,),
    "block_names": (_C.block_names, _C.block_used),
    "block_used": (_C.block_names, _C.block_used),
    "block_first_year": (_C.block_first_year,),
    "block_day_family": (_C.block_day_family,),
}


def _prepared(column: ColumnElement[str]) -> Prepared:
    return Prepared(lambda _: select(record).where(column == bindparam("block"), _C.demo == bindparam("demo")).limit(BLOCK_MAX))


_SEARCHES = {
    column.name: _prepared(column) for column in (_C.block_date, _C.block_names, _C.block_used, _C.block_first_year, _C.block_day_family)
}


def candidates(tx: Tx, one: Record) -> Iterable[Record]:
    """The records on the same side of the wall that share a block or an INS with this one, itself not among them."""
    found: dict[str, Record] = {}
    for name, block in blocks(one).items():
        if block and name in _BLOCKS:
            for column in _BLOCKS[name]:
                for row in _SEARCHES[column.name].all(tx, block=block, demo=one.demo):
                    if row.key not in found:
                        found[row.key] = to_record(row)
    if one.usable_ins is not None:
        found |= {other.key: other for other in by_ins(tx, one.usable_ins.number, demo=one.demo)}
    found.pop(one.key, None)
    return found.values()
