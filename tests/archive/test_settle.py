"""The quiet time after which a study has settled."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime

from archipel import archive
from archipel.archive import rows
from archipel.kit.clock import SetClock, to_text
from archipel.kit.database import Database
from tests import make
from tests.archive.room import Room


def settle(room: Room) -> list[str]:
    room.follow()
    before = len(room.changes("StudySettled"))
    room.database.transact(lambda tx: archive.settle_due(tx, quiet_s=room.settings.quiet_s))
    return [p["study_uid"] for _, p in room.changes("StudySettled")[before:]]


def test_a_study_settles_after_the_quiet_time_and_again_when_it_grows(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    one, other = make.ct_study(instances=3), make.ct_study(instances=1)
    room.send(*one[:2])
    assert settle(room) == []
    clock.advance(59)
    room.send(*other)
    assert settle(room) == []
    clock.advance(2)
    assert settle(room) == [one[0].StudyInstanceUID]
    assert room.exam(one[0].StudyInstanceUID).settled
    assert settle(room) == []
    room.send(one[2])
    assert not room.exam(one[0].StudyInstanceUID).settled
    assert settle(room) == []
    clock.advance(61)
    assert sorted(settle(room)) == sorted([one[0].StudyInstanceUID, other[0].StudyInstanceUID])
    assert [p["instance_count"] for _, p in room.changes("StudySettled") if p["study_uid"] == one[0].StudyInstanceUID] == [2, 3]


def test_each_arrival_starts_the_quiet_time_again(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    for ds in make.ct_study(instances=4):
        room.send(ds)
        assert settle(room) == []
        clock.advance(50)
    clock.advance(11)
    assert len(settle(room)) == 1


def test_the_quiet_time_survives_a_restart(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    study = make.ct_study(instances=1)
    room.send(*study)
    room.follow()
    room.receiver.drain()
    later = make_room(quiet_s=60, clock=SetClock(datetime(2026, 1, 15, 10, 2, tzinfo=UTC)))
    assert settle(later) == [study[0].StudyInstanceUID]
    room.receiver = room.new_receiver()


def test_replaying_the_quiet_timer_from_zero_finds_what_has_not_settled(make_room: Callable[..., Room]) -> None:
    from archipel.kit import feed

    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    settled, waiting = make.ct_study(instances=1), make.ct_study(instances=1)
    room.send(*settled)
    room.follow()
    clock.advance(61)
    settle(room)
    clock.advance(1)
    room.send(*waiting)
    timer = feed.follower_named(archive.followers(room.blobs, quiet_s=60), "archive.quiet_timer")
    assert feed.replay(room.database, timer, 0) == 1
    clock.advance(61)
    room.database.transact(lambda tx: archive.settle_due(tx, quiet_s=room.settings.quiet_s))
    assert [p["study_uid"] for _, p in room.changes("StudySettled")] == [settled[0].StudyInstanceUID, waiting[0].StudyInstanceUID]


# --- verification -----------------------------------------------------------------------------------------------------------------


def test_several_processes_settle_a_study_once(make_room: Callable[..., Room]) -> None:
    """Each has its own connections; they start together, with the quiet times started again while they work."""
    room = make_room(quiet_s=60)
    assert isinstance(room.clock, SetClock)
    studies = [ds for _ in range(40) for ds in make.ct_study(instances=1)]
    room.send(*studies)
    room.follow()
    room.clock.advance(61)
    uids = [ds.StudyInstanceUID for ds in studies]
    databases = [Database(room.backend.database_url, clock=room.clock) for _ in range(4)]
    together = threading.Barrier(len(databases))

    def work(database: Database) -> int:
        together.wait(30)
        count = 0
        for _ in range(10):
            count += database.transact(lambda tx: archive.settle_due(tx, quiet_s=60, limit=7))
            # the feed gives a change at least once: a follower that runs again starts the quiet time of what has settled
            database.transact(lambda tx: rows.set_quiet(tx, uids[:10], to_text(tx.now())))
        return count

    with ThreadPoolExecutor(len(databases)) as threads:
        counts = list(threads.map(work, databases))
    for database in databases:
        database.close()
    room.database.transact(lambda tx: archive.settle_due(tx, quiet_s=room.settings.quiet_s))
    assert sorted(p["study_uid"] for _, p in room.changes("StudySettled")) == sorted(uids)
    assert sum(counts) == len(uids)


def test_a_clock_that_was_ahead_and_is_set_back_keeps_no_study_waiting(make_room: Callable[..., Room]) -> None:
    room = make_room(quiet_s=60)
    clock = room.clock
    assert isinstance(clock, SetClock)
    clock.advance(86_400)
    study = make.ct_study(instances=2)
    room.send(*study)
    assert settle(room) == []
    clock.advance(-86_400)
    assert settle(room) == [study[0].StudyInstanceUID]
