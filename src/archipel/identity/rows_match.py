"""SQL that finds records that may be of one person with another."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from sqlalchemy import ColumnElement, and_, bindparam, select, true

from archipel.identity.fold import blocks
from archipel.identity.model import Record
from archipel.identity.rows import by_ins, record, to_record
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared
from archipel.kit.scope import Scope

BLOCK_MAX = 400
"""Records that one block gives; a larger one says nothing (a first of January, a name that many have)."""

_C = record.c
_BLOCKS: dict[str, tuple[ColumnElement[str], ...]] = {
    "block_date": (_C.block_date,),
    "block_names": (_C.block_names, _C.block_used),
    "block_used": (_C.block_names, _C.block_used),
    "block_first_year": (_C.block_first_year,),
    "block_day_family": (_C.block_day_family,),
    "block_day_first": (_C.block_day_first,),
}


def _prepared(column: ColumnElement[str]) -> Prepared:
    return Prepared(lambda _: select(record).where(column == bindparam("block"), _C.demo == bindparam("demo")).limit(BLOCK_MAX))


_SEARCHES = {column.name: _prepared(column) for columns in _BLOCKS.values() for column in columns}


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


def in_block(tx: Tx, scope: Scope, names: Iterable[str], block: str) -> list[Record]:
    """The records that a reader sees with this value in one of these indexed columns."""
    found: dict[str, Record] = {}
    for name in names:
        some = select(record).where(_C[name] == block, scope.condition(_C.site_id)).limit(BLOCK_MAX)
        found |= {row.key: to_record(row) for row in tx.execute(some)}
    return list(found.values())


def with_code(tx: Tx, scope: Scope, code: str) -> list[Record]:
    """The records that a reader sees with this local identifier or matricule."""
    same = (_C.value == code, _C.ins_number == code[:13]) if len(code) in (13, 15) else (_C.value == code,)
    found: dict[str, Record] = {}
    for condition in same:
        some = select(record).where(condition, scope.condition(_C.site_id)).limit(BLOCK_MAX)
        found |= {row.key: to_record(row) for row in tx.execute(some)}
    return list(found.values())


def named_like(tx: Tx, scope: Scope, words: Sequence[str]) -> list[Record]:
    """Records whose family name begins with some of the words and whose first name with the others, either way round."""
    found: dict[str, Record] = {}
    for cut in range(len(words), -1, -1):
        first, second = " ".join(words[:cut]), " ".join(words[cut:])
        for family, given in {(first, second), (second, first)}:
            for column in (_C.family_folded, _C.used_folded):
                if family:
                    some = select(record).where(_begins(column, family), _begins(_C.first_folded, given), scope.condition(_C.site_id))
                    found |= {row.key: to_record(row) for row in tx.execute(some.limit(BLOCK_MAX))}
    if not found:
        some = select(record).where(_begins(_C.first_folded, " ".join(words)), scope.condition(_C.site_id))
        found = {row.key: to_record(row) for row in tx.execute(some.limit(BLOCK_MAX))}
    return list(found.values())


def _begins(column: ColumnElement[str], text: str) -> ColumnElement[bool]:
    """A range of the index, which both databases use: text is compared by code point."""
    return and_(column >= text, column < text + "\U0010ffff") if text else true()
