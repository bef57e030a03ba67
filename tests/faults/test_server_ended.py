"""The end of the server: SIGTERM finishes what is in flight and refuses the rest; SIGKILL leaves nothing in the way of the next start."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from archipel.dicom import pdu
from archipel.kit.errors import Unavailable
from tests import make
from tests.faults.watch import AET, CT, EXPLICIT, RELATED, Served, dataset, part10, related
from tests.platform import ARCHIPEL, Platform
from tests.servers import free_port, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(180)]


@pytest.fixture
def running(platform: Platform) -> Served:
    """A server of this test's own."""
    platform.start()
    return Served(platform)


def alive(pids: list[int]) -> list[int]:
    """Those processes that still run."""
    return [
        pid
        for pid in pids
        if Path(f"/proc/{pid}/stat").exists() and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    ]


def with_children(served: Served) -> list[int]:
    """The server's children once it has made pictures."""
    (ds,) = make.ct_study(instances=1, size=64)
    with served.client() as client:
        assert (
            client.post(
                "/dicom-web/studies", content=related([part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID)]), headers=RELATED
            ).status_code
            == 200
        )
        url = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/rendered"
        assert client.get(url, headers={"Accept": "image/png"}).status_code == 200
    children = served.children()
    assert children, "pixels are decoded in child processes"
    return children


