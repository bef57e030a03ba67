"""What the database refuses is told without the values that were sent to it: they name people."""

from __future__ import annotations

import sqlite3
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
import structlog
from sqlalchemy import Column, Integer, MetaData, String, Table, UniqueConstraint, insert, select, text

from archipel.kit import rows
from archipel.kit.database import Database, DBAPIError, Tx, describe
from archipel.kit.errors import Unavailable
from archipel.kit.feed import Change, Follower, advance, parked_changes
from archipel.kit.jobs import JobRunner, enqueue, recent
from archipel.kit.logs import configure_logs

NAME = "DUPONT^JEANNE"
own = MetaData()
people = Table(
    "test_person", own, Column("name", String(20), nullable=False), Column("age", Integer), UniqueConstraint("name", name="uq_name")
)


@dataclass(frozen=True)
class Seen(Change):
    """Somebody was seen."""

    number: int


def twice(tx: Tx) -> None:
    """Breaks the unique key: PostgreSQL's DETAIL line repeats the value."""
    tx.execute(insert(people).values(name=NAME))
    tx.execute(insert(people).values(name=NAME))


def too_long(tx: Tx) -> None:
    """PostgreSQL refuses what its column cannot hold."""
    tx.execute(insert(people).values(name=NAME * 5))


def no_number(tx: Tx) -> None:
    """PostgreSQL repeats the value in the message itself."""
    tx.execute(
        text("INSERT INTO test_person (name, age) VALUES (:name, CAST(CAST(:age AS varchar) AS integer))"), {"name": "x", "age": NAME}
    )


def no_text(tx: Tx) -> None:
    """A lone surrogate, which no driver can send; the representation of Python's error repeats the whole text."""
    tx.execute(insert(people).values(name=NAME + "\ud800"))


def too_large(tx: Tx) -> None:
    """A number that no column holds."""
    tx.execute(insert(people).values(name=NAME, age=2**70))


ACTS = [twice, too_long, no_number, no_text, too_large]
SQLITE_TAKES = [too_long, no_number]  # it has no lengths, and casts what is no number to 0


@pytest.fixture
def refusing(database: Database, request: pytest.FixtureRequest) -> Callable[[Tx], None]:
    """An act that the database at hand refuses."""
    own.create_all(database.engine)
    act: Callable[[Tx], None] = request.param
    if database.dialect == "sqlite" and act in SQLITE_TAKES:
        pytest.skip("SQLite takes it")
    return act


def whole(error: BaseException) -> str:
    """All that a log could show of an error, those behind it included."""
    return "".join(traceback.format_exception(error)) + repr(error) + repr(error.__cause__) + str(error.__cause__)


def outside(traces: str) -> str:
    """Without the lines of source that a traceback quotes from this file."""
    return "\n".join(line for line in traces.splitlines() if "tx.execute" not in line)


@pytest.mark.parametrize("refusing", ACTS, indirect=True, ids=lambda act: act.__name__)
def test_no_value_is_in_an_error(database: Database, refusing: Callable[[Tx], None]) -> None:
    with pytest.raises(DBAPIError) as caught, database.write() as tx:
        refusing(tx)
    assert "DUPONT" not in outside(whole(caught.value))
    assert "DUPONT" not in describe(caught.value)
    assert type(caught.value.orig).__name__ in describe(caught.value)


@pytest.mark.parametrize("refusing", ACTS, indirect=True, ids=lambda act: act.__name__)
def test_no_value_is_in_a_log_or_in_what_is_parked(
    database: Database, refusing: Callable[[Tx], None], capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logs(as_json=True)
    try:
        with database.write() as tx:
            tx.publish(Seen(1))
            enqueue(tx, "refused", {}, attempts_max=1)

        def follow(tx: Tx, _: Any) -> None:
            refusing(tx)

        def work() -> None:
            database.transact(refusing)

        advance(database, Follower("test", (Seen,), follow, lambda tx: iter(())))
        assert JobRunner(database, {"refused": work}).run_one()
    finally:
        said = capsys.readouterr().err
        structlog.reset_defaults()
    with database.read() as tx:
        (parked,), (job,) = parked_changes(tx), recent(tx)
        assert tx.execute(select(rows.parked.c.error)).scalar_one() == parked["error"]
    assert "feed.parked" in said
    assert "job.failed" in said
    for place in (said, parked["error"], job["error"]):
        assert "Error" in place
        assert "DUPONT" not in place


def test_the_reason_is_still_told(database: Database) -> None:
    own.create_all(database.engine)
    with pytest.raises(DBAPIError) as caught, database.write() as tx:
        twice(tx)
    found = {
        "sqlite": "IntegrityError [SQLITE_CONSTRAINT_UNIQUE]: UNIQUE constraint failed: test_person.name",
        "postgresql": 'UniqueViolation [23505]: duplicate key value violates unique constraint "uq_name"',
    }
    assert describe(caught.value) == found[database.dialect]
    assert found[database.dialect] in str(caught.value)


def test_a_database_that_is_away_says_where() -> None:
    away = Database("postgresql+psycopg://someone@127.0.0.1:1/none")
    with pytest.raises(Unavailable) as caught, away.read():
        pass
    assert "127.0.0.1" in caught.value.detail
    away.close()


def test_other_failures_keep_their_words() -> None:
    assert describe(KeyError("x")) == "KeyError: 'x'"
    assert describe(sqlite3.OperationalError(f'near "{NAME}": syntax error')) == "OperationalError: near (value): syntax error"
    assert NAME not in describe(UnicodeEncodeError("utf-8", NAME, 0, 1, "no"))
