"""A running server under hostile input: what it must still be afterwards, and a neighbour that goes on meanwhile."""

from __future__ import annotations

import json
import os
import re
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from archipel.dicom import scu
from tests import make
from tests.platform import Platform
from tests.servers import wait_until

AET = "HOSTILE"
NEIGHBOUR_AET = "NEIGHBOUR"
CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT, BIG, DEFLATED = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"
# Of the server after all hostile datasets together; what one large instance takes is bounded to 300 MB by the tests marked big.
RESIDENT_BYTES_MAX = 400 << 20
_SEGMENT = re.compile(r"/blobs/received/\d{8}/[0-9a-f]+$")
_OURS_TO_KEEP = re.compile(r"archipel\.db(-wal|-shm)?$|^pipe:|^anon_inode:|^/dev/|server\.log$|^socket:")


class Served:
    """A platform that runs, with an account and two devices, and what its process holds."""

    def __init__(self, platform: Platform, token: str = "") -> None:
        """Without a token an account and the devices are made; with one they are there."""
        self.platform = platform
        self.token = token or platform.token()
        if not token:
            platform.device(AET)
            platform.device(NEIGHBOUR_AET)
        self.headers = {"Authorization": f"Bearer {self.token}"}

    @property
    def pid(self) -> int:
        """The server's own process, behind the shell that ties it to the tests."""
        assert self.platform.process is not None and self.platform.process.popen is not None
        return self.platform.process.popen.pid

    def client(self, **options: Any) -> httpx.Client:
        """An HTTP client that is signed in."""
        return httpx.Client(base_url=self.platform.url, headers=self.headers, timeout=options.pop("timeout", 60), **options)

    def association(self, *offers: tuple[str, list[str]], ae_title: str = AET, **options: Any) -> scu.Association:
        """An association of our requestor, which sends any bytes as a dataset."""
        peer = scu.Peer("127.0.0.1", self.platform.dicom_port, self.platform.aet, ae_title)
        return scu.Association(peer, offers or ((CT, [EXPLICIT]),), limits=scu.Limits(response_s=options.pop("response_s", 60)))

    def status(self, name: str) -> int:
        """A figure of /proc/PID/status in bytes."""
        found = re.search(rf"{name}:\s+(\d+) kB", Path(f"/proc/{self.pid}/status").read_text())
        assert found
        return int(found[1]) * 1024

    @property
    def peak_bytes(self) -> int:
        """The most memory that the process has had (VmHWM)."""
        return self.status("VmHWM")

    def open_files(self) -> list[str]:
        """What the process holds open, but the database, its log, its pipes and one segment; sockets: see ``connections``."""
        others = [path for path in self._descriptors() if not _OURS_TO_KEEP.search(path)]
        segments = [path for path in others if _SEGMENT.search(path)]
        return [path for path in others if path not in segments[:1]]

    def connections(self) -> int:
        """Open sockets: two listeners, and whoever is connected."""
        return sum(path.startswith("socket:") for path in self._descriptors())

    def _descriptors(self) -> Iterator[str]:
        folder = Path(f"/proc/{self.pid}/fd")
        for name in os.listdir(folder):
            try:
                yield os.readlink(folder / name)
            except FileNotFoundError:
                continue

    def children(self) -> list[int]:
        """Process ids of the server's children."""
        lists = Path(f"/proc/{self.pid}/task").glob("*/children")  # each thread has its own
        return [int(pid) for one in lists for pid in one.read_text().split()]

    def spooled(self) -> list[Path]:
        """Files of arriving objects, and blobs that were begun."""
        spool = [
            path for path in (self.platform.data / "spool").rglob("*") if path.is_file() and path.name != "claim" and path.suffix != ".lock"
        ]
        return spool + list((self.platform.data / "blobs" / ".aside").glob("*"))

    def logged(self, start: int = 0) -> list[dict[str, Any]]:
        """The log from a position in bytes on, one event a line; what is no JSON is an event named ``raw``."""
        data = (
            (self.platform.data.parent / "server.log").read_bytes()[start:] if (self.platform.data.parent / "server.log").exists() else b""
        )
        events = []
        for line in data.decode(errors="replace").splitlines():
            try:
                events.append(json.loads(line))
            except ValueError:
                events.append({"event": "raw", "text": line})
        return events

    def log_size(self) -> int:
        """Where the log ends now."""
        return (self.platform.data.parent / "server.log").stat().st_size


