"""Instances larger than 4 GiB: received and given back within bounded memory (`make big`; a small form runs always)."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import encode

from archipel.dicom import message, pdu, scu, sop_classes
from tests import make
from tests.dimse.peers import EXPLICIT
from tests.platform import Platform

JPEG_LS = "1.2.840.10008.1.2.4.80"
ENHANCED_CT = "1.2.840.10008.5.1.4.1.1.2.1"
FRAGMENT_BYTES = 1 << 20


def huge(fragment_count: int, ds: Dataset) -> Iterator[bytes]:
    """An encapsulated dataset whose fragments differ from each other."""
    header = encode(ds, False, True) or b""
    yield header + struct.pack("<HH2sHL", 0x7FE0, 0x0010, b"OB", 0, 0xFFFFFFFF) + struct.pack("<HHL", 0xFFFE, 0xE000, 0)
    block = os.urandom(FRAGMENT_BYTES - 8)
    for number in range(fragment_count):
        yield struct.pack("<HHLQ", 0xFFFE, 0xE000, FRAGMENT_BYTES, number) + block
    yield struct.pack("<HHL", 0xFFFE, 0xE0DD, 0)


class Sink:
    """A storage acceptor that keeps a digest, not the bytes."""

    def __init__(self) -> None:

        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = int(self.listener.getsockname()[1])
        self.digest = hashlib.sha256()
        self.size_bytes = 0
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        connection, _ = self.listener.accept()
        file = connection.makefile("rb")
        while True:
            kind, length = pdu.read_head(file.read(6), 1 << 20)
            body = file.read(length)
            if kind == pdu.ASSOCIATE_RQ:
                request: Any = pdu.decode(kind, body)
                contexts = tuple(pdu.AnsweredContext(c.id, 0, c.transfer_syntaxes[0]) for c in request.contexts)
                user = pdu.UserInformation(1 << 20, "1.2.3")
                connection.sendall(pdu.encode(pdu.AssociateAccept(request.called_ae, request.calling_ae, contexts, user)))
            elif kind == pdu.P_DATA:
                self._values(connection, memoryview(body))
            else:
                connection.sendall(pdu.encode(pdu.ReleaseAnswer()))
                connection.close()
                return

    def _values(self, connection: Any, body: memoryview) -> None:
        for value in pdu.values(body):
            if value.is_command:
                self.command = message.decode_command(bytes(value.data))
                continue
            self.digest.update(value.data)
            self.size_bytes += len(value.data)
            if value.is_last:
                connection.sendall(message.command_pdus(value.context_id, message.response_to(self.command, 0), 16378))


def peak_mb(platform: Platform) -> float:
    """Largest resident size that the server has had."""
    assert platform.process is not None
    assert platform.process.popen is not None
    status = Path(f"/proc/{platform.process.popen.pid}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) / 1024


def there_and_back(tmp_path: Path, size_mb: int, slack_mb: float) -> None:
    platform = Platform(tmp_path)
    sink = Sink()
    platform.device("MODALITY")
    platform.device("SINK", sink.port)
    platform.start()
    try:
        ds = make.instance(ENHANCED_CT, "CT", NumberOfFrames=size_mb, Rows=1024, Columns=512)
        sent, sent_bytes = hashlib.sha256(), 0

        def chunks() -> Iterator[bytes]:
            nonlocal sent_bytes
            for chunk in huge(size_mb, ds):
                sent.update(chunk)
                sent_bytes += len(chunk)
                yield chunk

        peer = scu.Peer("127.0.0.1", platform.dicom_port, platform.aet, "MODALITY")
        limits = scu.Limits(response_s=900)
        offers = [(ENHANCED_CT, [JPEG_LS]), (sop_classes.STUDY_MOVE, [EXPLICIT]), (sop_classes.VERIFICATION, [EXPLICIT])]
        with scu.Association(peer, offers, limits=limits) as association:
            association.echo()
            before = peak_mb(platform)
            answer = association.store(ENHANCED_CT, ds.SOPInstanceUID, JPEG_LS, chunks())
            assert (answer.status, answer.comment) == (0, "")
            asked = Dataset()
            asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ds.StudyInstanceUID
            *_, final = association.move(sop_classes.STUDY_MOVE, encode(asked, False, True) or b"", EXPLICIT, "SINK")
            assert final.status == 0
        sink.thread.join(30)
        assert (sink.size_bytes, sink.digest.digest()) == (sent_bytes, sent.digest())
        grown = peak_mb(platform) - before
        assert grown < slack_mb
    finally:
        platform.stop()


def test_an_instance_larger_than_the_spool_s_memory_goes_there_and_back(tmp_path: Path) -> None:
    there_and_back(tmp_path, size_mb=200, slack_mb=100)


@pytest.mark.big
@pytest.mark.timeout(1800)
def test_an_instance_of_five_gigabytes_goes_there_and_back(tmp_path: Path) -> None:
    there_and_back(tmp_path, size_mb=5 * 1024, slack_mb=100)
