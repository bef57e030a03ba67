"""Dump: a database as a file, as of one instant, while it is used; and back into an empty one."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import func, inspect, select
from sqlalchemy.engine import make_url

from archipel.kit.clock import SystemClock
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Invalid, Unavailable

HOURS_MAX = 12


@contextmanager
def dumped(database: Database, path: Path) -> Iterator[Tx]:
    """Write the database to a file, and give a transaction that sees just what the file holds.

    SQLite's own form, or PostgreSQL's custom archive, for which ``pg_dump`` must be installed. Raises Unavailable.
    """
    if database.dialect == "postgresql":
        with database.read() as tx:
            snapshot = str(tx.execute(select(func.pg_export_snapshot())).scalar_one())
            _postgres("pg_dump", database, "--format=custom", f"--snapshot={snapshot}", f"--file={path}")
            yield tx
        return
    with database.read() as tx:
        driver: Any = tx.connection.connection.driver_connection
        target = sqlite3.connect(path)
        try:
            driver.backup(target)
            target.execute("PRAGMA journal_mode=DELETE")  # one file, that is whole by itself
        finally:
            target.close()
    copy = Database(f"sqlite:///{path}", clock=SystemClock())
    try:
        with copy.read() as tx:
            yield tx
    finally:
        copy.close()
        for left in (Path(f"{path}-wal"), Path(f"{path}-shm")):
            left.unlink(missing_ok=True)


def load(url: str, path: Path) -> None:
    """Fill the database of an address, in which there is nothing, from such a file. Conflict is for the caller to rule out."""
    if make_url(url).get_backend_name() == "sqlite":
        target = Path(make_url(url).database or "")
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, target)
        with target.open("rb+") as file:
            os.fsync(file.fileno())
        return
    database = Database(url)
    try:
        _postgres("pg_restore", database, "--no-owner", "--exit-on-error", f"--dbname={make_url(url).database}", str(path))
    finally:
        database.close()


def tables(database: Database) -> list[str]:
    """The tables that there are."""
    return list(inspect(database.engine).get_table_names())


def kind(url: str) -> str:
    """``sqlite`` or ``postgresql``."""
    return "sqlite" if make_url(url).get_backend_name() == "sqlite" else "postgresql"


def _postgres(program: str, database: Database, *arguments: str) -> None:
    found = shutil.which(program)
    if found is None:
        raise Invalid(f"{program} is not installed; it comes with PostgreSQL's client programs.", code="no-program")
    url = make_url(database.url)
    parts = {"PGHOST": url.host, "PGPORT": url.port, "PGUSER": url.username, "PGPASSWORD": url.password, "PGDATABASE": url.database}
    environment = os.environ | {name: str(value) for name, value in parts.items() if value}
    try:
        subprocess.run([found, *arguments], env=environment, check=True, capture_output=True, text=True, timeout=HOURS_MAX * 3600)
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        said = str(error.stderr or error)[-500:]
        raise Unavailable(f"{program} failed.", code="dump", detail=said) from error
