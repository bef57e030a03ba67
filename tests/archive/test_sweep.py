"""Sweeping: what was let go and is named by nothing goes after its time, and nothing else ever does."""

from __future__ import annotations

import io
from typing import Any

import pydicom
import pytest
from pydicom.dataset import Dataset

from archipel import archive
from archipel.archive import rows_sealed
from archipel.archive.seal import seal_series
from archipel.kit.clock import SetClock
from tests import make
from tests.archive.room import EVERYTHING, SYSTEM, Room, dataset_of
from tests.archive.test_seal import counts

pytestmark = pytest.mark.bytes_lie_open


def swept(room: Room, sweeper: archive.Sweeper, ticks: list[float]) -> int:
    """What a second look an hour later removes."""
    sweeper.sweep()
    ticks[0] += 3601
    return sweeper.sweep()


def test_what_was_sealed_elsewhere_is_swept_and_nothing_else(room: Room) -> None:
    study, other = make.ct_study(instances=3), make.mr_study(instances=2)
    room.send(*study)
    room.blobs.close()  # the next segment
    room.send(*other)
    room.blobs.put("received/20260115/left", [b"by a crash"])
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=48, ticks=lambda: ticks[0])
    old = {ref.blob_key for ref in room.refs(study_uid=study[0].StudyInstanceUID)}
    room.seal(study[0].StudyInstanceUID)
    assert swept(room, sweeper, ticks) == 0
    assert isinstance(room.clock, SetClock)
    room.clock.advance(48 * 3600 + 1)
    assert sweeper.sweep() == 0  # seen for the first time since it is due
    ticks[0] += 3599
    assert sweeper.sweep() == 0
    ticks[0] += 2
    assert sweeper.sweep() == len(old)
    keys = {key for key, _ in room.blobs.list("")}
    assert not old & keys
    assert "received/20260115/left" in keys
    assert room.damage() == []
    assert [room.dataset(ds.SOPInstanceUID) for ds in (*study, *other)] == [dataset_of(ds) for ds in (*study, *other)]
    with room.database.read() as tx:
        assert rows_sealed.let_go_keys(tx) == set()


def test_a_segment_that_others_are_in_is_not_swept(room: Room) -> None:
    study, other = make.ct_study(instances=3), make.mr_study(instances=2)
    room.send(*study, *other)
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=1, ticks=lambda: ticks[0])
    room.seal(study[0].StudyInstanceUID)
    assert isinstance(room.clock, SetClock)
    room.clock.advance(3601)
    assert swept(room, sweeper, ticks) == 0
    room.seal()
    room.clock.advance(3601)
    assert swept(room, sweeper, ticks) >= 1
    assert list(room.blobs.list("received")) == []
    assert room.damage() == []


def test_what_is_kept_aside_holds_its_object(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    other: Dataset = pydicom.dcmread(io.BytesIO(make.part10(study[1])))
    other.PatientComments = "another content"
    room.send(other)
    room.seal()
    (conflict,) = room.conflicts()
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, "use_received"))
    room.seal()
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=1, ticks=lambda: ticks[0])
    assert isinstance(room.clock, SetClock)
    room.clock.advance(3601)
    swept(room, sweeper, ticks)
    assert room.damage() == []
    room.database.transact(lambda tx: archive.resolve(tx, SYSTEM, EVERYTHING, conflict.id, "reopen"))
    assert room.dataset(study[1].SOPInstanceUID) == dataset_of(study[1])


def test_what_a_crash_left_half_sealed_is_swept(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)

    class Dying:
        def put(self, key: str, chunks: Any) -> int:
            room.blobs.put(key, chunks)
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(room.blobs, name)

    with pytest.raises(KeyboardInterrupt):
        seal_series(room.database, Dying(), study[0].StudyInstanceUID, study[0].SeriesInstanceUID)  # type: ignore[arg-type]
    assert counts(room) == (3, 0, 0)
    assert len(list(room.blobs.list("sealed"))) == 1
    assert archive.orphans(room.database, room.blobs) == []
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=1, ticks=lambda: ticks[0])
    assert isinstance(room.clock, SetClock)
    room.clock.advance(3601)
    assert swept(room, sweeper, ticks) == 1
    assert list(room.blobs.list("sealed")) == []
    assert room.damage() == []


def test_what_leaves_a_segment_later_keeps_it_for_its_whole_time(room: Room) -> None:
    study, other = make.ct_study(instances=3), make.mr_study(instances=2)
    room.send(*study, *other)
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=48, ticks=lambda: ticks[0])
    room.seal(study[0].StudyInstanceUID)
    assert isinstance(room.clock, SetClock)
    room.clock.advance(47 * 3600)
    room.seal()  # a backup of an hour ago still names the segment for the other study
    room.clock.advance(2 * 3600)
    assert swept(room, sweeper, ticks) == 0
    assert list(room.blobs.list("received")) != []
    room.clock.advance(47 * 3600)
    assert swept(room, sweeper, ticks) >= 1
    assert list(room.blobs.list("received")) == []
    assert room.damage() == []


def test_a_sealing_whose_object_was_swept_before_it_could_turn_to_it_turns_to_nothing(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    key = (study[0].StudyInstanceUID, study[0].SeriesInstanceUID)
    ticks = [0.0]
    sweeper = archive.Sweeper(room.database, room.blobs, after_hours=1, ticks=lambda: ticks[0])

    class Slow:
        """A store whose answer to ``put`` takes longer than the sweeper waits."""

        def put(self, name: str, chunks: Any) -> int:
            size = room.blobs.put(name, chunks)
            assert isinstance(room.clock, SetClock)
            room.clock.advance(2 * 3600)
            assert swept(room, sweeper, ticks) == 1
            return size

        def __getattr__(self, name: str) -> Any:
            return getattr(room.blobs, name)

    assert not seal_series(room.database, Slow(), *key)  # type: ignore[arg-type]
    assert counts(room) == (3, 0, 0)
    assert room.damage() == []
    assert seal_series(room.database, room.blobs, *key)
    assert room.damage() == []


def test_a_sweeper_that_died_between_claim_and_removal_is_followed_up(room: Room) -> None:
    study = make.ct_study(instances=3)
    room.send(*study)
    room.seal()
    assert isinstance(room.clock, SetClock)
    room.clock.advance(2 * 3600)

    class Dying:
        def delete(self, key: str) -> None:
            raise KeyboardInterrupt

        def __getattr__(self, name: str) -> Any:
            return getattr(room.blobs, name)

    ticks = [0.0]
    with pytest.raises(KeyboardInterrupt):
        swept(room, archive.Sweeper(room.database, Dying(), after_hours=1, ticks=lambda: ticks[0]), ticks)  # type: ignore[arg-type]
    assert list(room.blobs.list("received")) != []
    assert swept(room, archive.Sweeper(room.database, room.blobs, after_hours=1, ticks=lambda: ticks[0]), ticks) >= 1
    assert list(room.blobs.list("received")) == []
    with room.database.read() as tx:
        assert rows_sealed.let_go_keys(tx) == set()
    assert room.damage() == []
