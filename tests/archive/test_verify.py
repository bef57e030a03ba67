"""Damaged and forgotten bytes are found."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import pytest
from sqlalchemy import update

from archipel import archive
from archipel.archive import rows
from tests import make
from tests.archive.room import Room
from tests.archive.test_review import duplicate, resolve


@pytest.mark.bytes_lie_open
def test_flipped_bits_cut_and_missing_blobs_are_found(make_room: Callable[..., Room], tmp_path: Path) -> None:
    room = make_room(group_count_max=1)
    study = make.ct_study(instances=5)
    room.send(*study)
    refs = sorted(room.refs(study_uid=study[0].StudyInstanceUID), key=lambda r: r.sop_instance_uid)
    flipped, cut, missing, moved, whole = refs
    for ref, change in ((flipped, "flip"), (cut, "cut")):
        data = bytearray(room.blobs.read(ref.blob_key, 0, 1 << 20))
        room.blobs.delete(ref.blob_key)
        if change == "flip":
            data[-1] ^= 1
        room.blobs.put(ref.blob_key, [bytes(data) if change == "flip" else bytes(data[:-1])])
    room.blobs.delete(missing.blob_key)
    with room.database.write() as tx:
        tx.execute(update(rows.instance).where(rows.instance.c.sop_instance_uid == moved.sop_instance_uid).values(offset=moved.offset + 2))
    found_damage = {d.sop_instance_uid: d.reason for d in room.damage()}
    assert set(found_damage) == {flipped.sop_instance_uid, cut.sop_instance_uid, missing.sop_instance_uid, moved.sop_instance_uid}
    assert "differ" in found_damage[flipped.sop_instance_uid]
    assert "missing" in found_damage[cut.sop_instance_uid]
    assert whole.sop_instance_uid not in found_damage


@pytest.mark.bytes_lie_open
def test_damage_to_what_is_kept_aside_is_found(make_room: Callable[..., Room]) -> None:
    room = make_room(group_count_max=1)
    duplicate(room)
    assert room.damage() == []
    used = {ref.blob_key for ref in room.refs(patient=("T-0001", ""))}
    (kept,) = [key for key, _ in room.blobs.list("received") if key not in used]
    room.blobs.delete(kept)
    assert len(room.damage()) == 1


def test_blobs_that_nothing_refers_to_are_orphans(room: Room) -> None:
    _, _, conflict = duplicate(room)
    assert archive.orphans(room.database, room.blobs) == []
    room.blobs.put("received/20260115/left", [b"by a crash"])
    assert archive.orphans(room.database, room.blobs) == [("received/20260115/left", 10)]
    resolve(room, conflict.id, "use_received")
    assert archive.orphans(room.database, room.blobs) == [("received/20260115/left", 10)]


def test_sending_a_kept_content_again_leaves_no_orphans(room: Room) -> None:
    _, second, _ = duplicate(room)
    for _ in range(3):
        room.send(second)
    assert archive.orphans(room.database, room.blobs) == []


def test_more_than_a_page_is_verified(room: Room) -> None:
    if room.backend.name != "sqlite-files":
        pytest.skip("once is enough")
    page = import_module("archipel.archive.verify").PAGE
    study = make.ct_study(instances=page + 3, size=2)
    for start in range(0, len(study), 200):
        room.send(*study[start : start + 200])
    assert sum(1 for _ in archive.verify(room.database, room.blobs)) == page + 3