class Neighbour(threading.Thread):
    """Another association and another client, which store and ask all the time and expect every answer to be good."""

    def __init__(self, served: Served) -> None:
        super().__init__(daemon=True)
        self._served, self._stop_asked = served, threading.Event()
        self.stored = self.asked = 0
        self.slowest_s = 0.0
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            with self._served.association(ae_title=NEIGHBOUR_AET) as association, self._served.client() as client:
                while True:
                    begun = time.monotonic()
                    (ds,) = make.ct_study(instances=1, PatientID="NEIGHBOUR")
                    answer = association.store(CT, ds.SOPInstanceUID, EXPLICIT, [encode(ds, False, True) or b""])
                    assert answer.status == 0, f"{answer.status:04X} {answer.comment}"
                    self.stored += 1
                    found = client.get("/dicom-web/instances", params={"SOPInstanceUID": str(ds.SOPInstanceUID)})
                    assert found.status_code == 200 and len(found.json()) == 1, (found.status_code, found.text[:200])
                    self.asked += 1
                    self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
                    if self._stop_asked.wait(0.05):
                        return
        except BaseException as error:
            self.failure = error

    def finish(self) -> None:
        """Stop it; it must have worked, and without ever waiting long."""
        self._stop_asked.set()
        self.join(60)
        assert not self.is_alive(), "the neighbour hangs"
        assert self.failure is None, repr(self.failure)
        assert self.stored and self.asked
        assert self.slowest_s < 20, f"the neighbour waited {self.slowest_s:.1f} s"


@contextmanager
def unharmed(served: Served, *, peak_bytes: int = RESIDENT_BYTES_MAX) -> Iterator[int]:
    """Whatever is done inside: the same process goes on, nothing leaks, memory is bounded, a neighbour works all the time.

    Gives the position in the log at the beginning.
    """
    pid, before, start = served.pid, Counter(served.open_files()), served.log_size()
    connections = served.connections()
    neighbour = Neighbour(served)
    neighbour.start()
    try:
        yield start
    finally:
        neighbour.finish()
    assert served.platform.process is not None and served.platform.process.popen is not None
    assert served.platform.process.popen.poll() is None and served.pid == pid
    with served.client() as client:
        assert client.get("/healthz").status_code == 200
    wait_until(lambda: not served.spooled(), seconds=20)
    wait_until(lambda: served.connections() <= connections, seconds=20)
    wait_until(lambda: not Counter(served.open_files()) - before, seconds=20)
    failures = [event for event in served.logged(start) if is_failure(event)]
    assert not failures, failures[:3]
    assert served.peak_bytes < peak_bytes, f"{served.peak_bytes >> 20} MB resident"


def is_failure(event: dict[str, Any]) -> bool:
    """Whether an event of the log says that the platform itself was at fault."""
    crashed = "Traceback" in str(event) or event.get("level") in ("error", "critical")
    return crashed or event["event"] in ("raw", "dimse.failed", "dimse.request_failed", "receive.failed")


def dataset(ds: Dataset, syntax: str = EXPLICIT) -> bytes:
    """A dataset's bytes, written by pynetdicom."""
    return encode(ds, syntax == IMPLICIT, syntax != BIG) or b""


def related(parts: Iterable[bytes], boundary: str = "part") -> bytes:
    """A multipart/related body of DICOM files."""
    opening = f"--{boundary}\r\nContent-Type: application/dicom\r\n\r\n".encode()
    return b"".join(opening + part + b"\r\n" for part in parts) + f"--{boundary}--\r\n".encode()


RELATED = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=part', "Accept": "application/dicom+json"}


def part10(data: bytes, syntax: str = EXPLICIT, *, sop_class_uid: str = CT, sop_instance_uid: str = "1.2.3") -> bytes:
    """Any bytes as the dataset of a Part 10 file."""

    def element(number: int, vr: bytes, value: bytes) -> bytes:
        value += b"\0" * (len(value) % 2)
        return b"\x02\0" + number.to_bytes(2, "little") + vr + len(value).to_bytes(2, "little") + value

    body = element(2, b"UI", sop_class_uid.encode()) + element(3, b"UI", sop_instance_uid.encode()) + element(0x10, b"UI", syntax.encode())
    return bytes(128) + b"DICM" + element(0, b"UL", len(body).to_bytes(4, "little")) + body + data
