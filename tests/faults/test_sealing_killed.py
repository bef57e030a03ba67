"""``kill -9`` of a process that seals: at every boundary, on both back ends. Either the rows or the sealed series, never neither, never both."""

from __future__ import annotations

import multiprocessing
import os
import random
import signal
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from sqlalchemy import select

from archipel import archive
from archipel.archive import rows, rows_sealed
from tests import make
from tests.archive.room import Room, dataset_of
from tests.faults import sealing_child
from tests.faults.counts import record
from tests.faults.sealing_child import BOUNDARIES
from tests.servers import Backend

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
RANDOM = 40 if LONG else 4
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.faults.sealing_child"])

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600 if LONG else 240)]


def open_series(room: Room) -> list[tuple[str, str]]:
    with room.database.read() as tx:
        i = rows.instance.c
        return [tuple(row) for row in tx.execute(select(i.study_uid, i.series_uid).distinct())]


def check(room: Room, sent: dict[str, Dataset]) -> None:
    """Every instance is there once, as it was sent."""
    with room.database.read() as tx:
        opened = list(tx.execute(select(rows.instance.c.sop_instance_uid)).scalars())
        sealed = [row.sop_instance_uid for one in rows_sealed.page(tx, 0, 10_000) for row in one.rows]
    assert sorted(opened + sealed) == sorted(sent)
    assert room.damage() == []
    assert archive.orphans(room.database, room.blobs) == []
    room.check_counts()
    for uid, ds in list(sent.items())[:: max(1, len(sent) // 10)]:
        assert room.dataset(uid) == dataset_of(ds)


def test_a_kill_at_any_step_of_sealing_leaves_the_old_or_the_new(backend: Backend, tmp_path: Path) -> None:
    room = Room(backend, tmp_path)
    sent: dict[str, Dataset] = {}
    kills: Counter[str] = Counter()
    randomly = random.Random(11)

    def send(*objects: Dataset) -> None:
        room.send(*objects)
        sent.update((str(ds.SOPInstanceUID), ds) for ds in objects)

    def child(boundary: str, at: int) -> Any:
        spec = {"database": backend.database_url, "blobs": backend.blobs, "series": open_series(room), "boundary": boundary, "at": at}
        process = CHILDREN.Process(target=sealing_child.main, args=(spec,), daemon=True)
        process.start()
        return process

    for boundary in BOUNDARIES:
        for at in (1, 2) * (4 if LONG else 1):  # two series are open
            study = make.ct_study(series=2, instances=5)
            send(*study[:3], *study[5:])
            room.seal()
            send(*study[3:5], *make.mr_study(instances=3))  # one series grows again, another is new
            process = child(boundary, at)
            process.join(60)
            assert process.exitcode == -signal.SIGKILL, f"{boundary} was not passed {at} times"
            kills[boundary] += 1
            check(room, sent)
    for _ in range(RANDOM):
        send(*make.ct_study(series=3, instances=8))
        process = child("", 0)
        time.sleep(randomly.uniform(0, 0.15))
        process.kill()
        process.join(60)
        kills["random instant"] += process.exitcode == -signal.SIGKILL
        check(room, sent)
    left = len(open_series(room))
    assert room.seal() == left
    check(room, sent)
    assert open_series(room) == []
    sys.stdout.write(f"\n{backend.name}: kills {dict(kills)}; {len(sent)} instances, each there once and intact after each kill")
    record("kill -9 while sealing and packing, at every step", backend.name, tries=sum(kills.values()), sent=len(sent),
           acknowledged=len(sent), found=len(sent))  # fmt: skip
    room.close()


def test_processes_that_seal_the_same_series_at_once_do_it_once(backend: Backend, tmp_path: Path) -> None:
    room = Room(backend, tmp_path)
    sent = {str(ds.SOPInstanceUID): ds for _ in range(3) for ds in make.ct_study(series=2, instances=6)}
    room.send(*sent.values())
    spec = {"database": backend.database_url, "blobs": backend.blobs, "series": open_series(room), "boundary": "", "at": 0}
    processes = [CHILDREN.Process(target=sealing_child.main, args=(spec,), daemon=True) for _ in range(8 if LONG else 3)]
    for one in processes:
        one.start()
    for one in processes:
        one.join(60)
    assert {one.exitcode for one in processes} == {0}
    assert open_series(room) == []
    check(room, sent)
    with room.database.read() as tx:
        sealed = [row.sop_instance_uid for one in rows_sealed.page(tx, 0, 1000) for row in one.rows]
    record("processes seal the same series at once", backend.name, tries=len(processes), sent=len(sent), acknowledged=len(sent),
           found=len(set(sealed)), doubled=len(sealed) - len(set(sealed)))  # fmt: skip
    assert len(sealed) == len(sent)
    room.close()
