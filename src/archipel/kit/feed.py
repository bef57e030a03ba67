"""The feed: changes in the order of their commits, and the followers that act on them."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog
from sqlalchemy import delete, func, insert, select, update

from archipel.kit import rows, traces
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import NotFound, Unavailable
from archipel.kit.ids import new_id

log = structlog.get_logger(__name__)

RETRY_AFTER_S = (10, 60, 600, 3600)


@dataclass(frozen=True)
class Change:
    """A fact that was published, in the past tense, with ids only. Rooms define subclasses in ``changes.py``."""


@dataclass(frozen=True)
class Follower:
    """Who follows which changes.

    ``act(tx, changes)`` takes a batch in one transaction, reads current state and may be called twice for the same change.
    ``replay(tx)`` enumerates the register as changes, for a replay from zero.
    """

    name: str
    follows: tuple[type[Change], ...]
    act: Callable[[Tx, Sequence[Any]], None]
    replay: Callable[[Tx], Iterator[Change]]
    batch_count_max: int = 500
    names: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "names", frozenset(c.__name__ for c in self.follows))

    def decode(self, name: str, payload: str) -> Change:
        """The change from its stored form; fields that an older version wrote and we no longer know are dropped."""
        kind = next(c for c in self.follows if c.__name__ == name)
        known = kind.__dataclass_fields__
        return kind(**{k: tuple(v) if isinstance(v, list) else v for k, v in json.loads(payload).items() if k in known})


def position(tx: Tx) -> int:
    """The position of the newest committed change; 0 for an empty feed."""
    return int(tx.execute(select(func.coalesce(func.max(rows.change.c.position), 0))).scalar_one())


def changes_after(tx: Tx, after: int, *, limit: int = 500) -> list[tuple[int, str, dict[str, Any]]]:
    """Up to ``limit`` changes (position, name, payload) after a position."""
    c = rows.change.c
    found = tx.execute(select(c.position, c.name, c.payload).where(c.position > after).order_by(c.position).limit(limit))
    return [(p, name, json.loads(payload)) for p, name, payload in found]


def advance(database: Database, follower: Follower) -> int:
    """Let a follower take its next batch; return how many changes were read from the feed (0: it is up to date)."""
    with database.read() as tx:
        start = _cursor(tx, follower.name)
        if not changes_after(tx, start, limit=1):
            return 0
    try:
        return database.transact(lambda tx: _take(tx, follower, follower.batch_count_max))
    except Exception as error:  # a failing follower must never stop the feed: its batch is taken apart and the culprit parked
        if _database_is_away(error):
            raise
        log.warning("feed.batch_failed", follower=follower.name, error=repr(error))
        return _take_singly(database, follower)


def _cursor(tx: Tx, name: str) -> int:
    return int(tx.execute(select(rows.follower.c.position).where(rows.follower.c.name == name)).scalar() or 0)


def _locked_cursor(tx: Tx, name: str) -> int:
    """The follower's place, which no other process moves until this transaction ends; a first row is made, so that there is one to lock."""
    rows.insert_new(tx, rows.follower, [{"name": name, "position": 0, "updated_at": to_text(tx.now())}])
    return int(tx.execute(select(rows.follower.c.position).where(rows.follower.c.name == name).with_for_update()).scalar_one())


def _move_cursor(tx: Tx, name: str, to: int) -> None:
    values = {"position": to, "updated_at": to_text(tx.now())}
    if not tx.execute(update(rows.follower).where(rows.follower.c.name == name).values(values)).rowcount:
        tx.execute(insert(rows.follower).values(name=name, **values))


def _take(tx: Tx, follower: Follower, limit: int) -> int:
    start = _locked_cursor(tx, follower.name)
    c = rows.change.c
    batch = tx.execute(select(c.position, c.name, c.payload).where(c.position > start).order_by(c.position).limit(limit)).all()
    if not batch:
        return 0
    mine = [follower.decode(name, payload) for _, name, payload in batch if name in follower.names]
    if mine:
        with traces.span(f"follow {follower.name}", {"archipel.changes": len(mine)}):
            follower.act(tx, mine)
    _move_cursor(tx, follower.name, batch[-1].position)
    return len(batch)


def _take_singly(database: Database, follower: Follower) -> int:
    for taken in range(follower.batch_count_max):
        with database.read() as tx:
            start = _cursor(tx, follower.name)
        try:
            if not database.transact(lambda tx: _take(tx, follower, 1)):
                return taken
        except Exception as error:
            if _database_is_away(error):
                raise
            reason = repr(error)
            log.error("feed.parked", follower=follower.name, error=reason)
            database.transact(lambda tx, start=start, reason=reason: _park_next(tx, follower, start, reason))  # type: ignore[misc]
    return follower.batch_count_max


def _database_is_away(error: Exception) -> bool:
    """No change is to blame when the database does not answer: the feed waits."""
    return isinstance(error, Unavailable) and error.code == "database"


