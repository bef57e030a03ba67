"""HTTP clients that do not go on: bodies half sent, answers not taken, connections without number; and slow ones, which are served."""

from __future__ import annotations

import resource
import signal
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import pytest

from archipel.cli.http_wire import Places
from tests import make
from tests.faults.watch import Served
from tests.platform import Platform
from tests.servers import wait_until

STALL_S = 2
PER_ADDRESS_MAX, CONNECTIONS_MAX = 20, 30
SIGN_IN = b'{"login": "nobody", "password": "nothing"}'
HEAD = b"POST /api/v1/session HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % len(SIGN_IN)


@pytest.fixture(scope="module")
def impatient(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The platform with little patience and few connections, an instance of 18 MB in it."""
    limits = {
        "ARCHIPEL_HTTP__STALL_S": str(STALL_S),
        "ARCHIPEL_HTTP__CONNECTION_COUNT_MAX": str(CONNECTIONS_MAX),
        "ARCHIPEL_HTTP__ADDRESS_CONNECTION_COUNT_MAX": str(PER_ADDRESS_MAX),
    }
    platform = Platform(tmp_path_factory.mktemp("impatient"), limits)
    with started_with_few_files(platform):
        yield Served(platform)


@contextmanager
def started_with_few_files(platform: Platform) -> Iterator[None]:
    """The platform from a shell that lets a program open 256 files until it asks for more."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, hard))
    try:
        platform.start()
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    try:
        yield
    finally:
        platform.stop(signal.SIGKILL)


def connected(served: Served, *, address: str = "127.0.0.1", receive_bytes: int = 0) -> socket.socket:
    wire = socket.socket()
    wire.settimeout(20)
    if receive_bytes:
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
    wire.bind((address, 0))
    wire.connect(("127.0.0.1", served.platform.http_port))
    return wire


def rest(wire: socket.socket) -> bytes:
    """What comes until the server closes."""
    found = b""
    while True:
        try:
            data = wire.recv(1 << 16)
        except ConnectionResetError:
            return found
        if not data:
            return found
        found += data


def asked_for_a_large_one(served: Served, *, receive_bytes: int) -> socket.socket:
    """A connection that has asked for 18 MB and taken nothing of it."""
    (ds,) = make.ct_study(series=1, instances=1, size=3000)
    kind = 'multipart/related; type="application/dicom"; boundary=B'
    body = b"--B\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(ds) + b"\r\n--B--\r\n"
    with served.client() as client:
        client.post("/dicom-web/studies", content=body, headers={"Content-Type": kind}).raise_for_status()
    wire = connected(served, receive_bytes=receive_bytes)
    request = (
        f"GET /dicom-web/studies/{ds.StudyInstanceUID} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {served.token}\r\n"
        'Accept: multipart/related; type="application/dicom"\r\nConnection: close\r\n\r\n'
    )
    wire.sendall(request.encode())
    return wire


def test_a_body_that_stops_coming_is_answered_and_the_connection_closed(impatient: Served) -> None:
    start, begun = impatient.log_size(), time.monotonic()
    wires = [connected(impatient) for _ in range(10)]
    for wire in wires:
        wire.sendall(HEAD + SIGN_IN[:5])
    for wire in wires:
        assert rest(wire).startswith(b"HTTP/1.1 408 ")
        wire.close()
    assert STALL_S <= time.monotonic() - begun < 3 * STALL_S
    stalled = [event for event in impatient.logged(start) if event["event"] == "http.body_stalled"]
    assert [(event["address"], event["seconds"]) for event in stalled] == [("127.0.0.1", STALL_S)] * 10


def test_a_body_that_comes_byte_by_byte_is_read_to_its_end(impatient: Served) -> None:
    begun = time.monotonic()
    with connected(impatient) as wire:
        wire.sendall(HEAD)
        for byte in SIGN_IN:
            wire.sendall(bytes([byte]))
            time.sleep(0.15)
        assert wire.recv(100).startswith(b"HTTP/1.1 401 ")
    assert time.monotonic() - begun > 3 * STALL_S


def test_a_client_that_takes_nothing_of_its_answer_is_let_go(impatient: Served) -> None:
    start, before = impatient.log_size(), impatient.connections()
    with asked_for_a_large_one(impatient, receive_bytes=4096):
        wait_until(lambda: any(event["event"] == "http.answer_not_taken" for event in impatient.logged(start)), seconds=5 * STALL_S)
        wait_until(lambda: impatient.connections() <= before, seconds=5)


def test_a_client_that_takes_its_answer_slowly_gets_all_of_it(impatient: Served) -> None:
    with asked_for_a_large_one(impatient, receive_bytes=4096) as wire:
        found, until = b"", time.monotonic() + 5 * STALL_S
        while time.monotonic() < until:
            found += wire.recv(2048)
            time.sleep(0.1)
        found += rest(wire)
    head, _, body = found.partition(b"\r\n\r\n")
    assert len(body) > 18_000_000 and f"content-length: {len(body)}".encode() in head.lower()


def test_one_address_takes_not_every_connection(impatient: Served) -> None:
    with ExitStack() as stack:
        for _ in range(PER_ADDRESS_MAX):
            stack.enter_context(connected(impatient)).sendall(HEAD + SIGN_IN[:5])
        wait_until(lambda: impatient.connections() >= PER_ADDRESS_MAX, seconds=5)
        with connected(impatient) as refused:
            assert rest(refused).startswith(b"HTTP/1.1 503 ")
        with connected(impatient, address="127.0.0.2") as other:
            other.sendall(HEAD + SIGN_IN)
            assert other.recv(100).startswith(b"HTTP/1.1 401 ")
        for _ in range(CONNECTIONS_MAX - PER_ADDRESS_MAX):
            stack.enter_context(connected(impatient, address="127.0.0.3"))
        with connected(impatient, address="127.0.0.4") as refused:
            assert rest(refused).startswith(b"HTTP/1.1 503 ")

    def served_again() -> bool:
        """a new connection is served"""
        try:
            return httpx.get(impatient.platform.url + "/healthz").status_code == 200
        except httpx.TransportError:
            return False

    wait_until(served_again, seconds=5)
    assert any(event["event"] == "http.too_many_connections" for event in impatient.logged())


def test_a_trusted_proxy_speaks_for_many(impatient: Served) -> None:
    places = Places(6, 2, ("10.0.0.0/24", "nonsense"))
    assert [places.take("10.0.0.7", 0) for _ in range(3)] == [True] * 3
    assert [places.take("10.0.1.7", 0) for _ in range(3)] == [True, True, False]
    assert places.take("10.0.0.8", 0) and not places.take("10.0.0.8", 0)  # in all there are no more than six
    places.leave("10.0.1.7")
    assert places.take("10.0.1.7", 0) and not places.take("10.0.1.7", 0)
    everybody = Places(6, 1, ("*",))
    assert everybody.take("", 0) and everybody.take("", 0)


def test_the_server_may_open_as_many_files_as_the_machine_lets_it(impatient: Served) -> None:
    (line,) = [one for one in Path(f"/proc/{impatient.pid}/limits").read_text().splitlines() if one.startswith("Max open files")]
    soft, hard = line.split()[3:5]
    assert soft == hard != "256"


def test_the_end_waits_for_nobody_who_does_not_go_on(impatient: Served) -> None:
    """The last of this file: the server is started again behind it."""
    with connected(impatient) as sending, asked_for_a_large_one(impatient, receive_bytes=4096):
        sending.sendall(HEAD + SIGN_IN[:5])
        time.sleep(0.3)
        begun = time.monotonic()
        assert impatient.platform.stop(signal.SIGTERM, 40) == 0
        assert time.monotonic() - begun < 10
    impatient.platform.start()
