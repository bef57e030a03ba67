"""Records sent on: to rsyslog over TLS, to a FHIR server; in order, nothing lost while the receiver is away."""

from __future__ import annotations

import json
import re
import shutil
import socket
import ssl
import subprocess
import threading
import time
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from archipel import audit
from archipel.audit import Key
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock
from archipel.kit.database import Database, Tx
from archipel.kit.settings import AuditSettings
from tests.authority import Authority
from tests.servers import missing, wait_until

CLAIRE = Actor("account", "claire", "Claire Élan", "technician", "default", "10.0.0.1")
CONFIGURATION = """
global(workDirectory="{folder}" maxMessageSize="64k" defaultNetstreamDriver="gtls" defaultNetstreamDriverCAFile="{ca}"
  defaultNetstreamDriverCertFile="{certificate}" defaultNetstreamDriverKeyFile="{key}")
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="x509/certvalid")
input(type="imtcp" port="{port}" address="127.0.0.1")
template(name="raw" type="string" string="%structured-data%\\t%app-name%\\t%msgid%\\t%pri%\\t%msg%\\n")
action(type="omfile" file="{folder}/received" template="raw")
"""


def patients(tx: Tx, study_uids: object) -> dict[str, str]:
    """Whom the studies are of."""
    return {"1.2.3": "P1^^^site:default"}


