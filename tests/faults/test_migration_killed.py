"""``kill -9`` of a process that migrates, at every statement: the next start ends the job, and what was there is untouched."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, MetaData, event, insert, inspect, select

from archipel import migrations
from archipel.kit.database import Database
from archipel.migrations.upgrade import _config
from tests.faults.counts import record
from tests.faults.receiving_child import Killer
from tests.platform import Platform

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
FIRST = "0001"
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.faults.test_migration_killed"])

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800 if LONG else 240)]


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'm.db'}" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def migrate(url: str, boundary: str, at: int, said: Any) -> None:
    """Migrate, and be killed before the statement, the commit or the end that was named; says how many statements there were."""
    database, step = Database(url), Killer(boundary, at)
    count = 0

    @event.listens_for(database.engine, "before_cursor_execute")
    def before(_connection: Connection, _cursor: Any, statement: str, *_rest: Any) -> None:
        nonlocal count
        count += 1
        step("statement")
        if statement.startswith("UPDATE alembic_version"):
            step("revision")

    event.listen(database.engine, "commit", lambda _connection: step("before commit"))
    migrations.upgrade(database)
    step("after commit")
    said.put(count)


def child(url: str, boundary: str, at: int) -> tuple[BaseProcess, Any]:
    said = CHILDREN.SimpleQueue()
    process = CHILDREN.Process(target=migrate, args=(url, boundary, at, said), daemon=True)
    process.start()
    process.join(60)
    return process, said


def old_database(url: str) -> dict[str, list[tuple[Any, ...]]]:
    """A database of the first version with rows in it; gives all of them."""
    database, config = Database(url), _config()
    with database.engine.connect() as connection:
        connection = connection.execution_options(archipel_write=True)
        with connection.begin():
            config.attributes["connection"] = connection
            command.upgrade(config, FIRST)
            tables = MetaData()
            tables.reflect(connection)
            for table in tables.sorted_tables:
                if not table.foreign_keys and table.name != "alembic_version":
                    connection.execute(insert(table), [row_of(table, number) for number in range(3)])
    found = contents(database, None)
    database.close()
    assert sum(map(len, found.values())) > 30
    return found


def row_of(table: Any, number: int) -> dict[str, Any]:
    """Values of the right kind; texts and numbers that differ from row to row."""
    kinds: dict[type, Any] = {int: number, float: float(number), bytes: bytes([number]), bool: False}
    values: dict[str, Any] = {}
    for column in table.columns:
        kind = column.type.python_type
        values[column.name] = kinds.get(kind, f"{column.name[:8]}-{number}"[: getattr(column.type, "length", None) or 40])
    return values


def contents(database: Database, only: dict[str, list[tuple[Any, ...]]] | None) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of all tables, or of those tables and columns that ``only`` has."""
    with database.engine.connect() as connection:
        tables = MetaData()
        tables.reflect(connection)
        found: dict[str, list[tuple[Any, ...]]] = {}
        for table in tables.sorted_tables:
            if table.name == "alembic_version" or (only is not None and table.name not in only):
                continue
            rows = connection.execute(select(table)).mappings().all()
            names = list(only[table.name][0]) if only is not None and only[table.name] else [column.name for column in table.columns]
            names = [name[0] if isinstance(name, tuple) else name for name in names]
            found[table.name] = sorted(tuple((name, row[name]) for name in names) for row in rows)
        connection.rollback()
    return found


@pytest.fixture
def old(url: str) -> dict[str, list[tuple[Any, ...]]]:
    return old_database(url)


def test_a_kill_at_any_statement_leaves_the_old_or_the_new(url: str, old: dict[str, list[tuple[Any, ...]]], tmp_path: Path) -> None:
    database = Database(url)
    revisions = int(migrations.head_revision()) - int(FIRST)
    at = [("before commit", 1), *(("revision", number) for number in range(1, revisions + 1))]
    at += [("statement", number) for number in (range(1, 400) if LONG else (2, 9, 33))]
    kills = 0
    for boundary, number in at:
        process, _ = child(url, boundary, number)
        if process.exitcode == 0:  # there are not so many statements
            break
        assert process.exitcode == -signal.SIGKILL
        kills += 1
        assert migrations.current_revision(database) == FIRST
        assert contents(database, None) == old, f"a kill at {boundary} {number} left something behind"
    if migrations.current_revision(database) == FIRST:
        process, _ = child(url, "after commit", 1)
        assert process.exitcode == -signal.SIGKILL
        kills += 1
    assert migrations.current_revision(database) == migrations.head_revision()
    assert contents(database, old) == old
    count = sum(map(len, old.values()))
    record("kill -9 while migrating, at every statement (rows)", database.dialect, tries=kills, sent=count, acknowledged=count, found=count)
    process, _ = child(url, "", 0)
    assert process.exitcode == 0
    with database.engine.connect() as connection:
        assert "archive_sealed" in inspect(connection).get_table_names()
    database.close()


def test_a_start_that_is_killed_while_it_migrates_is_followed_by_one_that_serves(postgres_url: str, tmp_path: Path) -> None:
    for boundary, number in (("statement", 25), ("revision", 3), ("before commit", 1)):
        process, _ = child(postgres_url, boundary, number)
        assert process.exitcode == -signal.SIGKILL
    platform = Platform(tmp_path, {"ARCHIPEL_DATABASE__URL": postgres_url})
    platform.start()
    try:
        assert "Traceback" not in platform.log
        assert platform.stop() == 0
    finally:
        platform.stop(signal.SIGKILL)
