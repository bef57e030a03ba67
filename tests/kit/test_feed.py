"""Followers: batches, parking, retries, replay."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import insert, select, update

from archipel.kit import feed, rows
from archipel.kit.clock import SetClock
from archipel.kit.database import Database, Tx
from archipel.kit.errors import NotFound
from archipel.kit.feed import Change, FeedRunner, Follower
from tests.kit.tables import Counted, add, make, numbers
from tests.servers import wait_until


@dataclass(frozen=True)
class Unheard(Change):
    """Nobody follows this."""

    number: int


def publish(database: Database, *changes: Change) -> None:
    with database.write() as tx:
        for change in changes:
            tx.publish(change)


class Recorder:
    """A follower's act that writes what it saw into the database, and fails on the numbers it is told to."""

    def __init__(self, database: Database) -> None:
        make(database)
        self.database = database
        self.broken: set[int] = set()
        self.batches: list[list[int]] = []

    def follower(self, *, batch: int = 500) -> Follower:
        return Follower("recorder", (Counted,), self.act, self.replay, batch)

    def act(self, tx: Tx, changes: Sequence[Counted]) -> None:
        self.batches.append([c.number for c in changes])
        for change in changes:
            if change.number in self.broken:
                raise ValueError(f"cannot take {change.number}")
            if not tx.execute(update(numbers).where(numbers.c.id == change.number).values(value=numbers.c.value + 1)).rowcount:
                add(tx, change.number, 1)

    def replay(self, tx: Tx) -> Iterator[Change]:
        return (Counted(0, n) for n in (100, 101, 102))

    @property
    def seen(self) -> dict[int, int]:
        with self.database.read() as tx:
            return {row.id: row.value for row in tx.execute(select(numbers.c.id, numbers.c.value))}


@pytest.fixture
def recorder(database: Database) -> Recorder:
    return Recorder(database)


def state(database: Database, follower: Follower) -> dict[str, Any]:
    with database.read() as tx:
        return feed.status(tx, [follower])[0]


def test_a_follower_takes_its_own_changes_in_batches_and_in_order(database: Database, recorder: Recorder) -> None:
    follower = recorder.follower(batch=4)
    publish(database, *(Counted(1, n) for n in range(5)), Unheard(1), *(Counted(1, n) for n in range(5, 9)))
    assert [feed.advance(database, follower) for _ in range(4)] == [4, 4, 2, 0]
    assert recorder.batches == [[0, 1, 2, 3], [4, 5, 6], [7, 8]]
    assert state(database, follower)["lag"] == 0


def test_a_change_that_nobody_knows_any_more_is_passed_over(database: Database, recorder: Recorder) -> None:
    with database.write() as tx:
        tx.execute(insert(rows.change).values(name="RemovedLongAgo", payload='{"x": 1}', at="2020-01-01T00:00:00.000000Z"))
    publish(database, Counted(1, 1))
    feed.advance(database, recorder.follower())
    assert recorder.seen == {1: 1}


def test_fields_of_another_version_are_left_out_and_missing_ones_park(database: Database, recorder: Recorder) -> None:
    with database.write() as tx:
        for payload in ('{"writer": 1, "number": 7, "colour": "red"}', '{"writer": 1}', '{"writer": 1, "number": 8}'):
            tx.execute(insert(rows.change).values(name="Counted", payload=payload, at="2020-01-01T00:00:00.000000Z"))
    feed.advance(database, recorder.follower())
    assert recorder.seen == {7: 1, 8: 1}
    assert state(database, recorder.follower())["parked"] == 1


def test_a_failing_change_is_parked_and_its_neighbours_go_on(database: Database, recorder: Recorder) -> None:
    follower = recorder.follower()
    recorder.broken = {3}
    publish(database, *(Counted(1, n) for n in range(1, 6)))
    while feed.advance(database, follower):
        pass
    assert recorder.seen == {1: 1, 2: 1, 4: 1, 5: 1}
    with database.read() as tx:
        (parked,) = feed.parked_changes(tx)
    assert parked["follower"] == "recorder"
    assert "cannot take 3" in parked["error"]
    assert state(database, follower) == {"name": "recorder", "position": 5, "lag": 0, "parked": 1}


