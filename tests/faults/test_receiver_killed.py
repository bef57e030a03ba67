"""``kill -9`` of a process that receives: at every boundary and at random instants, on both back ends.

After each kill: what was acknowledged is there and verifies; what was not is absent or complete; sending all again ends well.
"""

from __future__ import annotations

import hashlib
import json
import multiprocessing
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections import Counter
from dataclasses import dataclass, field
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import pytest

from archipel import archive, directory
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import Room, dataset_of
from tests.faults import receiving_child
from tests.faults.counts import record
from tests.faults.receiving_child import BOUNDARIES
from tests.servers import REPOSITORY, Backend, wait_until

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
EACH = 6 if LONG else 1  # kills at each boundary
RANDOM = 40 if LONG else 4  # kills at random instants
# One process imports the platform once; every child is a fork of it, killed for itself.
CHILDREN = multiprocessing.get_context("forkserver")
CHILDREN.set_forkserver_preload(["tests.faults.receiving_child"])
EVERYTHING = Scope.system("tests")

pytestmark = [pytest.mark.faults, pytest.mark.timeout(3600 if LONG else 240)]


@dataclass
class Region:
    """One archive that lives through all the kills of a test."""

    room: Room
    backend: Backend
    folder: Path
    sent: dict[str, bytes] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    kills: Counter[str] = field(default_factory=Counter)

    def objects(self) -> list[str]:
        """New objects for one child: two studies, an object that goes by a file among them."""
        made = [*make.ct_study(series=2, instances=6), *make.mr_study(instances=4), *make.ct_study(instances=2, size=200)]
        paths = make.files(made, self.folder)
        for ds in made:
            self.sent[str(ds.SOPInstanceUID)] = dataset_of(ds)
        return [str(path) for path in paths]

    def spec(self, boundary: str, at: int) -> dict[str, Any]:
        """What a child needs to know."""
        return {
            "database": self.backend.database_url, "blobs": self.backend.blobs, "folder": str(self.folder), "objects": [path for _ in range(1 if boundary else 3) for path in self.objects()],
            "answers": str(self.folder / f"answers{len(self.sent)}"), "boundary": boundary, "at": at,
        }  # fmt: skip

    def child(self, boundary: str, at: int) -> tuple[BaseProcess, Path]:
        """Start a child that receives new objects; it writes to a file of answers."""
        spec = self.spec(boundary, at)
        child = CHILDREN.Process(target=receiving_child.main, args=(spec,), daemon=True)
        child.start()
        return child, Path(spec["answers"])

    def take(self, child: BaseProcess, answers: Path, *, killed_by: str) -> bool:
        """What the child said before its end; whether it was killed."""
        child.join(120)
        lines = [line.split() for line in answers.read_text().splitlines()] if answers.exists() else []
        self.acknowledged |= {words[1] for words in lines if words[0] == "ack" and len(words) == 2}
        assert not [words for words in lines if words[0] == "refused"]
        killed = child.exitcode == -signal.SIGKILL
        assert killed or (child.exitcode == 0 and ["end"] in lines)  # the last answers may follow it
        self.kills[killed_by] += killed
        return killed

    def check(self) -> tuple[int, int]:
        """Nothing acknowledged is lost, nothing is half there: (acknowledged, stored without acknowledgement)."""
        with self.room.database.read() as tx:
            stored = {ref.sop_instance_uid: ref for ref in archive.locate(tx, EVERYTHING, sop_instance_uid=list(self.sent))}
        assert self.acknowledged <= set(stored)
        for uid, ref in stored.items():
            assert ref.digest == hashlib.sha256(self.sent[uid]).hexdigest()
        assert self.room.damage() == []  # every stored byte is what its digest says
        self.room.check_counts()
        return len(self.acknowledged), len(set(stored) - self.acknowledged)


@pytest.fixture
def region(backend: Backend, tmp_path: Path) -> Region:
    room = Room(backend, tmp_path)
    room.database.transact(directory.ensure_default_site)
    (tmp_path / "objects").mkdir()
    return Region(room, backend, tmp_path / "objects")


