"""The receiver: nothing is answered before it is durable, bounds are said, and it ends in order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest

from archipel import archive
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError
from tests import make
from tests.archive.room import EVERYTHING, Room, by_fate, copies, dataset_of


def test_what_is_answered_is_there_for_a_second_connection(room: Room) -> None:
    other = Database(room.backend.database_url)
    seen: list[bool] = []
    study = make.ct_study(series=2, instances=20)

    def look(future: Future[Any]) -> None:
        outcome = future.result()
        with other.read() as tx:
            (ref,) = archive.locate(tx, EVERYTHING, sop_instance_uid=outcome.sop_instance_uid)
        seen.append(b"".join(archive.dataset(room.blobs, ref)) == expected[outcome.sop_instance_uid])

    expected = {ds.SOPInstanceUID: dataset_of(ds) for ds in study}
    futures = [room.receiver.submit(room.incoming(ds)) for ds in study]
    for future in futures:
        future.add_done_callback(look)
    for future in futures:
        assert future.result(60).fate == "stored"
    room.receiver.drain()
    assert seen == [True] * 40
    other.close()
    room.receiver = room.new_receiver()


@pytest.mark.bytes_lie_open
def test_instances_that_wait_together_share_one_blob(make_room: Callable[..., Room]) -> None:
    room = make_room(group_wait_ms=300, group_count_max=8)
    room.send(*make.ct_study(instances=16))
    sizes: dict[str, int] = {}
    for ref in room.refs(patient=("T-0001", "")):
        sizes[ref.blob_key] = sizes.get(ref.blob_key, 0) + ref.length_bytes
    assert 1 <= len(sizes) <= 4  # in files one that grows, in a store one for each group
    assert sizes == {key: room.blobs.size(key) for key in sizes}


@pytest.mark.bytes_lie_open
def test_a_large_instance_goes_by_a_file_and_becomes_a_blob_of_its_own(make_room: Callable[..., Room]) -> None:
    room = make_room(memory_bytes_each=64 << 10, memory_bytes_max=8 << 20)
    large, small = make.ct_study(instances=1, size=700), make.ct_study(instances=2)
    outcomes = room.send(*large, *small, *large)
    assert {k: v for k, v in by_fate(outcomes).items() if k != "already_stored"} == {"stored": 3}
    (ref,) = room.refs(sop_instance_uid=large[0].SOPInstanceUID)
    assert (ref.offset, ref.length_bytes) == (0, room.blobs.size(ref.blob_key))
    assert room.dataset(large[0].SOPInstanceUID) == dataset_of(large[0])
    assert room.fates(*large) == ["already_stored"]
    (other,) = copies(large[0], {"StudyDescription": "other"})
    assert room.fates(other) == ["kept_aside"]
    assert list(room.spool.folder.iterdir()) == []
    assert room.damage() == []


def test_a_full_queue_says_busy_at_once_and_goes_on_afterwards(make_room: Callable[..., Room]) -> None:
    room = make_room(queue_count_max=3)
    study = make.ct_study(instances=8)
    issuers, go_on = room.issuers(), threading.Event()

    def slow_issuers(tx: Any) -> dict[str, str]:
        """What the receiver asks for each group, answered late: a database that is slow."""
        go_on.wait(20)
        return issuers

    slow = archive.Receiver(room.database, room.blobs, room.spool, room.settings, slow_issuers, disk=room.folder)
    slow.start()
    futures = [slow.submit(room.incoming(ds)) for ds in study]
    refused = [future.result(0) for future in futures if future.done()]
    assert len(refused) == 5
    assert {outcome.error.code for outcome in refused if outcome.error} == {"busy"}
    go_on.set()
    assert by_fate(future.result(60) for future in futures) == {"stored": 3, "refused": 5}
    assert by_fate([slow.submit(room.incoming(ds)).result(60) for ds in study]) == {"already_stored": 3, "stored": 5}
    slow.drain()
    assert room.spool.used_bytes == 0


def test_a_nearly_full_disk_refuses_and_leaves_nothing(make_room: Callable[..., Room]) -> None:
    room = make_room(free_bytes_min=1 << 60)
    (outcome,) = room.send(*make.ct_study(instances=1))
    assert outcome.error is not None
    assert outcome.error.code == "out-of-space"
    assert room.totals()["instances"] == 0
    assert list(room.blobs.list("")) == []
    assert room.spool.used_bytes == 0


@pytest.mark.faults
def test_a_full_store_refuses_the_group_and_takes_the_next(tmp_path: Path, make_room: Callable[..., Room]) -> None:
    import os
    import subprocess

    from archipel.kit.blobs import FileBlobs

    room = make_room()
    mount = tmp_path / "tiny"
    mount.mkdir()
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", str(mount)], capture_output=True).returncode:
        pytest.skip("a file system of 1 MB cannot be mounted here")
    try:
        room.receiver.drain()
        room.blobs = FileBlobs(mount / "blobs")
        room.receiver = room.new_receiver()
        fits, too_much = make.ct_study(instances=1), make.ct_study(instances=1, size=900)
        assert room.fates(*fits) == ["stored"]
        (outcome,) = room.send(*too_much)
        assert outcome.error is not None
        assert outcome.error.code == "out-of-space"
        assert room.fates(*make.ct_study(instances=1)) == ["stored"]
        assert room.totals()["instances"] == 2
        assert room.damage() == []
        assert archive.orphans(room.database, room.blobs) == []
    finally:
        room.blobs.close()
        subprocess.run(["umount", str(mount)], check=True)


@pytest.mark.bytes_lie_open
@pytest.mark.faults
def test_a_database_that_goes_away_refuses_and_comes_back(make_room: Callable[..., Room]) -> None:
    from sqlalchemy import text

    room = make_room()
    if room.database.dialect != "postgresql":
        pytest.skip("SQLite has no server that could go away")
    admin = Database(room.backend.database_url.rsplit("/", 1)[0] + "/postgres")
    name = room.backend.database_url.rsplit("/", 1)[1]
    with admin.engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false"))
        connection.execute(text("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = :name"), {"name": name})
        outcomes = room.send(*make.ct_study(instances=3))
        assert {o.error.kind for o in outcomes if o.error} == {"unavailable"}
        connection.execute(text(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true"))
    admin.close()
    assert by_fate(room.send(*make.ct_study(instances=3))) == {"stored": 3}
    assert room.totals()["instances"] == 3


def test_a_door_that_gives_up_does_not_stop_the_writer(room: Room) -> None:
    futures = [room.receiver.submit(room.incoming(ds)) for ds in make.ct_study(instances=10)]
    assert not any(future.cancel() for future in futures)
    assert room.fates(*make.ct_study(instances=2)) == ["stored"] * 2
    assert by_fate(f.result(60) for f in futures) == {"stored": 10}


def test_draining_finishes_what_was_taken_and_refuses_the_rest(room: Room) -> None:
    receiver = room.new_receiver()
    futures = [receiver.submit(room.incoming(ds)) for ds in make.ct_study(instances=30)]
    receiver.drain()
    assert by_fate(f.result(0) for f in futures) == {"stored": 30}
    late = receiver.submit(room.incoming(make.ct_study(instances=1)[0])).result(1)
    assert late.error is not None
    assert late.error.code == "busy"
    assert room.spool.used_bytes == 0


@pytest.mark.parametrize("what", ["class", "instance"])
def test_what_was_announced_must_be_what_came(room: Room, what: str) -> None:
    from dataclasses import replace

    (ds,) = make.ct_study(instances=1)
    incoming = room.incoming(ds)
    announced = {"sop_class_uid": "1.2.840.10008.5.1.4.1.1.4"} if what == "class" else {"sop_instance_uid": "1.2.3"}
    outcome = room.receiver.receive(replace(incoming, **announced))
    assert outcome.error is not None
    assert outcome.error.code == "class-mismatch"
    assert room.totals()["instances"] == 0


def broken() -> Iterator[tuple[str, bytes, str]]:
    data = make.part10(make.ct_study(instances=1)[0])
    yield "cut in the header", data[:600], "unreadable"
    yield "cut in the pixels", data[:-10], "unreadable"
    yield "no dataset", data[:300], "unreadable"


@pytest.mark.parametrize(("name", "data", "code"), list(broken()), ids=[name for name, *_ in broken()])
def test_what_is_broken_is_refused_with_its_reason(room: Room, name: str, data: bytes, code: str) -> None:
    try:
        (outcome,) = room.send(data)
        error = outcome.error
    except ArchipelError as raised:
        error = raised
    assert error is not None
    assert error.code in (code, "not-dicom")
    assert room.totals()["instances"] == 0


def test_every_readable_object_of_many_makers_is_stored_as_sent(room: Room, shared_data: Path) -> None:
    import csv

    from pydicom import dcmread

    with (shared_data / "dicom" / "index.csv").open() as table:
        names = [row["path"] for row in csv.DictReader(table)]
    taken = [shared_data / "dicom" / name for name in names][::9]
    stored = 0
    for path in taken:
        if path.stat().st_size > 3_000_000:
            continue
        data = path.read_bytes()
        try:
            (outcome,) = room.send(data)
        except ArchipelError:
            continue
        if outcome.fate == "stored":
            stored += 1
            read = dcmread(path, force=True, stop_before_pixels=True)
            kept = room.dataset(outcome.sop_instance_uid)
            assert data.endswith(kept)
            assert outcome.sop_instance_uid == str(read.SOPInstanceUID).strip()
    assert stored > len(taken) // 2
    assert room.damage() == []
    room.check_counts()
