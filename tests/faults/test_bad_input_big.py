"""Instances of several gigabytes through the running server, within 300 MB of resident memory (`make big`; a small form always runs)."""

from __future__ import annotations

import hashlib
import os
import socket
import struct
import threading
import time
from collections.abc import Iterator

import pytest
from pydicom.dataset import Dataset

from archipel.dicom import message, pdu, sop_classes
from tests import make
from tests.faults.watch import EXPLICIT, Served, dataset, part10, unharmed
from tests.platform import Platform

pytestmark = pytest.mark.faults
MULTIFRAME = "1.2.840.10008.5.1.4.1.1.7.3"  # Multi-frame Grayscale Word Secondary Capture
FRAME_BYTES = 2048 * 2048 * 2
BLOCK = os.urandom(1 << 20)
GET_PDU_BYTES = 128 << 10


def native(frames: int) -> tuple[Dataset, int]:
    """A multi-frame image without its pixels, and how many bytes they are."""
    ds = make.instance(MULTIFRAME, "OT", NumberOfFrames=frames, Rows=2048, Columns=2048, SamplesPerPixel=1, BitsAllocated=16, BitsStored=16)
    ds.HighBit, ds.PixelRepresentation, ds.PhotometricInterpretation = 15, 0, "MONOCHROME2"
    return ds, frames * FRAME_BYTES


def stream(ds: Dataset, pixel_bytes: int, digest: hashlib._Hash) -> Iterator[bytes]:
    """Its dataset in chunks; each megabyte of pixels differs from the one before."""
    head = dataset(ds) + struct.pack("<HH2sHL", 0x7FE0, 0x10, b"OW", 0, pixel_bytes)
    digest.update(head)
    yield head
    for number in range(pixel_bytes >> 20):
        chunk = number.to_bytes(8, "little") + BLOCK[8:]
        digest.update(chunk)
        yield chunk


def stow_and_wado(served: Served, frames: int) -> str:
    """In by STOW-RS, out by WADO-RS, byte for byte; returns the Study Instance UID."""
    ds, size = native(frames)
    sent, back, back_bytes = hashlib.sha256(), hashlib.sha256(), 0
    head = part10(b"", sop_class_uid=MULTIFRAME, sop_instance_uid=ds.SOPInstanceUID)

    def body() -> Iterator[bytes]:
        yield b"--part\r\nContent-Type: application/dicom\r\n\r\n" + head
        yield from stream(ds, size, sent)
        yield b"\r\n--part--\r\n"

    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=part', "Accept": "application/dicom+json"}
    with served.client(timeout=1500) as client:
        answer = client.post("/dicom-web/studies", content=body(), headers=headers)
        assert answer.status_code == 200, answer.text
        url = f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
        with client.stream("GET", url, headers={"Accept": "application/dicom; transfer-syntax=*"}) as got:
            assert got.status_code == 200
            lead = b""
            for chunk in got.iter_bytes(1 << 20):
                if back_bytes == 0 and len(lead) < 1024:
                    lead += chunk
                    if len(lead) < 1024:
                        continue
                    chunk = lead[144 + int.from_bytes(lead[140:144], "little") :]
                back.update(chunk)
                back_bytes += len(chunk)
        assert back.digest() == sent.digest() and back_bytes > size
        frame = client.get(
            f"{url}/frames/{frames}", headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"}
        )
        assert frame.status_code == 200 and BLOCK[8:] in frame.content
        (row,) = client.get(f"{url}/metadata", headers={"Accept": "application/dicom+json"}).json()
        assert "BulkDataURI" in row["7FE00010"]
    return str(ds.StudyInstanceUID)


def c_store_and_c_get(served: Served, frames: int) -> None:
    """In by C-STORE, out by C-GET, byte for byte."""
    ds, size = native(frames)
    sent = hashlib.sha256()
    with served.association((MULTIFRAME, [EXPLICIT]), response_s=900) as association:
        assert association.store(MULTIFRAME, ds.SOPInstanceUID, EXPLICIT, stream(ds, size, sent)).status == 0
    assert got_by_c_get(served, ds) == sent.digest()


