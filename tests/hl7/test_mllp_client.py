"""The sending end of MLLP against real sockets: peers that answer, that are slow, that vanish, and over TLS."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from hl7.client import MLLPClient

from archipel.hl7 import ack, er7, mllp
from archipel.hl7.mllp_client import Connection, Limits, Peer
from archipel.kit.errors import Invalid, Unavailable

LIMITS = Limits(connect_s=3, send_s=3, response_s=1)
MSH = "MSH|^~\\&|ARCHIPEL|REGION|GAM|HOP-A|20260302101500||ADT^A01^ADT_A01|{}|P|2.5.1|||{}|{}||UNICODE UTF-8\rEVN||20260302101500\r"


def message(control_id: str, accept: str = "", application: str = "") -> bytes:
    return MSH.format(control_id, accept, application).encode()


def answer(data: bytes, code: str = "AA") -> bytes:
    return mllp.frame(ack.acknowledge(er7.parse(data), code=code, control_id="R", at=datetime.now(UTC)))


class Receiver:
    """A peer for a test: each connection is handled by ``talk``, which is given a function that reads the next message, and the socket."""

    def __init__(self, talk: Callable[[Callable[[], bytes], socket.socket], None], tls: ssl.SSLContext | None = None) -> None:
        self.talk, self.tls, self.connections = talk, tls, 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.listener.settimeout(10)
        self.port = self.listener.getsockname()[1]
        self.thread = threading.Thread(target=self.run)
        self.thread.start()

    def run(self) -> None:
        while True:
            try:
                sock, _ = self.listener.accept()
                sock.settimeout(5)
                sock = self.tls.wrap_socket(sock, server_side=True) if self.tls else sock
            except ssl.SSLError:
                continue
            except OSError:
                return
            self.connections += 1
            with sock:
                try:
                    self.talk(self.messages(sock).__next__, sock)
                except (OSError, StopIteration):
                    pass

    @staticmethod
    def messages(sock: socket.socket) -> Iterator[bytes]:
        decoder = mllp.Decoder()
        while data := sock.recv(4096):
            for frame in decoder.feed(data):
                yield frame.data

    def stop(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join(10)


@contextmanager
def receiver(talk: Callable[[Callable[[], bytes], socket.socket], None], tls: ssl.SSLContext | None = None) -> Iterator[Receiver]:
    there = Receiver(talk, tls)
    try:
        yield there
    finally:
        there.stop()


def connection(there: Receiver, tls: ssl.SSLContext | None = None) -> Connection:
    return Connection(Peer("127.0.0.1", there.port, "GAM", tls, "localhost" if tls else ""), LIMITS)


def echo(read: Callable[[], bytes], sock: socket.socket) -> None:
    while True:
        sock.sendall(answer(read()))


def test_messages_on_one_connection() -> None:
    counted: list[int] = []
    with receiver(echo) as there:
        limits = Limits(connect_s=3, response_s=3, counted=counted.append)
        with Connection(Peer("127.0.0.1", there.port), limits) as link:
            told = [link.send(message(str(n))) for n in range(20)]
            assert link.is_open
        assert [(t.code, t.control_id) for t in told] == [("AA", str(n)) for n in range(20)]
        assert there.connections == 1
    assert counted == [1, -1]


def test_an_answer_in_pieces_among_strays() -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        stream = answer(message("other")) + b"garbage" + answer(read(), "AE")
        for byte in stream:
            sock.sendall(bytes([byte]))

    with receiver(talk) as there, connection(there) as link:
        assert link.send(message("7")).code == "AE"


def test_enhanced_mode_waits_for_the_act() -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        first = read()
        sock.sendall(answer(first, "CA") + answer(first, "AE"))
        second = read()
        sock.sendall(answer(second, "CE"))
        third = read()
        sock.sendall(answer(third, "CA"))

    with receiver(talk) as there, connection(there) as link:
        assert link.send(message("1", "AL", "AL")).code == "AE"
        assert link.send(message("2", "AL", "AL")).code == "CE"
        assert link.send(message("3", "AL", "NE")).code == "CA"


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (None, "unanswered"),
        (b"", "unanswered"),
        (b"\x0bMSH|^~\\&|cut", "unanswered"),
        (mllp.frame(b"no message"), "no-acknowledgement"),
        (mllp.frame(MSH.format("1", "", "").encode()), "no-acknowledgement"),
        (answer(message("other")) * 25, "no-acknowledgement"),
    ],
)
def test_peers_that_do_not_answer(reply: bytes | None, code: str) -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        read()
        if reply is None:
            time.sleep(1.5)
        else:
            sock.sendall(reply)

    with receiver(talk) as there:
        link = connection(there)
        with pytest.raises(Unavailable) as raised:
            link.send(message("1"))
        assert raised.value.code == code
        assert not link.is_open


def test_a_peer_that_drips_is_left_in_time() -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        read()
        for number in range(300):
            sock.sendall(b"x" if number else b"\x0bMSH")
            time.sleep(0.01)

    with receiver(talk) as there:
        started = time.monotonic()
        with pytest.raises(Unavailable) as raised:
            connection(there).send(message("1"))
        assert raised.value.code == "unanswered"
        assert time.monotonic() - started < 2


def test_receipts_without_end_are_no_answer_to_the_act() -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        sock.sendall(answer(read(), "CA") * 40)

    with receiver(talk) as there, pytest.raises(Unavailable) as raised:
        connection(there).send(message("1", "AL", "AL"))
    assert raised.value.code == "no-acknowledgement"


def test_a_late_answer_is_not_taken_for_the_next() -> None:
    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        data = read()
        if er7.parse(data).control_id == "slow":
            time.sleep(1.2)
        sock.sendall(answer(data))

    with receiver(talk) as there, connection(there) as link:
        with pytest.raises(Unavailable):
            link.send(message("slow"))
        assert link.send(message("next")).control_id == "next"


def test_a_connection_that_the_peer_closed_idle_is_opened_anew_and_nothing_is_sent_twice() -> None:
    seen: list[bytes] = []

    def talk(read: Callable[[], bytes], sock: socket.socket) -> None:
        seen.append(read())
        sock.sendall(answer(seen[-1]))

    with receiver(talk) as there, connection(there) as link:
        link.send(message("1"))
        deadline = time.monotonic() + 5
        while link.is_open and time.monotonic() < deadline:
            time.sleep(0.01)
        assert link.send(message("2")).is_positive
        assert [er7.parse(data).control_id for data in seen] == ["1", "2"]
        assert there.connections == 2


def test_nobody_there_and_no_control_id() -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    with pytest.raises(Unavailable) as raised:
        Connection(Peer("127.0.0.1", port), LIMITS).send(message("1"))
    assert raised.value.code == "no-connection"
    with pytest.raises(Invalid):
        Connection(Peer("127.0.0.1", port), LIMITS).send(message(""))


def test_python_hl7_and_our_framing_understand_each_other() -> None:
    with receiver(echo) as there, MLLPClient("127.0.0.1", there.port) as theirs:
        reply = theirs.send_message(message("9").decode())
        assert b"MSA|AA|9" in reply


# --- TLS --------------------------------------------------------------------------------------------------------------------------


def certificate(folder: Path, common: str) -> tuple[str, str]:
    """A self-signed certificate of "localhost" and its key, as files."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common)])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    builder = (
        builder.serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
    )
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
    signed = builder.add_extension(x509.BasicConstraints(True, None), critical=True).sign(key, hashes.SHA256())
    chain, private = folder / f"{common}.pem", folder / f"{common}.key"
    chain.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    return str(chain), str(private)


def test_tls_with_certificates_on_both_ends(tmp_path: Path) -> None:
    server, client = certificate(tmp_path, "server"), certificate(tmp_path, "client")
    listening = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    listening.load_cert_chain(*server)
    listening.load_verify_locations(client[0])
    listening.verify_mode = ssl.CERT_REQUIRED
    calling = ssl.create_default_context(cafile=server[0])
    calling.load_cert_chain(*client)
    with receiver(echo, listening) as there:
        with connection(there, calling) as link:
            assert link.send(message("1")).is_positive
            assert link.send(message("2")).is_positive
        assert there.connections == 1
        stranger = ssl.create_default_context(cafile=client[0])
        with pytest.raises(Unavailable) as raised:
            connection(there, stranger).open()
        assert raised.value.code == "no-connection"
        nobody = ssl.create_default_context(cafile=server[0])
        with pytest.raises(Unavailable):
            connection(there, nobody).send(message("3"))
