"""Narrow: questions to the indexes before a search, so that it takes the road that ends soonest.

A search gives the newest first. Where many studies match, walking them by date ends after a page; where few do, it would walk a year or
the whole archive for nothing, and their own index gives them all at once. Databases guess which it is; we count up to a bound.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import ColumnElement, Index, UnaryExpression, bindparam, func, literal_column, select, text
from sqlalchemy.sql.operators import custom_op

from archipel.archive.rows import study
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared

# Beyond this many studies of some modalities in a time, a page is found sooner by date.
MODALITIES_FEW = 5_000
# As many studies are walked by date before anybody would notice.
DATED_FEW = 1_000
OTHER_NAMES_MAX = 200
COMBINATIONS_MAX = 1000
# A text of combined modalities this long may lack some that had no room (``rows.joined``).
COMBINATION_LENGTH_SURE = 270

_LIST = (study.c.study_date, study.c.study_time, study.c.study_uid, study.c.hidden, study.c.site_id)
OTHER_NAMED = study.c.other_name_folded != literal_column("''")
# Everything that chooses and orders a page is in the index itself; rows are read for the page alone.
Index("ix_archive_study_list", *_LIST)
Index("ix_archive_study_list_of_site", study.c.site_id, *_LIST[:4])
Index("ix_archive_study_list_by_name", study.c.name_folded, *_LIST)
Index("ix_archive_study_list_by_modalities", study.c.modalities, *_LIST)
Index("ix_archive_study_other_name", study.c.other_name_folded, sqlite_where=OTHER_NAMED, postgresql_where=OTHER_NAMED)

_DATED = Prepared(
    lambda _: select(func.count().label("count")).select_from(
        select(study.c.study_uid).where(study.c.study_date.between(bindparam("first"), bindparam("last"))).limit(DATED_FEW + 1).subquery()
    )
)
_OTHER_NAMED = Prepared(
    lambda _: (
        select(study.c.study_uid)
        .where(OTHER_NAMED, study.c.other_name_folded.like(bindparam("pattern"), escape="\\"))
        .limit(OTHER_NAMES_MAX + 1)
    )
)
# Each step of the recursion is one look into the index: the next combination behind the last.
_COMBINATIONS = text(
    "WITH RECURSIVE one (m) AS (SELECT min(modalities) FROM archive_study UNION ALL "
    "SELECT (SELECT min(modalities) FROM archive_study WHERE modalities > one.m) FROM one WHERE one.m IS NOT NULL) "
    f"SELECT m FROM one WHERE m IS NOT NULL LIMIT {COMBINATIONS_MAX + 1}"
)


def unindexed(tx: Tx, column: ColumnElement[Any]) -> ColumnElement[Any]:
    """The column so that SQLite does not take its index; PostgreSQL knows from its statistics."""
    return UnaryExpression(column, operator=custom_op("+"), type_=column.type) if tx.dialect == "sqlite" else column


def otherwise_named(tx: Tx, pattern: str) -> list[str] | None:
    """The studies whose ideographic or phonetic names match; None when they are too many to be listed."""
    found = _OTHER_NAMED.all(tx, pattern=pattern)
    return None if len(found) > OTHER_NAMES_MAX else [row.study_uid for row in found]


def combinations(tx: Tx, modalities: list[str], dates: tuple[str, str]) -> list[str] | None:
    """The combinations of modalities that hold one of these, where few of many studies of the dates have them; else None."""
    if _DATED.all(tx, first=dates[0], last=dates[1])[0].count <= DATED_FEW:
        return None
    every = [str(row.m) for row in tx.execute(_COMBINATIONS)]
    if len(every) > COMBINATIONS_MAX:
        return None
    held = [one for one in every if len(one) > COMBINATION_LENGTH_SURE or any(modality in one for modality in modalities)]
    some = select(study.c.study_uid).where(study.c.modalities.in_(held), study.c.study_date.between(*dates)).limit(MODALITIES_FEW + 1)
    return held if tx.execute(select(func.count()).select_from(some.subquery())).scalar_one() <= MODALITIES_FEW else None