class Receiver:
    """Debian's rsyslog, that takes syslog over TLS from clients with a certificate of our authority."""

    def __init__(self, folder: Path) -> None:
        program = shutil.which("rsyslogd") or "/usr/sbin/rsyslogd"
        if not Path(program).exists() or not list(Path("/usr/lib").glob("*/rsyslog/lmnsd_gtls.so")):
            missing("rsyslog")
        self.authority = Authority(folder, "authority")
        certificate, key = self.authority.sign("receiver", "127.0.0.1")
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.file, self._configuration = folder / "received", folder / "rsyslog.conf"
        self._configuration.write_text(
            CONFIGURATION.format(folder=folder, ca=self.authority.path, certificate=certificate, key=key, port=self.port)
        )
        self._command = [program, "-n", "-i", "NONE", "-f", str(self._configuration)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self._process = subprocess.Popen(self._command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        wait_until(self._answers, 20)

    def stop(self) -> None:
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def received(self) -> list[tuple[int, ET.Element]]:
        """Place in the chain and message of each that came."""
        found = []
        for line in self.file.read_text(encoding="utf-8").splitlines() if self.file.exists() else []:
            structured, name, message_id, _, text = line.split("\t", 4)
            assert (name, message_id) == ("archipel", "IHE+RFC-3881")
            place = re.search(r'seq="(\d+)"', structured)
            assert place
            found.append((int(place[1]), ET.fromstring(text.strip().removeprefix("\ufeff"))))
        return found

    def settings(self, client: tuple[str, str]) -> AuditSettings:
        """How we reach it."""
        return AuditSettings(
            syslog_host="127.0.0.1", syslog_port=self.port, syslog_ca=str(self.authority.path), syslog_certificate=client[0],
            syslog_key=client[1],
        )  # fmt: skip


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    made = Receiver(tmp_path)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def key(database: Database, tmp_path: Path) -> Key:
    made = audit.signing_key(database, tmp_path / "audit.key")
    assert made is not None
    return made


def write(database: Database, key: Key, count: int) -> None:
    """Some chained records."""
    for n in range(count):
        with database.write() as tx:
            audit.record(tx, CLAIRE, "archive.open", study_uid="1.2.3", n=n, text="é <&> \U0001f600")
    while database.transact(lambda tx: audit.chain(tx, key)):
        pass


def test_rsyslog_gets_every_record_in_order(database: Database, key: Key, receiver: Receiver) -> None:
    sender = audit.syslog_sender(database, receiver.settings(receiver.authority.sign("us")), patients)
    write(database, key, 60)
    assert [sender.send(), sender.send(), sender.send()] == [50, 10, 0]
    wait_until(lambda: len(receiver.received()) >= 60)
    got = receiver.received()
    assert [place for place, _ in got] == list(range(1, 61))
    ids = {element.get("ParticipantObjectID") for element in got[0][1].iter("ParticipantObjectIdentification")}
    assert ids == {"1.2.3", "P1^^^site:default"}
    assert got[0][1].find("ActiveParticipant").get("UserName") == "Claire Élan"  # type: ignore[union-attr]


def test_nothing_is_lost_while_the_receiver_is_away(database: Database, key: Key, receiver: Receiver) -> None:
    sender = audit.syslog_sender(database, receiver.settings(receiver.authority.sign("us")), patients)
    write(database, key, 5)
    assert sender.send() == 5
    wait_until(lambda: len(receiver.received()) == 5)
    receiver.stop()
    write(database, key, 5)
    assert sender.send() == 0
    with database.read() as tx:
        (one,) = audit.chain_state(tx).destinations
    assert one["seq"] == 5 and one["error"]
    receiver.start()
    assert sender.send() == 5
    wait_until(lambda: len(receiver.received()) == 10)
    assert [place for place, _ in receiver.received()] == list(range(1, 11))
    with database.read() as tx:
        (one,) = audit.chain_state(tx).destinations
    assert (one["seq"], one["error"]) == (10, "")


def test_a_receiver_of_another_authority_gets_nothing(database: Database, key: Key, receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    other = Authority(tmp_path / "other", "other")
    settings = receiver.settings(receiver.authority.sign("us")).model_copy(update={"syslog_ca": str(other.path)})
    write(database, key, 1)
    assert audit.syslog_sender(database, settings, patients).send() == 0
    strange = receiver.settings(other.sign("us"))
    assert audit.syslog_sender(database, strange, patients).send() == 0
    assert receiver.received() == []


def test_a_receiver_that_dies_without_a_word_gets_it_again(database: Database, key: Key, tmp_path: Path) -> None:
    """It takes the connection and leaves what comes unread."""
    authority = Authority(tmp_path, "authority")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.sign("receiver", "127.0.0.1"))
    listener = socket.create_server(("127.0.0.1", 0))

    def rude() -> None:
        connection, _ = listener.accept()
        with context.wrap_socket(connection, server_side=True) as line:
            time.sleep(0.2)
            socket.close(line.detach())

    thread = threading.Thread(target=rude)
    thread.start()
    settings = AuditSettings(syslog_host="127.0.0.1", syslog_port=listener.getsockname()[1], syslog_ca=str(authority.path))
    write(database, key, 3)
    assert audit.syslog_sender(database, settings, patients).send() == 0
    thread.join(20)
    listener.close()


def test_another_process_sends_only_when_the_first_has_gone(database: Database, key: Key, receiver: Receiver, clock: SetClock) -> None:
    settings = receiver.settings(receiver.authority.sign("us"))
    first, second = (audit.syslog_sender(database, settings, patients) for _ in range(2))
    write(database, key, 2)
    assert (first.send(), second.send()) == (2, 0)
    write(database, key, 2)
    assert second.send() == 0
    clock.advance(601)
    assert second.send() == 2
    wait_until(lambda: len(receiver.received()) == 4)


def test_a_fhir_server_gets_each_record_once_and_again_after_a_failure(database: Database, key: Key) -> None:
    taken: list[tuple[str, dict[str, object]]] = []
    failing = [500, 201, 503]

    class Server(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            status = failing.pop(0) if failing else 201
            if status == 201:
                taken.append((self.path, body))
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Server)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        sender = audit.fhir_sender(database, AuditSettings(fhir_url=f"http://127.0.0.1:{server.server_port}/fhir"), patients)
        write(database, key, 3)
        assert [sender.send() for _ in range(4)] == [0, 1, 2, 0]
    finally:
        server.shutdown()
        server.server_close()
    with database.read() as tx:
        ids = [one.id for one in reversed(audit.search(tx))]
    assert sorted(path for path, _ in taken) == sorted(f"/fhir/AuditEvent/{one}" for one in ids)
    assert all(body["resourceType"] == "AuditEvent" and path.endswith(str(body["id"])) for path, body in taken)
