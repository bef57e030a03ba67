"""Several processes on one database: who runs, what they did, what is refused, and that work behind the doors is done once."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from archipel.kit import feed, processes
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.errors import Invalid
from archipel.kit.feed import FeedRunner, Follower
from archipel.kit.jobs import JobRunner, enqueue
from archipel.kit.processes import Heartbeat, Process, announce, last_hour, leave, refuse_unsafe, running, this_process
from tests.kit.tables import Counted, add, make
from tests.servers import wait_until

FILES, S3 = "file:///srv/archipel/blobs", "s3+https://s3.example.org/archipel"


def process(clock: SetClock, *does: str, objects: str = S3, **changes: Any) -> Process:
    return replace(this_process(does or ("work",), objects, clock.now()), **changes)


def tell(database: Database, one: Process, **figures: Any) -> None:
    database.transact(lambda tx: announce(tx, one, figures, draining=False))


def seen(database: Database) -> list[Process]:
    with database.read() as tx:
        return running(tx)


def test_processes_are_seen_while_they_speak(database: Database, clock: SetClock) -> None:
    first, second = process(clock, "dimse"), process(clock, "dicomweb", "web")
    tell(database, first, waiting=3)
    clock.advance(1)
    tell(database, second)
    assert {one.id: one.does for one in seen(database)} == {first.id: ("dimse",), second.id: ("dicomweb", "web")}
    assert next(one for one in seen(database) if one.id == first.id).figures == {"waiting": 3}
    clock.advance(processes.SILENT_S)
    assert [one.id for one in seen(database)] == [second.id]
    database.transact(lambda tx: leave(tx, second.id))
    assert seen(database) == []


def test_minutes_of_several_processes_add_up(database: Database, clock: SetClock) -> None:
    totals = {"received": 0, "received_bytes": 0, "refused": 0, "errors": 0}
    beats = [
        Heartbeat(
            database, process(clock), figures=lambda n=n: {"waiting": n, "lag": 10 * n}, totals=lambda: dict(totals), draining=lambda: False
        )
        for n in (1, 2)
    ]  # fmt: skip
    for received in (5, 7, 20):
        totals["received"] = received
        for beat in beats:
            beat.beat()
        clock.advance(40)
    with database.read() as tx:
        minutes = last_hour(tx)
    assert len(minutes) == 60 and minutes[-1]["at"] == datetime.fromisoformat("2026-01-15T10:02:00+00:00")
    # 10:00:00 and 10:00:40 within one minute, 10:01:20 in the next; each process counted the same.
    assert [one["received"] for one in minutes[-3:]] == [14, 26, 0]
    assert (minutes[-3]["waiting"], minutes[-3]["lag"]) == (2, 20)


def test_old_minutes_are_removed(database: Database, clock: SetClock) -> None:
    mine = process(clock)
    for _ in range(3):
        database.transact(lambda tx: processes.note_minute(tx, mine.id, clock.now(), {"received": 1}))
        clock.advance(processes.MINUTES_KEPT * 60 + 60)
    with database.read() as tx:
        assert sum(one["received"] for one in last_hour(tx)) == 0
        assert tx.execute(processes.select(processes.rows.minute.c.at)).scalars().all() == ["2026-01-15T12:22:00.000000Z"]


def test_what_cannot_be_safe_together_is_refused(database: Database, clock: SetClock, tmp_path: Path) -> None:
    def refused(mine: Process) -> str:
        try:
            refuse_unsafe(database, mine, tmp_path, one_of_several=True)
        except Invalid as error:
            return error.public
        return ""

    here, there = process(clock, objects=FILES), process(clock, objects=S3, machine="other", host="other")
    assert refused(here) == ""
    tell(database, here)
    assert refused(process(clock, objects=FILES)) == "" and "must be the same" in refused(process(clock, objects=FILES + "2"))
    assert refused(process(clock, objects=FILES, machine="restarted")) == "", "the same machine after a restart"
    needs = "PostgreSQL" if database.dialect == "sqlite" else "S3"
    assert needs in refused(there)
    database.transact(lambda tx: leave(tx, here.id))
    tell(database, process(clock, objects=S3))
    assert ("PostgreSQL" in refused(there)) == (database.dialect == "sqlite")


def test_a_shared_file_system_is_known(tmp_path: Path) -> None:
    assert not processes.is_shared(tmp_path)
    assert any(kind.startswith("nfs") for kind in processes.SHARED_FILE_SYSTEMS)


def together(acts: Sequence[Callable[[], Any]]) -> None:
    """Run acts at the same instant, each in a thread; a failure of one is the test's."""
    barrier, failures = threading.Barrier(len(acts)), []

    def run(act: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            act()
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=run, args=(act,)) for act in acts]
    for one in threads:
        one.start()
    for one in threads:
        one.join(60)
    assert failures == []


