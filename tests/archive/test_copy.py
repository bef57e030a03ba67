"""A folder before an object store: copies that are proved, room that is freed, and a store that fails in every way."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from archipel import archive
from archipel.archive import rows_copies
from archipel.archive.verify import damage
from archipel.kit.blobs import Blobs, FileBlobs, open_blobs
from archipel.kit.clock import SetClock
from archipel.kit.errors import NotFound, Unavailable
from archipel.kit.tiered import TieredBlobs
from tests import make
from tests.archive.room import Room, dataset_of
from tests.archive.test_packing import image
from tests.archive.test_seal import counts
from tests.servers import Backend, Bucket

pytestmark = pytest.mark.bytes_lie_open


class Store:
    """A real store that can be told to fail."""

    def __init__(self, blobs: Blobs) -> None:
        self.blobs = blobs
        self.away = self.loses = self.alters = False
        self.stale: set[str] = set()
        self.asked, self.answers = threading.Event(), threading.Event()
        self.answers.set()

    def _answer(self) -> None:
        if self.away:
            raise Unavailable("The object store does not answer; try again.", code="blobs")

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        self._answer()
        self.asked.set()
        assert self.answers.wait(60)
        if self.loses:
            return sum(map(len, chunks))
        if self.alters:
            return self.blobs.put(key, (bytes([chunk[0] ^ 1]) + chunk[1:] for chunk in chunks))
        return self.blobs.put(key, chunks)

    def size(self, key: str) -> int:
        self._answer()
        if key in self.stale:
            raise NotFound("not yet", code="blob-missing")
        return self.blobs.size(key)

    def stream(self, key: str, *range_: int) -> Iterator[bytes]:
        self._answer()
        yield from self.blobs.stream(key, *range_)

    def read(self, key: str, offset: int, length: int) -> bytes:
        self._answer()
        return self.blobs.read(key, offset, length)

    def delete(self, key: str) -> None:
        self._answer()
        self.blobs.delete(key)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        self._answer()
        yield from self.blobs.list(prefix)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.blobs, name)


class Tiered:
    """An archive with a folder before a store."""

    def __init__(self, room: Room, folder: Path, store: Store) -> None:
        self.room, self.store = room, store
        self.local = FileBlobs(folder)
        self.blobs = TieredBlobs(self.local, store, prefix="sealed/")
        room.receiver.drain()
        room.blobs = self.blobs
        room.receiver = room.new_receiver()
        self.copier = archive.Copier(room.database, self.blobs, keep_hours=72)

    def keys(self, blobs: Any) -> set[str]:
        return {key for key, _ in blobs.list("sealed")}

    def lag(self) -> int:
        with self.room.database.read() as tx:
            return rows_copies.lag(tx)[0]

    def later(self, hours: float) -> None:
        assert isinstance(self.room.clock, SetClock)
        self.room.clock.advance(hours * 3600)


@pytest.fixture
def tiered(room: Room, tmp_path: Path, s3: Bucket) -> Tiered:
    remote = open_blobs(s3.url, access_key=s3.access_key, secret_key=s3.secret_key, region=s3.region)
    return Tiered(room, tmp_path / "local", Store(remote))


def some() -> list[Any]:
    return [
        image("u2", InstanceNumber=n, StudyInstanceUID="1.2.3", SeriesInstanceUID="1.2.3.4", frames=40) for n in (1, 2, 3)
    ] + make.ct_study(instances=4)  # the first series is more than a store takes at once


def check(tiered: Tiered, sent: list[Any]) -> None:
    assert tiered.room.damage() == []
    assert [tiered.room.dataset(ds.SOPInstanceUID) for ds in sent] == [dataset_of(ds) for ds in sent]


def test_sealed_objects_are_copied_and_leave_the_folder_after_their_time(tiered: Tiered) -> None:
    sent = some()
    tiered.room.send(*sent)
    assert list(tiered.store.list("")) == []
    tiered.room.seal()
    assert tiered.lag() == 2
    assert tiered.copier.free() == 0
    assert tiered.copier.copy() == 2
    assert (tiered.lag(), tiered.copier.copy()) == (0, 0)
    assert tiered.keys(tiered.store) == tiered.keys(tiered.local) != set()
    tiered.later(71)
    assert tiered.copier.free() == 0
    tiered.later(2)
    assert tiered.copier.free() == 2
    assert tiered.keys(tiered.local) == set()
    check(tiered, sent)
    assert tiered.room.fates(*sent) == ["already_stored"] * 7
    assert archive.orphans(tiered.room.database, tiered.blobs) == []


def test_while_the_store_is_away_everything_recent_goes_on_and_drains_later(tiered: Tiered) -> None:
    old = make.mr_study(instances=2)
    tiered.room.send(*old)
    tiered.room.seal()
    tiered.copier.copy()
    tiered.store.away = True
    sent = some()
    tiered.room.send(*sent)
    check(tiered, [*old, *sent])
    tiered.room.seal()
    assert counts(tiered.room)[0] == 0
    assert tiered.copier.copy() == 0
    tiered.later(80)
    assert tiered.copier.free() == 0
    check(tiered, [*old, *sent])
    tiered.store.away = False
    assert tiered.copier.copy() == 2
    tiered.later(80)
    assert tiered.copier.free() == 3
    check(tiered, [*old, *sent])


def test_a_store_that_is_slow_holds_up_nobody_but_the_copies(tiered: Tiered) -> None:
    first = some()
    tiered.room.send(*first)
    tiered.room.seal()
    tiered.store.answers.clear()
    copying = threading.Thread(target=tiered.copier.copy, daemon=True)
    copying.start()
    assert tiered.store.asked.wait(30)
    second = make.ct_study(instances=3)
    tiered.room.send(*second)
    tiered.room.seal()
    check(tiered, [*first, *second])
    assert copying.is_alive() and tiered.lag() == 3
    tiered.store.answers.set()
    copying.join(60)
    tiered.copier.copy()
    assert tiered.lag() == 0
    assert tiered.keys(tiered.store) == tiered.keys(tiered.local)
    check(tiered, [*first, *second])


@pytest.mark.parametrize("fault", ["loses", "alters"])
def test_a_store_that_loses_or_alters_what_it_was_given_is_found_out(tiered: Tiered, fault: str) -> None:
    sent = some()
    tiered.room.send(*sent)
    tiered.room.seal()
    setattr(tiered.store, fault, True)
    assert tiered.copier.copy() == 0
    tiered.later(100)
    assert tiered.copier.free() == 0
    assert tiered.lag() == 2
    setattr(tiered.store, fault, False)
    assert tiered.copier.copy() == 2
    tiered.later(100)
    assert tiered.copier.free() == 2
    check(tiered, sent)


def test_a_store_that_answers_late_is_asked_again(tiered: Tiered) -> None:
    sent = make.ct_study(instances=2)
    tiered.room.send(*sent)
    tiered.room.seal()
    tiered.store.stale = tiered.keys(tiered.local)
    assert tiered.copier.copy() == 0
    tiered.store.stale = set()
    assert tiered.copier.copy() == 1
    check(tiered, sent)


def test_what_the_store_lost_later_stays_in_the_folder_and_is_copied_again(tiered: Tiered) -> None:
    sent = make.ct_study(instances=2)
    tiered.room.send(*sent)
    tiered.room.seal()
    tiered.copier.copy()
    (key,) = tiered.keys(tiered.store)
    tiered.store.delete(key)
    tiered.later(100)
    assert tiered.copier.free() == 0
    assert tiered.keys(tiered.local) == {key}
    assert tiered.copier.copy() == 1
    assert tiered.keys(tiered.store) == {key}
    check(tiered, sent)


def test_what_is_damaged_in_the_folder_is_taken_from_the_copy(tiered: Tiered) -> None:
    sent = some()
    tiered.room.send(*sent)
    tiered.room.seal()
    tiered.copier.copy()
    (ref,) = tiered.room.refs(sop_instance_uid=sent[-1].SOPInstanceUID)
    path = tiered.local._root / ref.blob_key
    data = bytearray(path.read_bytes())
    data[ref.offset + ref.length_bytes - 1] ^= 1
    path.write_bytes(data)
    assert damage(tiered.blobs, ref.place, ref.digest)
    tiered.store.away = True
    assert len(tiered.room.damage()) == 1
    tiered.store.away = False
    assert tiered.room.damage() == []  # verify takes it from the copy
    assert path.read_bytes() == tiered.store.read(ref.blob_key, 0, len(data))
    assert damage(tiered.blobs, ref.place, ref.digest) == ""
    path.unlink()
    path.mkdir()  # not to be read at all: the copy is given
    assert tiered.room.dataset(ref.sop_instance_uid) == dataset_of(sent[-1])
    assert not archive.mend_from_copy(tiered.room.database, tiered.blobs, "sealed/00/other")


def test_what_was_sealed_anew_is_swept_here_and_there(tiered: Tiered) -> None:
    study = make.ct_study(instances=4)
    tiered.room.send(*study[:2])
    tiered.room.seal()
    tiered.copier.copy()
    (old,) = tiered.keys(tiered.store)
    tiered.room.send(*study[2:])
    tiered.room.seal()
    tiered.copier.copy()
    ticks = [0.0]
    sweeper = archive.Sweeper(tiered.room.database, tiered.blobs, after_hours=1, ticks=lambda: ticks[0])
    tiered.later(2)
    sweeper.sweep()
    ticks[0] += 4000
    tiered.store.away = True
    with pytest.raises(Unavailable):
        sweeper.sweep()
    assert old in tiered.keys(tiered.local)
    tiered.store.away = False
    assert sweeper.sweep() == 2  # the segment and the older object
    assert old not in tiered.keys(tiered.store) | tiered.keys(tiered.local)
    assert len(tiered.keys(tiered.store)) == 1
    check(tiered, study)


def test_an_archive_that_gets_a_store_copies_what_it_had(backend: Backend, room: Room, tmp_path: Path, s3: Bucket) -> None:
    sent = make.ct_study(instances=2)
    tiered = Tiered(
        room, tmp_path / "local", Store(open_blobs(s3.url, access_key=s3.access_key, secret_key=s3.secret_key, region=s3.region))
    )
    room.blobs = tiered.local
    room.send(*sent)
    room.blobs = tiered.local
    room.seal()
    assert tiered.lag() == 0
    room.blobs = tiered.blobs
    assert tiered.copier.copy() == 1
    check(tiered, sent)