def got_by_c_get(served: Served, ds: Dataset) -> bytes:
    """Digest of what a C-GET of the study gives: a requestor at the level of PDUs that keeps nothing."""
    wire = socket.create_connection(("127.0.0.1", served.platform.dicom_port), timeout=300)
    file = wire.makefile("rb")
    contexts = (pdu.ProposedContext(1, sop_classes.STUDY_GET, (EXPLICIT,)), pdu.ProposedContext(3, MULTIFRAME, (EXPLICIT,)))
    user = pdu.UserInformation(GET_PDU_BYTES, "1.2.3", roles=(pdu.RoleSelection(MULTIFRAME, True, True),))
    wire.sendall(pdu.encode(pdu.AssociateRequest("ARCHIPEL", "HOSTILE", contexts, user)))
    asked = Dataset()
    asked.QueryRetrieveLevel, asked.StudyInstanceUID = "STUDY", ds.StudyInstanceUID
    digest, command = hashlib.sha256(), b""
    with wire:
        kind, length = pdu.read_head(file.read(6), 1 << 20)
        assert kind == pdu.ASSOCIATE_AC
        file.read(length)
        get = message.Command(message.C_GET_RQ, message_id=1, affected_class_uid=sop_classes.STUDY_GET, priority=0, has_dataset=True)
        wire.sendall(message.command_pdus(1, get, 16378) + b"".join(message.dataset_pdus(1, [dataset(asked)], 16378)))
        request = final = None
        while final is None:
            kind, length = pdu.read_head(file.read(6), 1 << 20)
            assert kind == pdu.P_DATA
            for value in pdu.values(memoryview(file.read(length))):
                if value.is_command:
                    command += bytes(value.data)
                    if value.is_last:
                        read, command = message.decode_command(command), b""
                        if read.command_field == message.C_STORE_RQ:
                            request = read
                        elif read.status not in (0xFF00, 0xFF01):
                            final = read
                else:
                    digest.update(value.data)
                    if value.is_last and request is not None:
                        wire.sendall(message.command_pdus(3, message.response_to(request, 0), 16378))
                        request = None
        assert final.status == 0
        wire.sendall(pdu.encode(pdu.ReleaseRequest()))
    return digest.digest()


def there_and_back(platform: Platform, frames: int) -> None:
    """Both roads, one after the other, then both at once; says the peak."""
    platform.start()
    served = Served(platform)
    before, begun = served.peak_bytes, time.monotonic()
    with unharmed(served):
        stow_and_wado(served, frames)
        c_store_and_c_get(served, frames)
    print(
        f"{frames * FRAME_BYTES / 1e9:.2f} GB each way: {before >> 20} MB before, {served.peak_bytes >> 20} MB at most, {time.monotonic() - begun:.0f} s"
    )


def test_many_large_instances_at_once_within_memory(platform: Platform) -> None:
    platform.start()
    served = Served(platform)
    failures: list[BaseException] = []

    def run(act: object) -> None:
        try:
            act(served, 10)  # type: ignore[operator]
        except BaseException as error:
            failures.append(error)

    with unharmed(served):
        lanes = [threading.Thread(target=run, args=(act,)) for act in (stow_and_wado, c_store_and_c_get, c_store_and_c_get, stow_and_wado)]
        for lane in lanes:
            lane.start()
        for lane in lanes:
            lane.join(110)
        assert not failures, failures[0]
    print(f"four of 84 MB at once: {served.peak_bytes >> 20} MB at most")


@pytest.mark.big
@pytest.mark.timeout(3000)
def test_four_gigabytes_of_frames_there_and_back(platform: Platform) -> None:
    there_and_back(platform, 501)  # 4.2 GB, near the most that a length of 32 bits can say