def test_a_follower_takes_each_change_once_under_several_runners(open_database: Callable[..., Database]) -> None:
    """Four runners, each on a pool of its own as processes have, beside four writers; every tenth change fails once."""
    databases = [open_database() for _ in range(4)]
    make(databases[0])
    taken: list[int] = []
    failing = {n for n in range(200) if n % 10 == 3}

    def act(tx: Any, changes: Sequence[Counted]) -> None:
        numbers = [change.writer * 1000 + change.number for change in changes]
        if set(numbers) & failing:
            failing.difference_update(numbers)
            raise RuntimeError("once")
        for number in numbers:
            add(tx, number)  # a primary key: taken twice, it fails and parks
        taken.extend(numbers)

    follower = Follower("test.once", (Counted,), act, lambda tx: iter(()), batch_count_max=7)
    runners = [FeedRunner(database, [follower], poll_s=0.01) for database in databases]

    def write(database: Database, writer: int) -> None:
        for number in range(50):
            database.transact(lambda tx, number=number: tx.publish(Counted(writer, number)))  # type: ignore[misc]

    for one in runners:
        one.start()
    together([lambda n=n: write(databases[n], n) for n in range(4)])  # type: ignore[misc]

    def done() -> bool:
        """every change is taken"""
        with databases[0].read() as tx:
            state = feed.status(tx, [follower])[0]
        return state["lag"] == 0

    wait_until(done, seconds=30)
    for one in runners:
        one.stop()
    with databases[0].read() as tx:
        parked = feed.parked_changes(tx)
    for change in parked:  # those that failed alone
        feed.retry_parked(databases[0], follower, change["id"])
    with databases[0].read() as tx:
        assert feed.parked_changes(tx) == []
    assert sorted(set(taken)) == sorted(writer * 1000 + n for writer in range(4) for n in range(50))
    assert len(taken) == len(set(taken)), "nothing was committed twice"


def test_the_first_batch_of_a_new_follower_is_taken_by_one(open_database: Callable[..., Database]) -> None:
    databases = [open_database() for _ in range(4)]
    make(databases[0])
    for round_ in range(5):

        def act(tx: Any, changes: Sequence[Counted], round_: int = round_) -> None:
            for change in changes:
                add(tx, round_ * 100 + change.number)
            time.sleep(0.02)

        follower = Follower(f"test.new{round_}", (Counted,), act, lambda tx: iter(()))
        if not round_:
            databases[0].transact(lambda tx: [tx.publish(Counted(0, n)) for n in range(10)])
        together([lambda d=d, f=follower: feed.advance(d, f) for d in databases])  # type: ignore[misc]
        with databases[0].read() as tx:
            assert feed.status(tx, [follower]) == [{"name": follower.name, "position": 10, "lag": 0, "parked": 0}]


def test_a_parked_change_is_tried_by_one_at_a_time(open_database: Callable[..., Database]) -> None:
    databases = [open_database() for _ in range(4)]
    make(databases[0])
    broken = True
    tries: list[int] = []

    def act(tx: Any, changes: Sequence[Counted]) -> None:
        if broken:
            raise RuntimeError("broken")
        tries.append(changes[0].number)
        time.sleep(0.2)
        add(tx, changes[0].number)

    follower = Follower("test.parked", (Counted,), act, lambda tx: iter(()))
    databases[0].transact(lambda tx: tx.publish(Counted(0, 1)))
    feed.advance(databases[0], follower)
    with databases[0].read() as tx:
        (parked,) = feed.parked_changes(tx)
    broken = False
    succeeded: list[int] = []
    together([lambda d=d: succeeded.append(feed.retry_parked(d, follower, parked["id"])) for d in databases])  # type: ignore[misc]
    assert sorted(succeeded) == [0, 0, 0, 1] and tries == [1]


def test_a_job_runs_once_under_several_workers(open_database: Callable[..., Database]) -> None:
    databases = [open_database() for _ in range(3)]
    done: list[int] = []
    runners = [JobRunner(d, {"count": lambda number: done.append(number)}, poll_s=0.01) for d in databases]
    for n in range(40):
        databases[0].transact(lambda tx, n=n: enqueue(tx, "count", {"number": n}))  # type: ignore[misc]
    for one in runners:
        one.start()
    wait_until(lambda: len(done) >= 40, seconds=30)
    time.sleep(0.2)
    for one in runners:
        one.stop()
    assert sorted(done) == list(range(40))


@pytest.mark.parametrize("count", [3])
def test_a_heartbeat_leaves_with_its_process(database: Database, clock: SetClock, count: int) -> None:
    beats = [
        Heartbeat(database, process(clock), figures=dict, totals=dict, draining=lambda: False) for _ in range(count)
    ]  # fmt: skip
    for beat in beats:
        beat.start()
    wait_until(lambda: len(seen(database)) == count, seconds=10)
    for beat in beats:
        beat.stop()
    assert seen(database) == []