def test_parked_changes_are_tried_again_less_and_less_often(database: Database, recorder: Recorder, clock: SetClock) -> None:
    follower = recorder.follower()
    recorder.broken = {1}
    publish(database, Counted(1, 1))
    feed.advance(database, follower)
    tries_at = []
    recorder.batches.clear()
    for second in range(0, 5000, 5):
        before = len(recorder.batches)
        feed.retry_parked(database, follower)
        if len(recorder.batches) > before:
            tries_at.append(second)
        clock.advance(5)
    assert tries_at == [10, 70, 670, 4270]
    recorder.broken.clear()
    assert feed.retry_parked(database, follower) == 0
    clock.advance(3600)
    assert feed.retry_parked(database, follower) == 1
    assert recorder.seen == {1: 1}
    assert state(database, follower)["parked"] == 0


def test_a_person_can_have_one_parked_change_tried_at_once(database: Database, recorder: Recorder) -> None:
    follower = recorder.follower()
    recorder.broken = {1, 2}
    publish(database, Counted(1, 1), Counted(1, 2))
    feed.advance(database, follower)
    recorder.broken.clear()
    with database.read() as tx:
        second = feed.parked_changes(tx)[1]["id"]
    assert feed.retry_parked(database, follower, second) == 1
    assert recorder.seen == {2: 1}


def test_replay_from_zero_reads_the_register_and_from_elsewhere_the_feed(database: Database, recorder: Recorder) -> None:
    follower = recorder.follower(batch=2)
    publish(database, *(Counted(1, n) for n in range(1, 5)))
    while feed.advance(database, follower):
        pass
    assert feed.replay(database, follower, 0) == 3
    assert feed.replay(database, follower, 2) == 2
    assert recorder.seen == {1: 1, 2: 1, 3: 2, 4: 2, 100: 1, 101: 1, 102: 1}


def test_the_database_being_away_parks_nothing(postgres_url: str, clock: SetClock) -> None:
    from sqlalchemy import text

    from archipel import migrations

    database = Database(postgres_url, clock=clock)
    migrations.upgrade(database)

    def act(tx: Tx, changes: Sequence[Counted]) -> None:
        pid = tx.execute(text("SELECT pg_backend_pid()")).scalar_one()
        with database.write() as other:
            other.execute(text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
        tx.execute(text("SELECT 1"))

    follower = Follower("cut", (Counted,), act, lambda tx: iter(()))
    publish(database, Counted(1, 1))
    from archipel.kit.errors import Unavailable

    with pytest.raises(Unavailable):
        feed.advance(database, follower)
    assert state(database, follower) == {"name": "cut", "position": 0, "lag": 1, "parked": 0}
    database.close()


def test_the_runner_follows_until_it_is_stopped(database: Database, recorder: Recorder) -> None:
    runner = FeedRunner(database, [recorder.follower()], poll_s=0.02)
    runner.start()
    publish(database, Counted(1, 1))
    wait_until(lambda: recorder.seen == {1: 1}, 10)
    runner.stop()
    publish(database, Counted(1, 2))
    assert recorder.seen == {1: 1}


def test_two_processes_advance_one_follower_and_every_change_counts_once(
    open_database: Callable[..., Database], recorder: Recorder, database: Database
) -> None:
    follower = recorder.follower(batch=7)
    runners = [FeedRunner(open_database(), [follower], poll_s=0.01) for _ in range(2)]
    for one in runners:
        one.start()
    for n in range(100):
        publish(database, Counted(1, n))
    wait_until(lambda: len(recorder.seen) == 100, 20)
    for one in runners:
        one.stop()
    assert set(recorder.seen.values()) == {1}
    assert state(database, follower)["parked"] == 0


def test_a_follower_is_found_by_name(recorder: Recorder) -> None:
    follower = recorder.follower()
    assert feed.follower_named([follower], "recorder") is follower
    with pytest.raises(NotFound, match="recorder"):
        feed.follower_named([follower], "other")
