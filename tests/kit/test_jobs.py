"""Jobs: enqueued with the act, run after it, once, within bounds."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import select

from archipel.kit import jobs, rows
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.jobs import JobRunner, enqueue
from tests.servers import wait_until


def states(database: Database) -> dict[str, int]:
    with database.read() as tx:
        return {state: n for state, n in jobs.counts(tx).items() if n}


def errors(database: Database) -> list[str]:
    with database.read() as tx:
        return list(tx.execute(select(rows.job.c.error).order_by(rows.job.c.created_at)).scalars())


def add(database: Database, name: str = "work", **options: Any) -> str:
    with database.write() as tx:
        return enqueue(tx, name, options.pop("arguments", {}), **options)


def test_a_job_exists_when_its_act_commits_and_only_then(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        enqueue(tx, "work", {"n": 1})
        raise RuntimeError("no")
    assert states(database) == {}
    done: list[int] = []
    runner = JobRunner(database, {"work": lambda n: done.append(n)})
    with database.write() as tx:
        enqueue(tx, "work", {"n": 2})
    assert runner.run_one()
    assert not runner.run_one()
    assert done == [2]
    assert states(database) == {"done": 1}


def test_an_open_job_with_the_same_key_is_returned(database: Database) -> None:
    first = add(database, dedup_key="study:1")
    assert add(database, dedup_key="study:1") == first
    assert add(database, dedup_key="study:2") != first
    JobRunner(database, {"work": lambda: None}).run_one()
    JobRunner(database, {"work": lambda: None}).run_one()
    assert add(database, dedup_key="study:1") != first
    assert states(database) == {"done": 2, "waiting": 1}


def test_one_key_enqueued_by_many_at_once_is_one_job(open_database: Callable[..., Database]) -> None:
    database = open_database()
    together = threading.Barrier(8)
    ids: list[str] = []

    def act() -> None:
        together.wait()
        ids.append(add(database, dedup_key="study:1"))

    threads = [threading.Thread(target=act) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert len(ids) == 8
    assert len(set(ids)) == 1
    assert states(database) == {"waiting": 1}


def test_a_delayed_job_waits(database: Database, clock: SetClock) -> None:
    add(database, delay_s=30)
    assert jobs.lease(database) is None
    clock.advance(31)
    assert jobs.lease(database) is not None


def test_failures_are_tried_again_with_growing_waits_up_to_the_bound(database: Database, clock: SetClock) -> None:
    tried_at: list[int] = []
    began = clock.now()

    def act() -> None:
        tried_at.append(int((clock.now() - began).total_seconds()))
        raise OSError("peer is away")

    add(database, attempts_max=4)
    runner = JobRunner(database, {"work": act})
    for _ in range(400):
        runner.run_one()
        clock.advance(1)
    assert tried_at == [0, 5, 35, 155]
    assert states(database) == {"failed": 1}
    assert "peer is away" in errors(database)[0]


def test_a_deadline_ends_tries(database: Database, clock: SetClock) -> None:
    tries: list[int] = []

    def act() -> None:
        tries.append(1)
        raise OSError("away")

    add(database, attempts_max=100, deadline_s=20)
    runner = JobRunner(database, {"work": act})
    for _ in range(100):
        runner.run_one()
        clock.advance(1)
    assert len(tries) == 2
    assert states(database) == {"failed": 1}


def test_a_job_whose_time_is_over_is_not_begun(database: Database, clock: SetClock) -> None:
    add(database, deadline_s=20)
    clock.advance(21)
    ran: list[int] = []
    assert not JobRunner(database, {"work": lambda: ran.append(1)}).run_one()
    assert ran == []
    assert states(database) == {"failed": 1}


def test_the_job_of_a_worker_that_died_is_taken_when_its_lease_is_over(database: Database, clock: SetClock) -> None:
    add(database)
    first = jobs.lease(database)
    assert first is not None
    assert jobs.lease(database) is None
    clock.advance(jobs.LEASE_S + 1)
    second = jobs.lease(database)
    assert second is not None
    assert second[0] == first[0]
    jobs.finish(database, first[0], first[1], None)  # the dead worker wakes up: it has nothing to say any more
    assert states(database) == {"running": 1}
    jobs.finish(database, second[0], second[1], None)
    assert states(database) == {"done": 1}


def test_a_job_that_kills_its_worker_ends(database: Database, clock: SetClock) -> None:
    add(database, attempts_max=3)
    for _ in range(3):
        assert jobs.lease(database) is not None
        clock.advance(jobs.LEASE_S + 1)
    assert jobs.lease(database) is None
    assert states(database) == {"failed": 1}
    assert "worker died" in errors(database)[0]


def test_a_long_job_keeps_its_lease(database: Database, clock: SetClock) -> None:
    begun, over = threading.Event(), threading.Event()

    def act() -> None:
        begun.set()
        assert over.wait(10)

    add(database)
    runner = JobRunner(database, {"work": act}, renew_s=0.02)
    worker = threading.Thread(target=runner.run_one)
    worker.start()
    assert begun.wait(10)
    for _ in range(4):
        clock.advance(jobs.LEASE_S - 10)
        time.sleep(0.15)
        assert jobs.lease(database) is None
    over.set()
    worker.join()
    assert states(database) == {"done": 1}


def test_many_workers_run_every_job_once(open_database: Callable[..., Database]) -> None:
    database = open_database()
    with database.write() as tx:
        for n in range(60):
            enqueue(tx, "work", {"n": n})
    done: list[int] = []
    runners = [JobRunner(open_database(), {"work": lambda n: done.append(n)}, threads=2, poll_s=0.01) for _ in range(3)]
    for runner in runners:
        runner.start()
    wait_until(lambda: states(database) == {"done": 60}, 30)
    for runner in runners:
        runner.stop()
    assert sorted(done) == list(range(60))


def test_a_worker_passes_over_a_job_that_another_is_taking(postgres_url: str, clock: SetClock) -> None:
    from archipel import migrations

    database = Database(postgres_url, clock=clock)
    migrations.upgrade(database)
    first, second = add(database), add(database)
    with database.write() as tx:
        tx.execute(select(rows.job.c.id).where(rows.job.c.id == first).with_for_update())
        leased = jobs.lease(database)
    assert leased is not None
    assert leased[0] == second
    database.close()


def test_a_job_that_nobody_knows_fails_by_its_bound_and_says_so(database: Database) -> None:
    add(database, name="unknown", attempts_max=1)
    JobRunner(database, {}).run_one()
    assert states(database) == {"failed": 1}
    with database.read() as tx:
        (seen,) = jobs.recent(tx)
    assert "unknown" in seen["error"]


def test_what_was_done_a_week_ago_is_forgotten_and_what_failed_is_not(database: Database, clock: SetClock) -> None:
    def fail() -> None:
        raise ValueError("never")

    runner = JobRunner(database, {"work": lambda: None, "fails": fail})
    add(database)
    add(database, "fails", attempts_max=1)
    while runner.run_one():
        pass
    clock.advance(jobs.DONE_KEPT_S - 60)
    add(database)
    assert runner.run_one()
    database.transact(jobs.forget_done)
    assert states(database) == {"done": 2, "failed": 1}
    clock.advance(120)
    database.transact(jobs.forget_done)
    assert states(database) == {"done": 1, "failed": 1}


def test_jobs_that_a_clock_ahead_wrote_run_when_it_is_set_back(database: Database, clock: SetClock) -> None:
    ran: list[int] = []

    def act() -> None:
        ran.append(1)
        if len(ran) == 1:
            raise OSError("away")

    runner = JobRunner(database, {"work": act, "other": lambda: ran.append(2)})
    add(database)
    clock.advance(86_000)
    assert runner.run_one()  # fails, and is put off by the clock that is ahead
    database.transact(lambda tx: jobs.enqueue(tx, "other", {}, delay_s=40))
    clock.advance(-86_000)
    assert not runner.run_one()
    jobs.set_right(database)
    assert runner.run_one()
    assert not runner.run_one()
    clock.advance(41)
    assert runner.run_one()
    assert ran == [1, 1, 2]
    assert states(database) == {"done": 2}


def test_a_lease_that_a_clock_ahead_wrote_ends_in_its_time(database: Database, clock: SetClock) -> None:
    add(database)
    clock.advance(86_000)
    assert jobs.lease(database) is not None
    clock.advance(-86_000)
    jobs.set_right(database)
    assert jobs.lease(database) is None  # its worker may live
    clock.advance(jobs.LEASE_S + 1)
    assert jobs.lease(database) is not None


def test_what_is_merely_put_off_is_left_alone(database: Database, clock: SetClock) -> None:
    database.transact(lambda tx: jobs.enqueue(tx, "work", {}, delay_s=80_000))
    jobs.set_right(database)
    assert not JobRunner(database, {"work": lambda: None}).run_one()
    clock.advance(80_001)
    assert JobRunner(database, {"work": lambda: None}).run_one()
