"""An identical instance that comes again mends what was lost of the first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from archipel import archive, audit
from archipel.archive import repair
from tests import make
from tests.archive.room import SYSTEM, Room, dataset_of
from tests.archive.test_review import duplicate
from tests.archive.test_same import odd


def lose(room: Room, key: str, how: str) -> None:
    """Damage a blob by hand."""
    data = bytearray(room.blobs.read(key, 0, 1 << 20))
    room.blobs.delete(key)
    if how == "missing":
        return
    data[-1] ^= 1
    room.blobs.put(key, [bytes(data) if how == "flipped" else bytes(data[:-1])])


@pytest.mark.bytes_lie_open
@pytest.mark.parametrize("how", ["missing", "flipped", "cut"])
def test_lost_bytes_are_mended(make_room: Callable[..., Room], how: str) -> None:
    room = make_room(group_count_max=1)
    one, other = make.ct_study(instances=2)
    room.send(one, other)
    (ref,) = room.refs(sop_instance_uid=one.SOPInstanceUID)
    lose(room, ref.blob_key, how)
    assert [found.sop_instance_uid for found in room.damage()] == [one.SOPInstanceUID]
    assert room.fates(one) == ["already_stored"]
    assert room.damage() == []
    assert room.dataset(one.SOPInstanceUID) == dataset_of(one)
    room.check_counts()
    assert room.totals()["instances"] == 2
    with room.database.read() as tx:
        assert [entry.object_id for entry in audit.search(tx, action="archive.repair")] == [one.SOPInstanceUID]


def test_what_is_whole_is_left_alone(room: Room) -> None:
    (ds,) = make.ct_study(instances=1)
    room.send(ds)
    before = room.refs(sop_instance_uid=ds.SOPInstanceUID)
    assert room.fates(ds) == ["already_stored"]
    assert room.refs(sop_instance_uid=ds.SOPInstanceUID) == before


@pytest.mark.bytes_lie_open
def test_what_is_kept_aside_is_mended_too(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    first, second, _ = duplicate(room)
    used = {ref.blob_key for ref in room.refs(sop_instance_uid=first.SOPInstanceUID)}
    (kept,) = [key for key, _ in room.blobs.list("received") if key not in used]
    lose(room, kept, "missing")
    assert len(room.damage()) == 1
    assert room.fates(second) == ["kept_aside"]
    assert room.damage() == []
    assert room.dataset(first.SOPInstanceUID) == dataset_of(first)


@pytest.mark.bytes_lie_open
def test_of_two_that_mend_at_once_one_does(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    (ds,) = make.ct_study(instances=1)
    room.send(ds)
    lose(room, room.refs(sop_instance_uid=ds.SOPInstanceUID)[0].blob_key, "missing")
    placed = [room.place(ds), room.place(ds)]
    key = (placed[0].arrival.sop_instance_uid, placed[0].arrival.digest)
    with room.database.read() as tx:
        lost = repair.held(tx, [key])[key]
    done = [
        room.database.transact(
            lambda tx, place=one.place: repair.mend(tx, SYSTEM, lost, place, digest=key[1], transfer_syntax_uid="1.2.840.10008.1.2.1")
        )
        for one in placed
    ]
    assert done == [True, False]
    assert [key for key, _ in archive.orphans(room.database, room.blobs)] == [placed[1].place.blob_key]


@pytest.mark.bytes_lie_open
def test_what_is_large_is_mended_too(make_room: Callable[..., Room]) -> None:
    room = make_room(memory_bytes_each=64 << 10, memory_bytes_max=8 << 20, group_count_max=1)
    (ds,) = make.ct_study(instances=1, size=400)
    room.send(ds)
    (ref,) = room.refs(sop_instance_uid=ds.SOPInstanceUID)
    lose(room, ref.blob_key, "missing")
    assert room.fates(ds) == ["already_stored"]
    assert room.damage() == []
    assert room.fates(ds) == ["already_stored"]
    assert len(list(room.blobs.list("received"))) == 1


def test_the_mended_one_may_have_lost_its_padding(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    data = odd()
    assert room.fates(data) == ["stored"]
    ((key, _),) = room.blobs.list("received")
    lose(room, key, "missing")
    assert room.fates(data + b"\0") == ["already_stored"]
    assert room.damage() == []
    assert room.conflicts() == []
