"""Behind a balancer: who calls is what it announces, when it is one that we trust, and nobody else's word counts."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from pynetdicom.dsutils import encode

from archipel.dicom import pdu, scu
from archipel.dimse.announced import LINE_BYTES_MAX, announced
from tests import make
from tests.dimse.peers import CT, EXPLICIT, VERIFICATION
from tests.dimse.region import Region

ELSEWHERE = "192.0.2.7"
LINE = f"PROXY TCP4 {ELSEWHERE} 127.0.0.1 51000 11112\r\n".encode()
REQUEST = pdu.encode(
    pdu.AssociateRequest("ARCHIPEL", "ELSEWHERE", (pdu.ProposedContext(1, VERIFICATION, (EXPLICIT,)),), pdu.UserInformation(16384, "1.2.3"))
)
ACCEPTED, REJECTED = 2, 3


@pytest.fixture
def behind(tmp_path: Path) -> Iterator[Region]:
    region = Region(tmp_path, trusted_proxies=("127.0.0.1",))
    region.device("ELSEWHERE", host=ELSEWHERE)
    yield region
    region.close()


def answer(region: Region, *pieces: bytes, pause_s: float = 0.05) -> int:
    """Type of the first PDU that comes back, 0 when the connection is closed instead."""
    with socket.create_connection(("127.0.0.1", region.port), timeout=10) as peer:
        try:
            for piece in pieces:
                peer.sendall(piece)
                time.sleep(pause_s)
            data = peer.recv(4096)
        except ConnectionError:
            return 0
        return data[0] if data else 0


def test_the_announced_address_is_the_device(behind: Region) -> None:
    assert answer(behind, LINE + REQUEST) == ACCEPTED
    assert answer(behind, LINE, REQUEST) == ACCEPTED
    assert answer(behind, *(LINE[i : i + 7] for i in range(0, len(LINE), 7)), REQUEST[:50], REQUEST[50:], pause_s=0.01) == ACCEPTED
    assert answer(behind, LINE.replace(ELSEWHERE.encode(), b"192.0.2.8") + REQUEST) == REJECTED, "another machine under this title"


@pytest.mark.parametrize(
    "line",
    [
        b"", b"PROXY UNKNOWN\r\n", b"PROXY TCP4 nowhere 127.0.0.1 1 2\r\n", b"PROXY TCP6 192.0.2.7 127.0.0.1 1 2\r\n",
        b"PROXY TCP4 192.0.2.7 127.0.0.1 1 99999\r\n", b"PROXY TCP4 192.0.2.7\r\n", b"PROXY " + b"x" * 200, b"GET / HTTP/1.1\r\n",
    ],
)  # fmt: skip
def test_who_is_not_announced_is_not_served(behind: Region, line: bytes) -> None:
    assert answer(behind, line + REQUEST) == 0
    assert answer(behind, LINE + REQUEST) == ACCEPTED, "and others are"


def test_a_silent_connection_is_closed(behind: Region) -> None:
    begun = time.monotonic()
    assert answer(behind, b"PROXY TCP4 ") == 0
    assert time.monotonic() - begun < 5


def test_nobody_else_is_believed(tmp_path: Path) -> None:
    region = Region(tmp_path, trusted_proxies=("203.0.113.1",))
    region.device("ELSEWHERE", host=ELSEWHERE)
    region.device("HERE")
    try:
        assert answer(region, LINE + REQUEST) != ACCEPTED
        assert answer(region, REQUEST) == REJECTED, "it calls from 127.0.0.1"
        with scu.Association(scu.Peer("127.0.0.1", region.port, "ARCHIPEL", "HERE"), ((VERIFICATION, [EXPLICIT]),)) as association:
            assert association.echo().status == 0
    finally:
        region.close()


def test_an_instance_arrives_whole_through_a_balancer(behind: Region) -> None:
    (ds,) = make.ct_study(instances=1, size=512)
    data = encode(ds, False, True) or b""
    listening = socket.create_server(("127.0.0.1", 0))

    def balance() -> None:
        peer, _ = listening.accept()
        with peer, socket.create_connection(("127.0.0.1", behind.port)) as upstream:
            upstream.sendall(LINE)
            back = threading.Thread(target=pump, args=(upstream, peer), daemon=True)
            back.start()
            pump(peer, upstream)
            back.join(10)

    threading.Thread(target=balance, daemon=True).start()
    peer = scu.Peer("127.0.0.1", listening.getsockname()[1], "ARCHIPEL", "ELSEWHERE")
    with listening, scu.Association(peer, ((CT, [EXPLICIT]),)) as association:
        assert association.store(CT, str(ds.SOPInstanceUID), EXPLICIT, [data]).status == 0
    assert str(ds.SOPInstanceUID) in behind.stored()


def pump(from_: socket.socket, to: socket.socket) -> None:
    """Bytes one way, until the end."""
    try:
        while data := from_.recv(65536):
            to.sendall(data)
        to.shutdown(socket.SHUT_WR)
    except OSError:
        pass


def test_lines_are_read_as_the_protocol_says() -> None:
    assert announced(b"PROXY TCP4 192.0.2.7 192.0.2.1 65535 104") == "192.0.2.7"
    assert announced(b"PROXY TCP6 2001:db8::7 2001:db8::1 1 2") == "2001:db8::7"
    assert announced(b"PROXY UNKNOWN") is None
    longest = b"PROXY TCP6 " + b" ".join([b"ffff:" * 7 + b"ffff"] * 2) + b" 65535 65535\r\n"
    assert len(longest) <= LINE_BYTES_MAX and announced(longest[:-2]) is not None
