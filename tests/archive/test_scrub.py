"""The archive is verified again and again, slowly, by one process at a time, and what is damaged is known until it is mended."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select

from archipel import archive
from archipel.archive import rows_scrub, scrub
from archipel.archive.verify import items
from archipel.kit.clock import SetClock
from tests import make
from tests.archive.room import Room
from tests.archive.test_review import duplicate

DAY_S = 86_400


class Ticks:
    """A clock of seconds that runs when it is told to."""

    def __init__(self) -> None:
        self.at = 1000.0
        self.slept = 0.0

    def __call__(self) -> float:
        return self.at

    def sleep(self, seconds: float) -> None:
        self.at += seconds
        self.slept += seconds


def scrubber(room: Room, ticks: Ticks | None = None, **options: Any) -> archive.Scrubber:
    return archive.Scrubber(room.database, room.blobs, **{"every_days": 30, "bytes_per_s": 0, "ticks": ticks or Ticks(), **options})


def state(room: Room) -> dict[str, Any]:
    with room.database.read() as tx:
        return archive.scrubbed(tx)


def damages(room: Room) -> list[tuple[str, str]]:
    with room.database.read() as tx:
        return [(one.sop_instance_uid, one.study_uid) for one in tx.execute(select(rows_scrub.damage))]


def whole_pass(one: archive.Scrubber) -> int:
    """Slices until there is nothing to do for now."""
    looked_at = 0
    while done := one.scrub():
        looked_at += done
    return looked_at


def spoil(room: Room, uid: str) -> None:
    """Flip a bit of an instance where it lies."""
    (ref,) = room.refs(sop_instance_uid=uid)
    data = bytearray(b"".join(room.blobs.stream(ref.blob_key, 0, room.blobs.size(ref.blob_key))))
    data[archive.stored_end(ref) - 1] ^= 1
    room.blobs.close()
    room.blobs.delete(ref.blob_key)
    room.blobs.put(ref.blob_key, [bytes(data)])


def test_a_pass_looks_at_everything_once_and_again_after_its_time(room: Room) -> None:
    room.send(*make.ct_study(series=2, instances=3))
    room.seal()
    duplicate(room)  # opens one and keeps another aside
    everything = sum(1 for _ in archive.verify(room.database, room.blobs))
    assert everything == 8
    one = scrubber(room)
    whole_pass(one)
    found = state(room)
    assert (found["checked"], found["damaged"], found["damaged_now"]) == (everything, 0, 0)
    assert found["bytes"] == sum(checked.length_bytes for checked in archive.verify(room.database, room.blobs))
    assert found["started_at"] <= found["ended_at"] != ""
    assert whole_pass(one) == 0
    assert isinstance(room.clock, SetClock)
    room.clock.advance(29 * DAY_S)
    assert whole_pass(one) == 0
    room.clock.advance(DAY_S)
    assert whole_pass(one) > 0
    assert state(room)["checked"] == everything
    assert state(room)["started_at"] > found["started_at"]


def test_a_restart_goes_on_where_it_was(room: Room) -> None:
    room.send(*make.ct_study(series=2, instances=5))
    room.send(*make.ct_study(instances=4))
    assert isinstance(room.clock, SetClock)
    counted = 0
    for _ in range(20):  # each slice by a process that has just begun
        room.clock.advance(scrub.HELD_S + 1)
        counted += scrubber(room, slice_count=3).scrub()
        if state(room)["ended_at"]:
            break
    assert state(room)["ended_at"]
    assert state(room)["checked"] == 14


@pytest.mark.bytes_lie_open
def test_one_process_does_it_at_a_time(room: Room) -> None:
    room.send(*make.ct_study(instances=6))
    mine, other = scrubber(room, slice_count=2), scrubber(room, slice_count=2)
    assert mine.scrub() == 2
    assert other.scrub() == 0
    assert mine.scrub() == 2
    assert isinstance(room.clock, SetClock)
    room.clock.advance(scrub.HELD_S + 1)  # it was killed
    assert other.scrub() == 2
    assert mine.scrub() == 0
    whole_pass(other)
    assert state(room)["checked"] == 6


@pytest.mark.parametrize("by", ["sending", "hand"])
def test_damage_is_known_until_it_is_mended(room: Room, by: str) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    uid = str(study[1].SOPInstanceUID)
    whole = room.refs(sop_instance_uid=uid)[0].blob_key
    before = b"".join(room.blobs.stream(whole, 0, room.blobs.size(whole)))
    spoil(room, uid)
    ticks = Ticks()
    one = scrubber(room, ticks)
    whole_pass(one)
    assert damages(room) == [(uid, str(study[0].StudyInstanceUID))]
    assert (state(room)["damaged"], state(room)["damaged_now"]) == (1, 1)
    if by == "sending":
        room.send(study[1])
    else:
        room.blobs.delete(whole)
        room.blobs.put(whole, [before])
        assert len(damages(room)) == 1
        ticks.at += scrub.LOOK_AGAIN_S + 1
        whole_pass(one)
    assert damages(room) == []
    assert state(room)["damaged_now"] == 0
    assert room.damage() == []


def test_what_was_moved_while_it_was_read_is_no_damage(room: Room) -> None:
    study = make.ct_study(instances=2)
    room.send(*study)
    some = [*items(room.database, "open", ""), *items(room.database, "sealed", "")]
    assert len(some) == 2
    spoil(room, str(study[0].SOPInstanceUID))
    room.send(study[0])  # mended elsewhere
    one = scrubber(room)
    assert [one._damage(item) for item in some] == ["", ""]


def test_the_pace_is_kept() -> None:
    ticks = Ticks()
    pace = archive.Pace(1_000_000, ticks, ticks.sleep)
    for _ in range(100):
        pace(50_000)
        ticks.at += 0.01  # as long as the reading takes
    assert ticks.at - 1000 == pytest.approx(4.5, abs=0.1)  # 5 MB, of which it was half a second behind
    ticks.at += 3600  # idle: nothing to catch up
    before = ticks.slept
    for _ in range(100):
        pace(50_000)
    assert ticks.slept - before == pytest.approx(4.5, abs=0.1)
    free = archive.Pace(0, ticks, ticks.sleep)
    free(1 << 40)
    assert ticks.slept - before == pytest.approx(4.5, abs=0.1)


def test_the_pace_holds_for_a_pass(room: Room) -> None:
    room.send(*make.ct_study(instances=10, size=64))
    ticks = Ticks()
    size = sum(one.length_bytes for one in archive.verify(room.database, room.blobs))
    one = scrubber(room, ticks, bytes_per_s=10_000, sleep=ticks.sleep)
    whole_pass(one)
    assert ticks.at - 1000 > 0.9 * size / 10_000
    assert state(room)["checked"] == 10
