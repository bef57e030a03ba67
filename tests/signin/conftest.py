"""A database with a site, on each of the two, for the rooms of people and rights."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from archipel import directory, migrations
from archipel.kit.clock import SetClock
from archipel.kit.database import Database


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still."""
    return SetClock(datetime(2026, 1, 15, 10, 0, tzinfo=UTC))


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path, clock: SetClock) -> Iterator[Database]:
    """Migrated, with the default site."""
    url = f"sqlite:///{tmp_path / 'd.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url, clock=clock)
    migrations.upgrade(database)
    database.transact(directory.ensure_default_site)
    yield database
    database.close()