def _park_next(tx: Tx, follower: Follower, start: int, error: str) -> None:
    """Park the change after ``start``, unless another process has gone past it meanwhile."""
    c = rows.change.c
    if _locked_cursor(tx, follower.name) != start:
        return
    row = tx.execute(select(c.position, c.name, c.payload).where(c.position > start).order_by(c.position).limit(1)).one()
    now = tx.now()
    tx.execute(
        insert(rows.parked).values(
            id=new_id(), follower=follower.name, position=row.position, name=row.name, payload=row.payload, error=error[:4000],
            attempts=1, parked_at=to_text(now), retry_at=to_text(now + timedelta(seconds=RETRY_AFTER_S[0])),
        )
    )  # fmt: skip
    _move_cursor(tx, follower.name, row.position)


def retry_parked(database: Database, follower: Follower, parked_id: str | None = None) -> int:
    """Try parked changes that are due (or the one named) again; return how many succeeded."""
    p = rows.parked.c
    with database.read() as tx:
        due = select(p.id, p.name, p.payload, p.attempts).where(p.follower == follower.name)
        due = due.where(p.id == parked_id) if parked_id else due.where(p.retry_at <= to_text(tx.now())).limit(100)
        found = tx.execute(due).all()
    succeeded = 0
    for row in found:
        try:
            with database.write() as tx:
                if not _held(tx, row.id):
                    continue
                follower.act(tx, [follower.decode(row.name, row.payload)])
                tx.execute(delete(rows.parked).where(p.id == row.id))
            succeeded += 1
        except Exception as error:
            if _database_is_away(error):
                raise
            wait_s = RETRY_AFTER_S[min(row.attempts, len(RETRY_AFTER_S) - 1)]
            with database.write() as tx:
                tx.execute(
                    update(rows.parked)
                    .where(p.id == row.id, p.attempts == row.attempts)
                    .values(attempts=row.attempts + 1, error=repr(error)[:4000], retry_at=to_text(tx.now() + timedelta(seconds=wait_s)))
                )
    return succeeded


def _held(tx: Tx, parked_id: str) -> bool:
    """Whether this transaction has the parked change to itself; another process may try it at this moment, or have taken it."""
    mine = select(rows.parked.c.id).where(rows.parked.c.id == parked_id).with_for_update(skip_locked=True)
    return tx.execute(mine).first() is not None


def replay(database: Database, follower: Follower, from_position: int) -> int:
    """Run a follower again; from zero it reads the register, from elsewhere it moves its place in the feed. Returns the count."""
    if from_position > 0:
        with database.write() as tx:
            _move_cursor(tx, follower.name, from_position)
        count = 0
        while taken := advance(database, follower):
            count += taken
        return count
    with database.read() as tx:
        facts = list(follower.replay(tx))
    for start in range(0, len(facts), follower.batch_count_max):
        batch = facts[start : start + follower.batch_count_max]
        database.transact(lambda tx, batch=batch: follower.act(tx, batch))  # type: ignore[misc]
    return len(facts)


def parked_changes(tx: Tx) -> list[dict[str, Any]]:
    """All parked changes, oldest first, for people to see."""
    p = rows.parked.c
    found = tx.execute(select(p.id, p.follower, p.position, p.name, p.error, p.attempts, p.parked_at, p.retry_at).order_by(p.parked_at))
    return [dict(row._mapping) for row in found]


def follower_named(followers: Sequence[Follower], name: str) -> Follower:
    """The follower of that name, or NotFound with the names that exist."""
    for follower in followers:
        if follower.name == name:
            return follower
    raise NotFound(f"There is no follower {name}; there are: {', '.join(f.name for f in followers)}.", code="no-follower", field="follower")


def status(tx: Tx, followers: Sequence[Follower]) -> list[dict[str, Any]]:
    """Per follower: position, lag (changes not read yet) and number of parked changes."""
    head = position(tx)
    counted = tx.execute(select(rows.parked.c.follower, func.count()).group_by(rows.parked.c.follower))
    counts = {name: count for name, count in counted}
    return [{"name": f.name, "position": (at := _cursor(tx, f.name)), "lag": head - at, "parked": counts.get(f.name, 0)} for f in followers]


class FeedRunner:
    """The thread that lets every follower advance, in turn, until it is stopped."""

    def __init__(self, database: Database, followers: Sequence[Follower], *, poll_s: float = 0.5) -> None:
        self._database = database
        self._followers = followers
        self._poll_s = poll_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name="feed", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 30) -> None:
        """Finish the batch in hand and stop."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            busy = False
            for follower in self._followers:
                try:
                    busy |= advance(self._database, follower) >= follower.batch_count_max  # else a pause lets the next batch gather
                    retry_parked(self._database, follower)
                except Exception as error:  # the database may be away for a while: the feed waits for it
                    log.error("feed.unreachable", follower=follower.name, error=repr(error))
            if not busy:
                self._stopping.wait(self._poll_s)
