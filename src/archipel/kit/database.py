"""One database, SQLite or PostgreSQL, and the transaction in which every act runs."""

from __future__ import annotations

import json
import os
import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from sqlalchemy import Connection, Engine, bindparam, create_engine, event, func, insert, select
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DataError, DBAPIError, IntegrityError, InterfaceError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from archipel.kit import rows
from archipel.kit.clock import Clock, SystemClock, to_text
from archipel.kit.errors import ArchipelError, LimitReached, Unavailable
from archipel.kit.failures import describe, refused, scrub
from archipel.kit.prepared import Prepared

if TYPE_CHECKING:
    from archipel.kit.feed import Change

__all__ = ["DBAPIError", "DataError", "Database", "IntegrityError", "Tx", "describe"]

T = TypeVar("T")

# Any constant does: it names the lock under which changes get their position (DESIGN 4.5).
FEED_LOCK = 0x41524348
RETRIES_MAX = 6
CONNECT_S = 5
# A server whose machine is gone says nothing: the connection is given up after this long without an answer of its kernel.
SILENT_S = 20
PROBES = {"keepalives_idle": SILENT_S // 2, "keepalives_interval": 3, "keepalives_count": 3, "tcp_user_timeout": SILENT_S * 1000}
# The database asks for the transaction to be run again: serialisation failure, deadlock.
AGAIN = frozenset({"40001", "40P01"})
# What a power cut may take of transactions that did not ask to be durable (decision 0014).
RELAXED_S = 1.0
DISK_FULL = "53100"
# A standby that is not promoted yet: it refuses what writes, or already "set transaction read write" (feature not supported).
READ_ONLY = frozenset({"25006", "0A000"})

_PAYLOAD = json.JSONEncoder(separators=(",", ":")).encode
_ADD_CHANGE = Prepared(lambda _: insert(rows.change).values({name: bindparam(name) for name in ("name", "payload", "at")}))


class Tx:
    """One transaction: executes statements and collects the changes that it will publish at its end."""

    def __init__(self, connection: Connection, clock: Clock) -> None:
        self.connection = connection
        self.clock = clock
        self.dialect = connection.dialect.name
        self._changes: list[Change] = []

    def execute(self, statement: Any, parameters: Any = None) -> Any:
        """Run one statement, giving SQLAlchemy's ``CursorResult``; a list of parameters runs it for each."""
        return self.connection.execute(statement, parameters)

    def now(self) -> datetime:
        """The present instant, from the clock that was passed in."""
        return self.clock.now()

    def publish(self, change: Change) -> None:
        """Add a change to what this transaction will publish when it commits."""
        self._changes.append(change)

    @contextmanager
    def savepoint(self) -> Iterator[None]:
        """A part that may fail alone: its rows and its changes go, the rest of the transaction stays."""
        published = len(self._changes)
        try:
            with self.connection.begin_nested():
                yield
        except BaseException:
            del self._changes[published:]
            raise

    def write_changes(self) -> None:
        """Give the collected changes their positions. The lock is taken last, so positions follow the order of commits."""
        if not self._changes:
            return
        if self.dialect == "postgresql":
            self.execute(select(func.pg_advisory_xact_lock(FEED_LOCK)))
        at = to_text(self.now())
        _ADD_CHANGE.many(self, [{"name": type(c).__name__, "payload": _PAYLOAD(asdict(c)), "at": at} for c in self._changes])
        self._changes.clear()


class Database:
    """The connection pool, and the only place that commits."""

    def __init__(self, url: str, *, clock: Clock | None = None, pool_size: int = 16, busy_timeout_s: int = 30) -> None:
        self.url = url
        self.clock = clock or SystemClock()
        self.engine = _engine(url, pool_size=pool_size, busy_timeout_s=busy_timeout_s)
        # On SQLite readers have connections of their own: to let one connection write and then only read makes it forget its statements.
        reads = url.startswith("sqlite")
        self._readers = _engine(url, pool_size=pool_size, busy_timeout_s=busy_timeout_s, only_reads=True) if reads else self.engine
        for engine in {self.engine, self._readers}:
            event.listen(engine, "handle_error", scrub)
        self._later = _SyncedLater(Path(f"{make_url(url).database}-wal"))
        # SQLite's own wait for the one writer's place is a lottery that somebody may lose for long: the threads of a process queue for it.
        self._turn, self._turn_s = threading.Lock(), busy_timeout_s

    @property
    def dialect(self) -> str:
        """``sqlite`` or ``postgresql``."""
        return self.engine.dialect.name

    @property
    def is_quick_to_read(self) -> bool:
        """Whether a short read may be made where nothing may wait: SQLite's never waits for a writer, and a connection is free."""
        pool: Any = self._readers.pool
        return self.dialect == "sqlite" and pool.checkedout() < pool.size()

    @contextmanager
    def read(self) -> Iterator[Tx]:
        """A transaction that only reads, on one snapshot; the database refuses whatever it would write."""
        with _reachable(), self._readers.connect() as connection:
            if self.dialect == "postgresql":
                connection = connection.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
            with connection.begin() as transaction:
                yield Tx(connection, self.clock)
                transaction.rollback()

    @contextmanager
    def write(self, *, durable: bool = True) -> Iterator[Tx]:
        """A transaction that writes; commits at the end of the block, rolls back on any exception.

        One that is not ``durable`` is seen by everybody once it is committed and survives the end of this process, but a power cut
        may take what the last second brought: for records that no answer depends on.
        """
        with _reachable(), self._in_turn(), self.engine.connect() as connection:
            connection = connection.execution_options(archipel_write=True, archipel_relaxed=not durable)
            with _on_primary(connection), connection.begin():
                tx = Tx(connection, self.clock)
                if not durable and self.dialect == "postgresql":
                    connection.exec_driver_sql("SET LOCAL synchronous_commit = off")
                yield tx
                tx.write_changes()
        if not durable and self.dialect == "sqlite":
            self._later.note()

    @contextmanager
    def _in_turn(self) -> Iterator[None]:
        if self.dialect != "sqlite":
            yield
        elif self._turn.acquire(timeout=max(self._turn_s, 0)):
            try:
                yield
            finally:
                self._turn.release()
        else:
            raise Unavailable("The database is busy; try again.", code="database", detail=f"others wrote for {self._turn_s} s")

    def transact(self, act: Callable[[Tx], T], *, durable: bool = True) -> T:
        """Run an act in a writing transaction, again when the database asks for it (serialisation, deadlock)."""
        for attempt in range(RETRIES_MAX):
            try:
                with self.write(durable=durable) as tx:
                    return act(tx)
            except DBAPIError as error:
                if attempt == RETRIES_MAX - 1 or getattr(error.orig, "sqlstate", None) not in AGAIN:
                    raise
                time.sleep(random.uniform(0.005, 0.02) * 2**attempt)
        raise AssertionError("unreachable")

    def size_bytes(self) -> int:
        """Bytes that the database takes on disk."""
        if self.dialect == "postgresql":
            with self.read() as tx:
                return int(tx.execute(select(func.pg_database_size(func.current_database()))).scalar_one())
        path = Path(make_url(self.url).database or "")
        return sum(p.stat().st_size for p in path.parent.glob(path.name + "*") if p.is_file())

    def close(self) -> None:
        """Close all connections; what was to be synced later is synced now."""
        self._later.close()
        self._readers.dispose()
        self.engine.dispose()


class _SyncedLater:
    """Syncs SQLite's log within a second of a transaction that did not wait for that; PostgreSQL has a process of its own for it."""

    def __init__(self, log: Path) -> None:
        self._log = log
        self._lock = threading.Lock()
        self._timer: threading.Timer | None = None

    def note(self) -> None:
        """A transaction was committed without a sync."""
        if self._timer is not None:  # one that fires now has yet to clear itself before it syncs
            return
        with self._lock:
            if self._timer is None:
                self._timer = threading.Timer(RELAXED_S, self._sync)
                self._timer.daemon = True
                self._timer.start()

    def close(self) -> None:
        """Sync now if something waits for it."""
        timer = self._timer
        if timer is not None:
            timer.cancel()
            self._sync()

    def _sync(self) -> None:
        with self._lock:
            self._timer = None
        try:
            file = os.open(self._log, os.O_RDONLY)
        except OSError:  # the log was folded into the database, which syncs
            return
        try:
            os.fdatasync(file)
        except OSError:  # the next synced transaction fails as well and says so to somebody who waits for it
            return
        finally:
            os.close(file)  # SQLite holds no lock on its log that this could drop


@contextmanager
def _reachable() -> Iterator[None]:
    """Turn "the database does not answer" and "its disk is full" into the kinds of error that doors know."""
    try:
        yield
    except (OperationalError, InterfaceError) as error:
        if getattr(error.orig, "sqlstate", None) in AGAIN:
            raise
        raise _failure(error) from error
    except PoolTimeout as error:
        raise Unavailable("The database is busy; try again.", code="database", detail=str(error)) from error


@contextmanager
def _on_primary(connection: Connection) -> Iterator[None]:
    """Let go of a server that takes no writes: the next connection may find the one that does."""
    try:
        yield
    except DBAPIError as error:
        if getattr(error.orig, "sqlstate", None) not in READ_ONLY:
            raise
        connection.invalidate()
        raise Unavailable("The database takes no writes at present; try again.", code="database", detail=describe(error)) from error


def _failure(error: DBAPIError) -> ArchipelError:
    orig = error.orig
    if getattr(orig, "sqlstate", None) == DISK_FULL or getattr(orig, "sqlite_errorcode", 0) == sqlite3.SQLITE_FULL:
        return LimitReached("The database's disk is full; nothing was stored.", code="out-of-space", detail=describe(error))
    return Unavailable("The database does not answer; try again.", code="database", detail=describe(error))


def _engine(url: str, *, pool_size: int, busy_timeout_s: int, only_reads: bool = False) -> Engine:
    """The pool. Errors leave without the values of their statement: they name people, and errors are logged."""
    if not url.startswith("sqlite"):
        return create_engine(
            url, pool_size=pool_size, max_overflow=pool_size, pool_pre_ping=True, isolation_level="READ COMMITTED",
            connect_args={"connect_timeout": CONNECT_S} | PROBES, hide_parameters=True,
        )  # fmt: skip
    engine = create_engine(
        url, pool_size=pool_size, max_overflow=pool_size, connect_args={"timeout": busy_timeout_s, "check_same_thread": False},
        hide_parameters=True, pool_use_lifo=True,
    )  # fmt: skip

    @event.listens_for(engine, "connect")
    def _configure(connection: Any, _record: Any) -> None:
        connection.isolation_level = None
        cursor = connection.cursor()
        _keep_log(cursor, busy_timeout_s)
        cursor.execute("PRAGMA foreign_keys=ON")
        cursor.execute("PRAGMA cache_size=-65536")
        cursor.execute("PRAGMA case_sensitive_like=ON")
        cursor.execute(f"PRAGMA query_only={'ON' if only_reads else 'OFF'}")
        cursor.close()

    @event.listens_for(engine, "begin")
    def _begin(connection: Connection) -> None:
        # A read that turns into a write fails at once in WAL mode, so writers say so from the start.
        options = connection.get_execution_options()
        driver: Any = connection.connection.driver_connection
        modes = {"synchronous": "NORMAL" if options.get("archipel_relaxed", False) else "FULL"}
        begin = "BEGIN IMMEDIATE" if options.get("archipel_write", False) else "BEGIN"
        try:
            _set(driver, connection.info, modes)
            driver.execute(begin)
        except sqlite3.Error as error:
            raise refused(begin, error, sqlite3.Error, connection.dialect) from error

    return engine


def _keep_log(cursor: sqlite3.Cursor, seconds: float) -> None:
    """Switch to the write-ahead log. Of several processes that do so at once SQLite tells some that it is busy, and does not wait."""
    until = time.monotonic() + seconds
    while True:
        try:
            cursor.execute("PRAGMA journal_mode=WAL")
            return
        except sqlite3.OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(0.02)


def _set(driver: sqlite3.Connection, info: dict[Any, Any], modes: dict[str, str]) -> None:
    """Set the modes of an SQLite connection that are not set: most transactions are like the one before."""
    for name, value in modes.items():
        if info.get(name) != value:
            info.pop(name, None)
            driver.execute(f"PRAGMA {name}={value}")
            info[name] = value
