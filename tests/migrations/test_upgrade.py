"""The sequence of migrations adds up to the tables, on both databases, whoever starts first."""

from __future__ import annotations

import multiprocessing
import time
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import inspect, text

from archipel import migrations
from archipel.kit.database import Database
from archipel.kit.errors import Invalid
from archipel.migrations.tables import metadata


@pytest.fixture(params=["sqlite", "postgres"])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return f"sqlite:///{tmp_path / 'm.db'}" if request.param == "sqlite" else str(request.getfixturevalue("postgres_url"))


def test_an_upgraded_database_has_the_tables_of_the_rooms(url: str) -> None:
    database = Database(url)
    assert migrations.current_revision(database) is None
    migrations.upgrade(database)
    assert migrations.current_revision(database) == migrations.head_revision()
    with database.engine.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True, "compare_server_default": True})
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}
    database.close()


def test_texts_that_are_sorted_are_sorted_by_code_point(postgres_url: str) -> None:
    database = Database(postgres_url)
    migrations.upgrade(database)
    statement = """
        SELECT c.relname, a.attname FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid JOIN pg_collation l ON l.oid = a.attcollation
        WHERE c.relname IN ('archive_patient', 'archive_study', 'archive_series', 'archive_instance') AND a.attnum > 0 AND c.relkind = 'r'
          AND l.collname <> 'C' AND a.attname <> 'sop_classes'"""
    with database.read() as tx:
        assert tx.execute(text(statement)).all() == []
    database.close()


def test_an_upgraded_database_is_left_alone_quickly(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    with database.write() as holder:  # holding the only writer's place of SQLite: a check that wrote would wait
        holder.execute(text("SELECT 1"))
        began = time.monotonic()
        migrations.upgrade(database)
        assert time.monotonic() - began < 5
    database.close()


def test_a_database_of_a_newer_version_is_refused_in_words(url: str) -> None:
    database = Database(url)
    migrations.upgrade(database)
    with database.write() as tx:
        tx.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(Invalid) as refused:
        migrations.upgrade(database)
    assert "9999" in refused.value.public and "newer version" in refused.value.public
    database.close()


def upgrade_in_a_process(url: str, together: object) -> None:
    together.wait()  # type: ignore[attr-defined]
    database = Database(url)
    migrations.upgrade(database)
    from archipel import directory

    database.transact(directory.ensure_default_site)
    database.close()


def test_processes_that_start_at_once_upgrade_once(url: str) -> None:
    context = multiprocessing.get_context("spawn")
    together = context.Barrier(2)
    processes = [context.Process(target=upgrade_in_a_process, args=(url, together)) for _ in range(2)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(60)
    assert [one.exitcode for one in processes] == [0, 0]
    database = Database(url)
    assert migrations.current_revision(database) == migrations.head_revision()
    with database.read() as tx:
        assert tx.execute(text("SELECT id FROM directory_site")).scalars().all() == ["default"]
    database.close()
