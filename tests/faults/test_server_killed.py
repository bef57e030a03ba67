"""The whole server is killed while four associations and a STOW are under way: what it acknowledged is there, whole.

Each round kills at a random instant. What was not acknowledged may be absent or complete, never damaged.
"""

from __future__ import annotations

import hashlib
import os
import random
import threading
import time
from dataclasses import dataclass, field

import httpx
import pytest
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian
from pynetdicom import AE

from tests import make
from tests.faults.counts import record
from tests.platform import Platform

ROUNDS = 20 if os.environ.get("ARCHIPEL_TEST_FAULTS") == "long" else 4
LANES = 4
AET = "KILLTEST"


@dataclass
class Sent:
    """What one round sent: dataset digests by SOP Instance UID, and which of them were acknowledged."""

    digests: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, ds: Dataset) -> bytes:
        """The instance's file, its dataset's digest noted."""
        data = make.part10(ds)
        with self.lock:
            self.digests[str(ds.SOPInstanceUID)] = dataset_digest(data)
        return data

    def acknowledge(self, uid: str) -> None:
        """It was answered as stored."""
        with self.lock:
            self.acknowledged.add(uid)


def dataset_digest(part10: bytes) -> str:
    """SHA-256 of a Part 10 file's dataset; group 2 is explicit little endian and starts with its length (PS3.10 7.1)."""
    length = int.from_bytes(part10[140:144], "little")
    return hashlib.sha256(part10[144 + length :]).hexdigest()


def c_store_lane(platform: Platform, sent: Sent, stop: threading.Event) -> None:
    """One association that stores instance after instance until the server is gone."""
    ae = AE(ae_title=AET)
    ae.add_requested_context(CTImageStorage, ExplicitVRLittleEndian)
    ae.acse_timeout = ae.dimse_timeout = ae.network_timeout = 20
    assoc = ae.associate("127.0.0.1", platform.dicom_port, ae_title=platform.aet)
    study_uid = make.uid()
    while assoc.is_established and not stop.is_set():
        for ds in make.ct_study(StudyInstanceUID=study_uid, instances=4, size=64):
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            sent.note(ds)
            try:
                status = assoc.send_c_store(ds)
            except RuntimeError:  # the association is gone
                return
            if status and status.Status == 0:
                sent.acknowledge(str(ds.SOPInstanceUID))
    if assoc.is_established:
        assoc.release()


def stow_lane(platform: Platform, sent: Sent, token: str, stop: threading.Event) -> None:
    """STOW requests of ten instances each until the server is gone."""
    headers = {
        "Authorization": f"Bearer {token}",
        "Content-Type": 'multipart/related; type="application/dicom"; boundary=part',
        "Accept": "application/dicom+json",
    }
    with httpx.Client(headers=headers, timeout=30) as client:
        while not stop.is_set():
            study = make.ct_study(instances=10, size=64)
            body = (
                b"".join(b"--part\r\nContent-Type: application/dicom\r\n\r\n" + sent.note(ds) + b"\r\n" for ds in study) + b"--part--\r\n"
            )
            try:
                answer = client.post(f"{platform.url}/dicom-web/studies", content=body)
            except httpx.TransportError:
                return
            if answer.status_code == 200:
                for item in answer.json()["00081199"]["Value"]:
                    sent.acknowledge(item["00081155"]["Value"][0])


def send_until_killed(platform: Platform, token: str, seconds: float) -> Sent:
    """Four associations and a STOW client at work; SIGKILL to the server's group after ``seconds``."""
    sent, stop = Sent(), threading.Event()
    lanes = [threading.Thread(target=c_store_lane, args=(platform, sent, stop)) for _ in range(LANES)]
    lanes.append(threading.Thread(target=stow_lane, args=(platform, sent, token, stop)))
    for lane in lanes:
        lane.start()
    time.sleep(seconds)
    platform.kill()
    stop.set()
    for lane in lanes:
        lane.join(60)
    return sent


def found_digests(platform: Platform, token: str, uids: set[str]) -> dict[str, str]:
    """The digests of what the server gives back of these instances."""
    found = {}
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for uid in sorted(uids):
            rows = client.get(f"{platform.url}/dicom-web/instances", params={"SOPInstanceUID": uid}).json()
            if rows:
                study, series = rows[0]["0020000D"]["Value"][0], rows[0]["0020000E"]["Value"][0]
                url = f"{platform.url}/dicom-web/studies/{study}/series/{series}/instances/{uid}"
                answer = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
                assert answer.status_code == 200, (uid, answer.status_code, answer.text[:200])
                found[uid] = dataset_digest(answer.content)
    return found


@pytest.mark.faults
@pytest.mark.timeout(1200)
def test_nothing_acknowledged_is_lost_when_the_server_is_killed(platform: Platform) -> None:
    platform.start()
    platform.device(AET, 11199)
    token = platform.token()
    chance = random.Random(2026)
    acknowledged = sent_count = late = 0
    for _ in range(ROUNDS):
        sent = send_until_killed(platform, token, chance.uniform(0.4, 1.6))
        platform.start()
        found = found_digests(platform, token, set(sent.digests))
        lost = sent.acknowledged - set(found)
        assert not lost, f"{len(lost)} of {len(sent.acknowledged)} acknowledged instances are gone"
        damaged = [uid for uid, digest in found.items() if digest != sent.digests[uid]]
        assert not damaged
        acknowledged, sent_count = acknowledged + len(sent.acknowledged), sent_count + len(sent.digests)
        late += len(set(found) - sent.acknowledged)
    assert acknowledged > ROUNDS * 20, "the rounds must really store something"
    platform.stop()
    verified = platform.command("verify")
    assert " 0 damaged" in verified.stdout
    record("kill -9 of the whole server under load", "sqlite-files", tries=ROUNDS, sent=sent_count, acknowledged=acknowledged,
           found=acknowledged + late)  # fmt: skip
    print(f"{ROUNDS} kills: {sent_count} sent, {acknowledged} acknowledged and found, {late} stored but not yet acknowledged")
