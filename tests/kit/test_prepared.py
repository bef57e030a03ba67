"""Statements that the driver runs itself: the same rows, types and errors as through SQLAlchemy, on both databases."""

from __future__ import annotations

import traceback
from typing import Any

import pytest
from sqlalchemy import Boolean, Column, Integer, MetaData, String, Table, bindparam, insert, select, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.types import JSON

from archipel.kit.database import Database, DataError, IntegrityError
from archipel.kit.prepared import Prepared, among

own = MetaData()
thing = Table(
    "test_thing",
    own,
    Column("name", String(20), primary_key=True),
    Column("number", Integer, nullable=True),
    Column("seen", Boolean, nullable=False),
    Column("more", JSON().with_variant(JSONB(), "postgresql"), nullable=False),
)
INSERT = Prepared(lambda dialect: insert(thing).values({c.name: bindparam(c.name, type_=c.type) for c in thing.c}))
FIND = Prepared(lambda dialect: select(thing).where(among(dialect, thing.c.name, "names")).order_by(thing.c.name))
ADD = Prepared(
    lambda dialect: update(thing).where(thing.c.name == bindparam("b_name")).values(number=thing.c.number + bindparam("b_by"), seen=True)
)

ROWS: list[dict[str, Any]] = [
    {"name": "a", "number": 1, "seen": True, "more": {"00100010": "ÉTÉ^Jérôme", "n": [1, None]}},
    {"name": "b'%s", "number": None, "seen": False, "more": {}},
    {"name": "c", "number": 7, "seen": False, "more": {"x": "y"}},
]


@pytest.fixture
def filled(database: Database) -> Database:
    own.create_all(database.engine)
    with database.write() as tx:
        INSERT.many(tx, ROWS)
    return database


def test_the_driver_reads_and_writes_what_sqlalchemy_does(filled: Database) -> None:
    with filled.read() as tx:
        mine = FIND.all(tx, names=["c", "a", "b'%s", "none"])
        theirs = tx.execute(select(thing).order_by(thing.c.name)).all()
    assert [tuple(row) for row in mine] == [tuple(row) for row in theirs]
    assert [row._asdict() for row in mine] == ROWS
    assert [type(row.seen) for row in mine] == [bool] * 3


def test_a_list_may_be_empty_or_long(filled: Database) -> None:
    with filled.read() as tx:
        assert FIND.all(tx, names=[]) == []
        assert [row.name for row in FIND.all(tx, names=[f"x{n}" for n in range(70_000)] + ["c"])] == ["c"]


def test_many_runs_once_for_each_and_not_at_all_for_none(filled: Database) -> None:
    with filled.write() as tx:
        ADD.many(tx, [{"b_name": "a", "b_by": 2}, {"b_name": "c", "b_by": -7}])
        ADD.many(tx, [])
    with filled.read() as tx:
        assert {row.name: (row.number, row.seen) for row in FIND.all(tx, names=["a", "c"])} == {"a": (3, True), "c": (0, True)}


def test_what_the_transaction_takes_back_is_gone(filled: Database) -> None:
    with pytest.raises(RuntimeError), filled.write() as tx:
        ADD.many(tx, [{"b_name": "a", "b_by": 2}])
        raise RuntimeError
    with filled.read() as tx:
        assert FIND.all(tx, names=["a"])[0].number == 1


@pytest.mark.parametrize(
    ("row", "kind"),
    [
        ({"name": "a", "number": 1, "seen": True, "more": {"00100010": "DUPONT^Marie"}}, IntegrityError),
        ({"name": "\ud800DUPONT", "number": 1, "seen": True, "more": {}}, DataError),
        ({"name": "DUPONT", "number": 2**70, "seen": True, "more": {}}, DataError),
    ],
)
def test_errors_are_those_of_sqlalchemy_without_values(filled: Database, row: dict[str, Any], kind: type[Exception]) -> None:
    with pytest.raises(kind) as caught, filled.write() as tx:
        INSERT.many(tx, [row])
    said = "".join(traceback.format_exception(caught.value)) + repr(caught.value) + repr(caught.value.__cause__)
    assert "DUPONT" not in said
    with filled.write() as tx:  # the connection is as good as before
        INSERT.many(tx, [{**ROWS[2], "name": "d"}])
