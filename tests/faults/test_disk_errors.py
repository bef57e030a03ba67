"""A disk that fails under the running server: writes, syncs and reads that give EIO, and a file system that the kernel made read-only.

The system calls of the running process are made to fail by strace, which goes again: the disk is back, and nothing was restarted.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import func, select

from archipel.archive.rows import quiet
from archipel.kit import jobs
from archipel.kit.database import Database
from tests.faults.sending import Senders, Sent, check, prepared
from tests.faults.watch import Served
from tests.platform import Platform
from tests.servers import missing, wait_until

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
ROUNDS = 5 if LONG else 1
FAILS_S = 3.0 if LONG else 1.5
MORE = 30 if LONG else 10
GOES_ON_S = 30
# System calls that fail, on which file (all when none is named), and whether nothing at all can be acknowledged meanwhile.
FAULTS = (
    ("fdatasync", "", True),  # what arrived and the log of the database
    ("fdatasync", "wal", True),
    ("fdatasync", "segment", False),  # another segment goes on
    ("writev", "", True),  # what arrives
    ("pwrite64", "", True),  # the database
    ("fsync", "", False),  # folders, sealed series
)
ANSWERS = {"dicom 0000", "dicom A700", "stow 200", "stow 202", "stow 503", "stow 507"}
# An answer may be written by the same system call as a segment.
CUT_OFF = {"dicom Unavailable", "stow ReadError", "stow RemoteProtocolError"}

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800 if LONG else 240)]


@contextmanager
def failing(pids: Sequence[int], call: str, error: str = "EIO", paths: Sequence[Path] = (), must: bool = True) -> Iterator[None]:
    """Let a system call of running processes fail, on some files or on all; where it ``must`` it has really failed by the end."""
    strace = shutil.which("strace") or missing("strace")
    argv = [strace, "-f", *(word for pid in pids for word in ("-p", str(pid))), *(word for path in paths for word in ("-P", str(path)))]
    argv += ["-e", f"trace={call}", "-e", f"inject={call}:error={error}"]
    tracer = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    assert b"attached" in said, said
    try:
        yield
    finally:
        tracer.send_signal(signal.SIGINT)
        _, rest = tracer.communicate(timeout=30)
    assert b"INJECTED" in rest or not must, f"{call} was never called"


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.faults_long)])
def served(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Served]:
    """A running platform whose bytes are files; its database is a file beside them or another server."""
    environment = {"ARCHIPEL_ARCHIVE__QUIET_S": "1"}
    if request.param == "postgresql":
        environment["ARCHIPEL_DATABASE__URL"] = request.getfixturevalue("postgres_url")
    platform = Platform(tmp_path, environment)
    token = prepared(platform)
    platform.start()
    yield Served(platform, token)
    platform.stop(signal.SIGKILL)


def paths_of(served: Served, which: str) -> list[Path]:
    """The files that a fault is about."""
    if which == "wal":
        return [served.platform.data / "archipel.db-wal"]
    return list((served.platform.data / "blobs" / "received").glob("*/*")) if which == "segment" else []


def test_what_fails_to_be_written_or_synced_is_never_acknowledged(served: Served) -> None:
    platform, url = served.platform, served.platform.environment.get("ARCHIPEL_DATABASE__URL", "")
    database = Database(url or f"sqlite:///{platform.data / 'archipel.db'}")
    senders = Senders(platform.dicom_port, platform.url, served.token).start()
    sent, pid, tries = senders.sent, served.pid, 0
    for call, which, is_everything in FAULTS * ROUNDS:
        if url and (which == "wal" or call == "pwrite64"):
            continue  # another process writes the database
        senders.more(MORE, GOES_ON_S)
        with failing([pid], call, paths=paths_of(served, which), must=call != "fsync"):
            time.sleep(0.3)  # what was synced before is being answered
            before = len(sent.acknowledged)
            time.sleep(FAILS_S)
            if is_everything:
                assert len(sent.acknowledged) == before, f"acknowledged although every {call} failed"
        tries += 1
    senders.more(MORE, GOES_ON_S)
    senders.stop()

    def idle() -> bool:
        """every study has settled and been sealed"""
        with database.write() as tx:
            for job in jobs.recent(tx, 1000):  # those that failed meanwhile would try again in half a minute
                jobs.hasten(tx, job["id"])
            counts, unsettled = jobs.counts(tx), tx.execute(select(func.count()).select_from(quiet)).scalar_one()
        # A job whose end could not be written runs again when its lease is over: the long form waits for that.
        return not unsettled and not counts["waiting"] and not (LONG and counts["running"])

    wait_until(idle, seconds=90 + (jobs.LEASE_S if LONG else 0), every_s=0.5)
    reads_that_fail(served, sent)
    check(platform, served.token, sent, fault="EIO from writes, syncs and reads", back_end=f"{database.dialect}, files", tries=tries + 1)
    assert sent.answers.keys() <= ANSWERS | CUT_OFF, sent.answers
    assert {"dicom A700", "stow 503"} <= sent.answers.keys(), "the senders were told"
    assert sent.slowest_s < 30
    assert served.pid == pid and "Traceback" not in platform.log
    database.close()
    assert platform.stop() == 0
    assert " 0 damaged" in platform.command("verify").stdout


def reads_that_fail(served: Served, sent: Sent) -> None:
    """A reader is told, nobody else is concerned, and it is over when the disk is back."""
    blobs = [path for path in (served.platform.data / "blobs").rglob("*") if path.is_file()]
    with served.client() as client:
        url = f"/dicom-web/studies/{sent.studies[next(iter(sent.acknowledged))]}"
        row = client.get(f"{url}/instances").json()[0]
        one = f"{url}/series/{row['0020000E']['Value'][0]}/instances/{row['00080018']['Value'][0]}"
        with failing([served.pid], "read,pread64,sendfile", paths=blobs):
            for path in (one, f"{one}/frames/1"):
                answer = client.get(path, headers={"Accept": "*/*"})
                assert answer.status_code >= 500, (path, answer.status_code)
            assert client.get("/healthz").status_code == 200


@pytest.fixture
def small_file_system(tmp_path: Path) -> Iterator[Path]:
    """A data folder on an ext4 of its own."""
    folder, image = tmp_path / "data", tmp_path / "disk.img"
    folder.mkdir()
    with image.open("wb") as file:
        file.truncate(200 << 20)
    tool = shutil.which("mkfs.ext4", path="/usr/sbin:/sbin:/usr/bin")
    if os.geteuid() or tool is None or subprocess.run([tool, "-q", str(image)], capture_output=True).returncode:
        pytest.skip("a file system of its own needs root and mkfs.ext4")
    if subprocess.run(["mount", "-o", "loop", str(image), str(folder)], capture_output=True).returncode:
        pytest.skip("mounting is not permitted here")
    yield folder
    subprocess.run(["umount", "--lazy", str(folder)], check=False)


def test_a_file_system_that_the_kernel_made_read_only(small_file_system: Path) -> None:
    """As after an error of the disk: the journal is given up, nothing more is written, what is there is read."""
    platform = Platform(small_file_system.parent, {"ARCHIPEL_ARCHIVE__QUIET_S": "2", "ARCHIPEL_ARCHIVE__FREE_BYTES_MIN": "0"})
    token = prepared(platform)
    platform.start()
    try:
        senders = Senders(platform.dicom_port, platform.url, token, lanes=1).start()
        senders.more(MORE, GOES_ON_S)
        subprocess.run(["mount", "-o", "remount,abort", str(small_file_system)], capture_output=True, check=False)
        time.sleep(0.5)
        before = len(senders.sent.acknowledged)
        time.sleep(2)
        assert len(senders.sent.acknowledged) == before, "acknowledged on a disk that takes nothing"
        sent = senders.stop()
        assert {"dicom A700", "stow 503"} & sent.answers.keys(), sent.answers
        assert "Traceback" not in platform.log
        platform.stop(signal.SIGKILL)
        subprocess.run(["umount", str(small_file_system)], check=True)
        checked = shutil.which("e2fsck", path="/usr/sbin:/sbin") or missing("e2fsprogs")
        image = small_file_system.parent / "disk.img"
        assert subprocess.run([checked, "-fy", str(image)], capture_output=True).returncode in (0, 1)
        subprocess.run(["mount", "-o", "loop", str(image), str(small_file_system)], check=True)
        platform.start()
        check(platform, token, sent, fault="file system made read-only by the kernel", back_end="sqlite-files", tries=1)
        assert platform.stop() == 0
        assert " 0 damaged" in platform.command("verify").stdout
    finally:
        platform.stop(signal.SIGKILL)
