"""Broken PDUs, bodies and requests at the running server, and peers that stall or vanish in the middle."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest

from archipel.dicom import message, pdu
from tests import make
from tests.faults.watch import AET, CT, EXPLICIT, RELATED, Served, dataset, part10, related, unharmed
from tests.servers import wait_until

pytestmark = pytest.mark.faults
ABORT = 7


def connected(served: Served, *, http: bool = False) -> socket.socket:
    """A bare connection."""
    port = served.platform.http_port if http else served.platform.dicom_port
    return socket.create_connection(("127.0.0.1", port), timeout=20)


def request() -> bytes:
    """An A-ASSOCIATE-RQ for CT storage."""
    contexts = (pdu.ProposedContext(1, CT, (EXPLICIT,)),)
    return pdu.encode(pdu.AssociateRequest("ARCHIPEL", AET, contexts, pdu.UserInformation(16384, "1.2.3")))


def associated(served: Served) -> socket.socket:
    """A bare connection with an accepted association."""
    wire = connected(served)
    wire.sendall(request())
    kind, length = struct.unpack(">BxL", exactly(wire, 6))
    assert kind == pdu.ASSOCIATE_AC
    exactly(wire, length)
    return wire


def exactly(wire: socket.socket, count: int) -> bytes:
    """That many bytes, fewer when the server closes."""
    data = b""
    while len(data) < count and (more := wire.recv(count - len(data))):
        data += more
    return data


def rest(wire: socket.socket) -> bytes:
    """Everything until the server closes."""
    data = b""
    try:
        while more := wire.recv(65536):
            data += more
    except ConnectionResetError:
        pass
    return data


def store_command(uid: str) -> bytes:
    """The command of a C-STORE."""
    command = message.Command(
        message.C_STORE_RQ, message_id=1, affected_class_uid=CT, affected_instance_uid=uid, priority=0, has_dataset=True
    )  # fmt: skip
    return message.command_pdus(1, command, 16378)


def fragment(data: bytes, *, last: bool = False) -> bytes:
    """A P-DATA-TF with one dataset fragment."""
    value = struct.pack(">LBB", len(data) + 2, 1, 2 if last else 0) + data
    return struct.pack(">BxL", 4, len(value)) + value


BROKEN_PDUS = {
    "a P-DATA that declares 4 GB": b"\x04\0\xff\xff\xff\xff",
    "a P-DATA that declares 2 MB": b"\x04\0\x00\x20\0\0",
    "an unknown type": b"\x99\0\0\0\0\x04abcd",
    "a second association request": request(),
    "an empty P-DATA": b"\x04\0\0\0\0\0",
    "a value longer than its PDU": b"\x04\0\0\0\0\x0a\x7f\xff\xff\xff\x01\x03abcd",
    "a value of no length": b"\x04\0\0\0\0\x06\0\0\0\0\x01\x03",
    "an unknown context": b"\x04\0\0\0\0\x0a\0\0\0\x06\x63\x03abcd",
    "a command that is none": b"\x04\0\0\0\0\x0e\0\0\0\x0a\x01\x03\xff\xff\xff\xff\xff\xff\xff\xff",
    "HTTP": b"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
}


@pytest.mark.parametrize("name", BROKEN_PDUS)
def test_a_broken_pdu_is_aborted_and_said(served: Served, name: str) -> None:
    with unharmed(served) as start:
        with associated(served) as wire:
            wire.sendall(BROKEN_PDUS[name])
            answer = rest(wire)
        assert answer[:1] == bytes([ABORT]) and len(answer) == 10, answer
        assert answer[8] == 2, "aborted by the provider"
        reasons = [event["reason"] for event in served.logged(start) if event["event"] == "dimse.aborted"]
        assert reasons and len(reasons[0]) > 10, reasons


@pytest.mark.parametrize(
    "sent",
    [
        b"\x01\0\xff\xff\xff\xff",
        b"\x01\0\0\0\0\x04abcd",
        b"\x04\0\0\0\0\x04abcd",
        b"GET /healthz HTTP/1.1\r\n\r\n",
        request()[:-9] + b"\xff" * 9,
    ],
)
def test_a_broken_association_request(served: Served, sent: bytes) -> None:
    with unharmed(served) as start:
        with connected(served) as wire:
            wire.sendall(sent)
            answer = rest(wire)
        assert answer[:1] in (b"\x07", b"\x03"), answer
        assert any(event["event"] in ("dimse.aborted", "dimse.rejected") for event in served.logged(start))


def test_an_association_request_cut_anywhere(served: Served) -> None:
    whole = request()
    with unharmed(served):
        for at in range(0, len(whole), 7):
            with connected(served) as wire:
                wire.sendall(whole[:at])
    with served.association() as association:
        assert association.is_open


def test_c_store_peers_that_vanish_or_stall(served: Served) -> None:
    (ds,) = make.ct_study(instances=1)
    uid, data = str(ds.SOPInstanceUID), dataset(ds)
    large = data[:400] + b"x" * 9_000_000
    with unharmed(served) as start:
        for payload in (data, large):
            for cut in (0, 7, len(payload) // 2, len(payload) - 1):
                with associated(served) as wire:
                    wire.sendall(store_command(uid))
                    for begin in range(0, cut, 16000):
                        wire.sendall(fragment(payload[begin : min(begin + 16000, cut)]))
                    if cut % 2:
                        wire.sendall(fragment(payload[cut : cut + 100])[:20])  # in the middle of a PDU
                    wire.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", cut % 3 == 0, 0))  # some reset, some close
        with associated(served) as wire:  # this one stays and says no more
            wire.sendall(store_command(uid) + fragment(large[:16000]) + fragment(large[:16000])[:500])
            begun = time.monotonic()
            rest(wire)
            assert time.monotonic() - begun < 15
        wait_until(lambda: sum(event["event"] == "dimse.connection_lost" for event in served.logged(start)) >= 9, seconds=15)
        assert any("stalled" in str(event.get("reason")) for event in served.logged(start))
        with served.client() as client:
            assert client.get("/dicom-web/instances", params={"SOPInstanceUID": uid}).json() == []


def test_a_dataset_before_its_command_and_a_message_never_ended(served: Served) -> None:
    with unharmed(served):
        with associated(served) as wire:
            wire.sendall(fragment(b"abcdefgh", last=True))
            assert rest(wire)[:1] == bytes([ABORT])
        with associated(served) as wire:
            wire.sendall(store_command("1.2.3") + store_command("1.2.4"))
            assert rest(wire)[:1] == bytes([ABORT])


def test_peers_that_connect_and_say_nothing(served: Served) -> None:
    with unharmed(served) as start:
        quiet = [connected(served, http=number % 2 == 0) for number in range(60)]
        begun = time.monotonic()
        for wire in quiet:
            assert rest(wire) in (b"", b"\x07\0\0\0\0\x04\0\0\x02\0")
            wire.close()
        assert time.monotonic() - begun < 15
        assert any(event["event"] == "http.no_request" for event in served.logged(start))


# --- HTTP -------------------------------------------------------------------------------------------------------------------------


def http_head(served: Served, path: str, *headers: str) -> bytes:
    """The head of a POST, signed in."""
    lines = [f"POST {path} HTTP/1.1", "Host: archipel", f"Authorization: Bearer {served.token}", *headers]
    return ("\r\n".join(lines) + "\r\n\r\n").encode()


def status_of(answer: bytes) -> int:
    """The status of a bare answer, 0 when there is none."""
    return int(answer.split(b" ", 2)[1]) if answer.startswith(b"HTTP/1.1") else 0


FORM = 'Content-Type: multipart/form-data; boundary="part"'
STOW = 'Content-Type: multipart/related; type="application/dicom"; boundary=part'


def form(data: bytes) -> bytes:
    """A form with one file."""
    return b'--part\r\nContent-Disposition: form-data; name="file"; filename="x.dcm"\r\n\r\n' + data + b"\r\n--part--\r\n"


@pytest.mark.parametrize(("path", "kind"), [("/dicom-web/studies", STOW), ("/api/v1/uploads", FORM)])
def test_bodies_that_end_early_stall_or_are_longer_than_declared(served: Served, path: str, kind: str) -> None:
    (ds,) = make.ct_study(instances=1)
    file = part10(dataset(ds), sop_instance_uid=str(ds.SOPInstanceUID)) + bytes(6_000_000)
    body = related([file]) if kind is STOW else form(file)
    with unharmed(served) as start:
        for cut in (0, 30, 3000, 5_500_000, len(body) - 30):
            with connected(served, http=True) as wire:  # says all, sends less, and goes
                wire.sendall(http_head(served, path, kind, f"Content-Length: {len(body)}") + body[:cut])
        with connected(served, http=True) as wire:  # sends less and stays
            wire.sendall(http_head(served, path, kind, f"Content-Length: {len(body)}") + body[:5_000_000])
            begun, answer = time.monotonic(), exactly(wire, 12)
            assert status_of(answer + b" ") == 408 and 2 < time.monotonic() - begun < 15
        with connected(served, http=True) as wire:  # sends more than it said
            short = len(body) - 10_000  # the excess fits into the socket's buffer, so that sending ends before the server hangs up
            wire.sendall(http_head(served, path, kind, f"Content-Length: {short}", "Connection: close") + body)
            assert status_of(rest(wire)) == 400
        with connected(served, http=True) as wire:  # chunks that are none
            wire.sendall(http_head(served, path, kind, "Transfer-Encoding: chunked") + b"zz\r\nabc\r\n")
            assert status_of(rest(wire)) in (0, 400)
        assert any(event.get("code") == "stalled" for event in served.logged(start))
    with served.client() as client:
        assert client.get("/dicom-web/instances", params={"SOPInstanceUID": str(ds.SOPInstanceUID)}).json() == []


def trickled(parts: list[bytes]) -> Iterator[bytes]:
    """A body in pieces with pauses."""
    for part in parts:
        time.sleep(0.3)
        yield part


BAD_BODIES = {
    "no boundary": ("multipart/related; type=application/dicom", b"--part\r\n\r\n", 400),
    "an empty boundary": ('multipart/related; type=application/dicom; boundary=""', b"--\r\n\r\n", 400),
    "a boundary of 10 kB": (f"multipart/related; type=application/dicom; boundary={'b' * 10_000}", b"--b", 400),
    "a boundary that is not ASCII": ("multipart/related; type=application/dicom; boundary=\xe9", b"--b", 400),
    "another boundary than announced": (RELATED["Content-Type"], b"--other\r\n\r\nabc\r\n--other--", 400),
    "no part": (RELATED["Content-Type"], b"--part--\r\n", 400),
    "nothing": (RELATED["Content-Type"], b"", 400),
    "a part without an end": (RELATED["Content-Type"], b"--part\r\nContent-Type: application/dicom\r\n\r\nabc", 400),
    "a header of 1 MB": (RELATED["Content-Type"], b"--part\r\nX: " + b"x" * 1_000_000 + b"\r\n\r\nabc\r\n--part--", 400),
    "10,000 headers": (RELATED["Content-Type"], b"--part\r\n" + b"X: y\r\n" * 10_000 + b"\r\nabc\r\n--part--", 400),
    "no content type": ("", b"abc", 415),
    "JSON": ("application/json", b"{}", 415),
    "another type within": ('multipart/related; type="image/png"; boundary=part', b"--part--", 415),
    "JSON metadata that is none": ('multipart/related; type="application/dicom+json"; boundary=part', b"--part\r\nContent-Type: application/dicom+json\r\n\r\n[[[\r\n--part--", 400),
    "JSON metadata nested 100,000 deep": ('multipart/related; type="application/dicom+json"; boundary=part', b"--part\r\nContent-Type: application/dicom+json\r\n\r\n" + b"[" * 100_000 + b"\r\n--part--", 400),
    "XML with entities": ('multipart/related; type="application/dicom+xml"; boundary=part', b'--part\r\nContent-Type: application/dicom+xml\r\n\r\n<?xml version="1.0"?><!DOCTYPE a [<!ENTITY b "c"><!ENTITY d "&b;&b;&b;">]><NativeDicomModel>&d;</NativeDicomModel>\r\n--part--', 400),
    "a body compressed by gzip": (RELATED["Content-Type"] + "\nContent-Encoding: gzip", b"\x1f\x8b\x08", 415),
}  # fmt: skip


@pytest.mark.parametrize("name", BAD_BODIES)
def test_bad_bodies_of_stow(served: Served, name: str) -> None:
    content_type, body, due = BAD_BODIES[name]
    content_type, _, more = content_type.partition("\n")
    headers = {"Accept": "application/dicom+json"} | ({"Content-Type": content_type.encode("latin-1")} if content_type else {})
    if more:
        headers |= dict([more.split(": ")])
    with unharmed(served) as start, served.client() as client:
        answer = client.post("/dicom-web/studies", content=body, headers=headers)
        allowed = (due, 409) if (due == 400 and "metadata" in name) or "XML" in name else (due,)
        assert answer.status_code in allowed, answer.text
        if answer.status_code == due:
            said = answer.json()["error"]["public"]
            assert len(said) > 20
            assert any(event["event"] == "dicomweb.refused" and said in event["reason"] for event in served.logged(start))


@pytest.mark.parametrize(
    "kind", ["multipart/form-data", 'multipart/form-data; boundary=""', "text/plain", "", "multipart/form-data; boundary=other"]
)
def test_bad_forms_of_upload(served: Served, kind: str) -> None:
    with unharmed(served) as start, served.client() as client:
        answer = client.post("/api/v1/uploads", content=form(b"abc"), headers={"Content-Type": kind} if kind else {})
        assert answer.status_code == 400 and len(answer.json()["error"]["public"]) > 15, answer.text
        assert any(event["event"] == "web.refused" for event in served.logged(start))


def test_a_slow_but_steady_sender_is_waited_for(served: Served) -> None:
    (ds,) = make.ct_study(instances=1)
    body = related([part10(dataset(ds), sop_instance_uid=str(ds.SOPInstanceUID))])
    with unharmed(served), served.client() as client:
        pieces = [body[at : at + len(body) // 14] for at in range(0, len(body), len(body) // 14)]
        answer = client.post("/dicom-web/studies", content=trickled(pieces), headers=RELATED)
        assert answer.status_code == 200


@pytest.mark.parametrize("head", [b"GET / HTTP/1.1\r\nX: ", b"GET /"])
def test_a_head_without_end_is_cut_off(served: Served, head: bytes) -> None:
    with unharmed(served) as start:
        with connected(served, http=True) as wire:
            wire.sendall(head)
            try:
                for _ in range(200):
                    wire.sendall(b"x" * 65536)
            except OSError:
                pass
        assert any(event["event"] == "http.head_too_large" for event in served.logged(start)) or head == b"GET /"
        with connected(served, http=True) as wire:  # a byte from time to time
            wire.sendall(head)
            begun = time.monotonic()
            stop = threading.Event()

            def drip() -> None:
                while not stop.wait(0.5):
                    try:
                        wire.sendall(b"x")
                    except OSError:
                        return

            thread = threading.Thread(target=drip)
            thread.start()
            rest(wire)
            stop.set()
            thread.join()
            assert time.monotonic() - begun < 12


@pytest.mark.parametrize(
    "sent",
    [
        b"\0\xff\xfe\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"GET /%ff%00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"POST /dicom-web/studies HTTP/1.1\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    ],
)
def test_requests_that_are_none(served: Served, sent: bytes) -> None:
    with unharmed(served), connected(served, http=True) as wire:
        wire.sendall(sent)
        wire.shutdown(socket.SHUT_WR)
        assert status_of(rest(wire)) in (0, 400, 401, 404, 505)
