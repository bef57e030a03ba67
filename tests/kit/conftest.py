"""Both databases and both object stores, empty, for the contract tests of the kit."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from archipel import migrations
from archipel.kit.blobs import Blobs, open_blobs
from archipel.kit.cipher import Cipher
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.encrypted import EncryptedBlobs
from archipel.kit.tiered import TieredBlobs


@pytest.fixture(params=["sqlite", "postgres"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of an empty database, on each of the two."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'kit.db'}"
    return str(request.getfixturevalue("postgres_url"))


@pytest.fixture
def clock() -> SetClock:
    """A clock that stands still."""
    return SetClock(datetime(2026, 1, 15, 10, 0, tzinfo=UTC))


@pytest.fixture
def open_database(database_url: str, clock: SetClock) -> Iterator[Callable[..., Database]]:
    """Opens the same database as often as wanted, as several processes do."""
    opened: list[Database] = []

    def open_one(**options: Any) -> Database:
        opened.append(Database(database_url, clock=clock, **options))
        return opened[-1]

    migrations.upgrade(open_one())
    yield open_one
    for one in opened:
        one.close()


@pytest.fixture
def database(open_database: Callable[..., Database]) -> Database:
    """The database with its tables."""
    return open_database()


@pytest.fixture(params=["files", "s3", "files-encrypted", "s3-encrypted", "files-before-s3"])
def blobs(request: pytest.FixtureRequest, tmp_path: Path) -> Blobs:
    """An empty object store, on each of the two, under a cipher, and the one before the other."""
    kind, _, more = request.param.partition("-")
    files = open_blobs(f"file://{tmp_path / 'blobs'}")
    if kind == "files" and more != "before-s3":
        return EncryptedBlobs(files, Cipher({"k1": bytes(range(32))})) if more else files
    bucket = request.getfixturevalue("s3")
    store = open_blobs(bucket.url, access_key=bucket.access_key, secret_key=bucket.secret_key, region=bucket.region)
    if more == "encrypted":
        return EncryptedBlobs(store, Cipher({"k1": bytes(range(32))}))
    return TieredBlobs(files, store, prefix="sealed/") if more else store