class Slow(threading.Thread):
    """Work that lasts: a C-STORE or a STOW whose bytes come in pieces until they are let go."""

    def __init__(self, served: Served, door: str) -> None:
        super().__init__(daemon=True)
        self._served, self._door = served, door
        self.begun, self.go_on = threading.Event(), threading.Event()
        (ds,) = make.ct_study(instances=1)
        self.uid, self._data = str(ds.SOPInstanceUID), dataset(ds)
        self.result: object = None

    def _pieces(self, data: bytes) -> Iterator[bytes]:
        yield data[: len(data) // 2]
        self.begun.set()
        self.go_on.wait(20)
        yield data[len(data) // 2 :]

    def run(self) -> None:
        try:
            if self._door == "dimse":
                with self._served.association() as association:
                    self.result = association.store(CT, self.uid, EXPLICIT, self._pieces(self._data)).status
                return
            file = part10(self._data, sop_instance_uid=self.uid)
            with self._served.client() as client:
                if self._door == "stow":
                    answer = client.post("/dicom-web/studies", content=self._pieces(related([file])), headers=RELATED)
                else:
                    form = b'--part\r\nContent-Disposition: form-data; name="file"; filename="x"\r\n\r\n' + file + b"\r\n--part--\r\n"
                    answer = client.post(
                        "/api/v1/uploads", content=self._pieces(form), headers={"Content-Type": "multipart/form-data; boundary=part"}
                    )
                self.result = answer.status_code
        except BaseException as error:
            self.result = error


def test_sigterm_finishes_what_is_in_flight_and_refuses_the_rest(running: Served) -> None:
    children = with_children(running)
    work = [Slow(running, door) for door in ("dimse", "stow", "upload")]
    for one in work:
        one.start()
        assert one.begun.wait(20)
    idle = running.association()
    idle.open()
    assert running.platform.process is not None and running.platform.process.popen is not None
    os.kill(running.pid, signal.SIGTERM)
    wait_until(lambda: any(event["event"] == "serve.draining" for event in running.logged()), seconds=10)
    # New work: 503 with Retry-After, an association rejected as temporary congestion (PS3.8 9.3.4), A700 on an open one.
    with httpx.Client(base_url=running.platform.url, headers=running.headers, timeout=20) as client:
        for path in ("/dicom-web/studies", "/api/v1/exams"):
            refused = client.get(path)
            assert refused.status_code == 503 and refused.headers["retry-after"] and refused.json()["error"]["public"]
        assert client.get("/healthz").status_code == 503
    with pytest.raises(Unavailable) as rejected:
        running.association().open()
    assert rejected.value.code == "rejected" and "congest" in rejected.value.public.lower(), rejected.value.public
    (ds,) = make.ct_study(instances=1)
    answer = idle.store(CT, ds.SOPInstanceUID, EXPLICIT, [dataset(ds)])
    assert answer.status == 0xA700 and "stopping" in answer.comment
    idle.release()
    for one in work:
        one.go_on.set()
    for one in work:
        one.join(30)
    assert [one.result for one in work] == [0, 200, 200]
    assert running.platform.process.popen.wait(30) == 0
    assert not alive(children)
    running.platform.start()
    with running.client() as client:
        for one in work:
            assert len(client.get("/dicom-web/instances", params={"SOPInstanceUID": one.uid}).json()) == 1
        assert client.get("/dicom-web/instances", params={"SOPInstanceUID": str(ds.SOPInstanceUID)}).json() == []
    assert running.platform.stop() == 0


def test_sigterm_does_not_wait_for_ever_for_peers_that_do_nothing(running: Served) -> None:
    quiet = socket.create_connection(("127.0.0.1", running.platform.dicom_port))
    contexts = (pdu.ProposedContext(1, CT, (EXPLICIT,)),)
    quiet.sendall(pdu.encode(pdu.AssociateRequest("ARCHIPEL", AET, contexts, pdu.UserInformation(16384, "1.2.3"))))
    http = socket.create_connection(("127.0.0.1", running.platform.http_port))
    http.sendall(
        f"POST /api/v1/uploads HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\nContent-Type: multipart/form-data; boundary=p\r\nContent-Length: 999\r\n\r\n--p".encode()
    )
    live = socket.create_connection(("127.0.0.1", running.platform.http_port))
    live.sendall(f"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {running.token}\r\n\r\n".encode())
    assert live.recv(100).startswith(b"HTTP/1.1 200")
    time.sleep(0.5)
    begun = time.monotonic()
    assert running.platform.stop(seconds=60) == 0
    assert time.monotonic() - begun < 45
    for one in (quiet, http, live):
        one.close()


def test_a_start_right_after_sigkill_on_the_same_ports(running: Served) -> None:
    children = with_children(running)
    for _ in range(3):
        work = [Slow(running, door) for door in ("dimse", "stow", "upload")]
        for one in work:
            one.start()
            assert one.begun.wait(20)
        running.platform.kill()
        begun = time.monotonic()
        running.platform.start()
        assert time.monotonic() - begun < 30
        for one in work:
            one.go_on.set()
            one.join(30)
            assert one.result not in (0, 200)
        assert not running.spooled(), "what a killed process had begun is swept"
    wait_until(lambda: not alive(children), seconds=10)
    with running.client() as client:
        assert client.get("/api/v1/system", headers={}).status_code in (200, 403)


def test_children_do_not_outlive_a_server_whose_own_process_alone_is_killed(running: Served) -> None:
    children = with_children(running)
    os.kill(running.pid, signal.SIGKILL)
    wait_until(lambda: not alive(children), seconds=15)


def test_two_servers_on_one_data_folder(running: Served, tmp_path: Path) -> None:
    """Ports are said to be taken; on other ports a second server shares the folder, and both go on."""
    same = subprocess.run(
        [str(ARCHIPEL), "serve", "--data", str(running.platform.data), "--http-port", str(running.platform.http_port), "--dicom-port", str(free_port())],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert same.returncode == 1 and "cannot listen" in same.stderr and "Traceback" not in same.stderr, same.stderr[-500:]
    same = subprocess.run(
        [str(ARCHIPEL), "serve", "--data", str(running.platform.data), "--http-port", str(free_port()), "--dicom-port", str(running.platform.dicom_port)],
        capture_output=True, text=True, timeout=60,
    )  # fmt: skip
    assert same.returncode == 1 and "cannot listen" in same.stderr and "Traceback" not in same.stderr, same.stderr[-500:]
    second = Platform(tmp_path / "second")
    second.data.parent.mkdir(exist_ok=True)
    second.data = running.platform.data
    second.start()
    try:
        sent = []
        for port in (running.platform.http_port, second.http_port, running.platform.http_port, second.http_port):
            (ds,) = make.ct_study(instances=1)
            body = related([part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID)])
            assert (
                httpx.post(
                    f"http://127.0.0.1:{port}/dicom-web/studies", content=body, headers=RELATED | running.headers, timeout=60
                ).status_code
                == 200
            )
            sent.append(str(ds.SOPInstanceUID))
        for uid in sent:
            for url in (running.platform.url, second.url):
                assert len(httpx.get(f"{url}/dicom-web/instances", params={"SOPInstanceUID": uid}, headers=running.headers).json()) == 1
        assert second.stop() == 0
        with running.client() as client:
            assert client.get("/healthz").status_code == 200
    finally:
        second.stop(signal.SIGKILL)
    assert "Traceback" not in running.platform.log + second.log