def test_a_kill_at_any_boundary_or_instant_loses_nothing_acknowledged(region: Region) -> None:
    randomly = random.Random(7)
    for boundary in BOUNDARIES:
        for _ in range(EACH):
            child = region.child(boundary, randomly.randint(1, 3))
            assert region.take(*child, killed_by=boundary), f"{boundary} was not passed"
    for _ in range(RANDOM):
        child, answers = region.child("", 0)
        wait_until(answers.exists, 60, every_s=0.002)
        time.sleep(randomly.uniform(0, 0.3))
        child.kill()
        region.take(child, answers, killed_by="random instant")
    acknowledged, more = region.check()
    orphans = archive.orphans(region.room.database, region.room.blobs)
    sys.stdout.write(f"\n{region.backend.name}: kills {dict(region.kills)}; {len(region.sent)} sent, {acknowledged} acknowledged and intact, "
          f"{more} stored without an answer, {len(orphans)} blobs left over")  # fmt: skip
    record("kill -9 while receiving, at every step", region.backend.name, tries=sum(region.kills.values()), sent=len(region.sent),
           acknowledged=acknowledged, found=acknowledged + more)  # fmt: skip
    assert all(region.kills[boundary] == EACH for boundary in BOUNDARIES)
    assert region.kills["random instant"] > 0
    again = [path.read_bytes() for path in sorted(region.folder.glob("*.dcm"))]
    outcomes = [o for start in range(0, len(again), 100) for o in region.room.send(*again[start : start + 100], site_id="default")]
    assert {o.fate.value for o in outcomes} <= {"stored", "already_stored"}
    region.acknowledged = set(region.sent)
    assert region.check() == (len(region.sent), 0)
    region.room.follow()
    assert region.room.conflicts() == []
    region.room.close()


def test_what_a_commit_that_nobody_heard_of_left_is_complete(region: Region) -> None:
    child = region.child("after commit", 1)
    assert region.take(*child, killed_by="after commit")
    acknowledged, more = region.check()
    assert acknowledged == 0
    assert more > 0
    stored = [p for n, p in region.room.changes("InstanceStored")]
    assert sum(p["instance_count"] for p in stored) == more
    region.room.close()


def test_the_sync_comes_before_the_acknowledgement(tmp_path: Path) -> None:
    """strace shows, for each acknowledgement, the blob's and the database's syncs after its bytes were written and before it."""
    import shutil

    if not shutil.which("strace"):
        from tests.servers import missing

        missing("strace")
    backend = Backend("sqlite-files", f"sqlite:///{tmp_path / 'archipel.db'}", f"file://{tmp_path / 'blobs'}")
    room = Room(backend, tmp_path)
    room.database.transact(directory.ensure_default_site)
    (tmp_path / "objects").mkdir()
    region = Region(room, backend, tmp_path / "objects")
    spec = region.spec("", 0)
    del spec["objects"][1:]
    trace = tmp_path / "trace"
    argv = ["strace", "-f", "-y", "-s", "64", "-e", "trace=write,writev,pwrite64,fsync,fdatasync,link,linkat", "-o", str(trace)]
    argv += [sys.executable, "-m", "tests.faults.receiving_child", json.dumps(spec)]
    subprocess.run(argv, check=True, cwd=REPOSITORY, capture_output=True, timeout=120)
    lines = trace.read_text(errors="replace").splitlines()
    ack = next(n for n, line in enumerate(lines) if '"ack ' in line)
    ready = next(n for n, line in enumerate(lines) if '"ready' in line)
    before = lines[ready:ack]
    folder = next(n for n, line in enumerate(before) if "fsync(" in line and re.search(r"/blobs/received/\d{8}>", line))
    written = max(n for n, line in enumerate(before) if "writev(" in line and "/blobs/received/" in line)
    synced = next(n for n, line in enumerate(before) if "fdatasync(" in line and "/blobs/received/" in line)
    wal = [n for n, line in enumerate(before) if "pwrite64(" in line and "archipel.db-wal" in line and n > synced]
    committed = [n for n, line in enumerate(before) if "sync(" in line and "archipel.db-wal" in line]
    assert folder < written < synced < wal[0]
    assert committed[-1] > wal[-1]
