"""Senders that do as modalities do: what was not acknowledged is sent again, on a new association, until it is."""

from __future__ import annotations

import hashlib
import threading
import time
from collections import Counter
from dataclasses import dataclass, field

import httpx

from archipel import directory, migrations, signin
from archipel.dicom import scu
from archipel.directory import Device
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError
from tests import make
from tests.faults.counts import record
from tests.faults.watch import AET, CT, EXPLICIT, RELATED, dataset, part10, related
from tests.platform import Platform

OPERATOR = Actor.system("tests")
AGAIN_S = 0.2
PAUSE_S = 0.05


@dataclass
class Sent:
    """What was sent, what was acknowledged, and every answer: dataset digests by SOP Instance UID."""

    digests: dict[str, str] = field(default_factory=dict)
    studies: dict[str, str] = field(default_factory=dict)
    acknowledged: set[str] = field(default_factory=set)
    answers: Counter[str] = field(default_factory=Counter)
    slowest_s: float = 0.0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, uid: str, study_uid: str, data: bytes) -> None:
        """It is about to be sent."""
        with self.lock:
            self.digests[uid], self.studies[uid] = hashlib.sha256(data).hexdigest(), study_uid

    def answered(self, answer: str, begun: float, uids: list[str]) -> None:
        """An answer came, or what came instead of one; ``uids`` are those that it acknowledges."""
        with self.lock:
            self.answers[answer] += 1
            self.slowest_s = max(self.slowest_s, time.monotonic() - begun)
            self.acknowledged.update(uids)


class Senders:
    """DICOM associations and a STOW client at a platform, until they are told to stop; no answer may take a minute."""

    def __init__(self, dicom_port: int, url: str, token: str, *, lanes: int = 2, size: int = 64, sent: Sent | None = None) -> None:
        self.sent = sent if sent is not None else Sent()
        self._port, self._url, self._token, self._size = dicom_port, url, token, size
        self._stopping = threading.Event()
        self._threads = [threading.Thread(target=self._dicom, daemon=True) for _ in range(lanes)]
        self._threads.append(threading.Thread(target=self._stow, daemon=True))

    def start(self) -> Senders:
        for thread in self._threads:
            thread.start()
        return self

    def stop(self, seconds: float = 90) -> Sent:
        """Let each finish what it has in hand; none may hang."""
        self._stopping.set()
        until = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.1, until - time.monotonic()))
            assert not thread.is_alive(), f"a sender hangs; answers so far {self.sent.answers}"
        return self.sent

    def more(self, count: int, seconds: float) -> None:
        """Return once this many more instances were acknowledged: the platform goes on."""
        until, goal = time.monotonic() + seconds, len(self.sent.acknowledged) + count
        while len(self.sent.acknowledged) < goal:
            assert time.monotonic() < until, f"nothing was acknowledged for {seconds} s: {self.sent.answers}"
            time.sleep(0.05)

    def _dicom(self) -> None:
        association: scu.Association | None = None
        while not self._stopping.is_set():
            for ds in make.ct_study(instances=6, size=self._size):
                uid, data = str(ds.SOPInstanceUID), dataset(ds)
                self.sent.note(uid, str(ds.StudyInstanceUID), data)
                time.sleep(PAUSE_S)
                while uid not in self.sent.acknowledged and not self._stopping.is_set():
                    association = self._store(association, uid, data)
        if association is not None:
            association.release()

    def _store(self, association: scu.Association | None, uid: str, data: bytes) -> scu.Association | None:
        """One C-STORE; gives the association to go on with, None where it has to be a new one."""
        begun = time.monotonic()
        try:
            if association is None:
                peer = scu.Peer("127.0.0.1", self._port, "ARCHIPEL", AET)
                association = scu.Association(peer, ((CT, [EXPLICIT]),), limits=scu.Limits(connect_s=10, artim_s=20, response_s=60))
                association.open()
            answer = association.store(CT, uid, EXPLICIT, [data])
        except (ArchipelError, OSError) as error:
            self.sent.answered(f"dicom {type(error).__name__}", begun, [])
            if association is not None:
                association.abort()
            time.sleep(AGAIN_S)
            return None
        self.sent.answered(f"dicom {answer.status:04X}", begun, [uid] if answer.status == 0 else [])
        if answer.status:
            time.sleep(AGAIN_S)
        return association

    def _stow(self) -> None:
        with httpx.Client(base_url=self._url, headers={"Authorization": f"Bearer {self._token}"} | RELATED, timeout=60) as client:
            while not self._stopping.is_set():
                study = make.ct_study(instances=3, size=self._size)
                parts = {str(ds.SOPInstanceUID): dataset(ds) for ds in study}
                for uid, data in parts.items():
                    self.sent.note(uid, str(study[0].StudyInstanceUID), data)
                time.sleep(PAUSE_S)
                body = related(part10(data, sop_instance_uid=uid) for uid, data in parts.items())
                while not parts.keys() <= self.sent.acknowledged and not self._stopping.is_set():
                    begun = time.monotonic()
                    try:
                        answer = client.post("/dicom-web/studies", content=body)
                    except httpx.TransportError as error:
                        self.sent.answered(f"stow {type(error).__name__}", begun, [])
                        time.sleep(AGAIN_S)
                        continue
                    stored = answer.json().get("00081199", {}).get("Value", []) if answer.status_code in (200, 202) else []
                    self.sent.answered(f"stow {answer.status_code}", begun, [one["00081155"]["Value"][0] for one in stored])
                    if answer.status_code != 200:
                        time.sleep(AGAIN_S)


def prepared(platform: Platform) -> str:
    """Make the senders' device and an operator known to a platform that does not run yet; gives a bearer token of 30 days."""
    platform.data.mkdir(parents=True, exist_ok=True)
    database = Database(platform.environment.get("ARCHIPEL_DATABASE__URL", f"sqlite:///{platform.data / 'archipel.db'}"))
    migrations.upgrade(database)
    database.transact(directory.ensure_default_site)
    database.transact(lambda tx: directory.add_device(tx, OPERATOR, Device(AET, "127.0.0.1", 104, directory.DEFAULT_SITE)))
    database.transact(
        lambda tx: directory.add_account(tx, OPERATOR, login="operator", role="archive_operator", site_id=directory.DEFAULT_SITE)
    )
    token = database.transact(lambda tx: signin.issue_token(tx, OPERATOR, "operator", hours=720, scope=()))
    database.close()
    return token


def found_of(platform: Platform, token: str, sent: Sent) -> tuple[Counter[str], dict[str, str]]:
    """How often each instance is there, and the digest of what is given of it."""
    times: Counter[str] = Counter()
    digests: dict[str, str] = {}
    headers = {"Authorization": f"Bearer {token}", "Accept": "application/dicom+json"}
    with httpx.Client(base_url=platform.url, headers=headers, timeout=60) as client:
        for study_uid in sorted(set(sent.studies.values())):
            answer = client.get(f"/dicom-web/studies/{study_uid}/instances", params={"limit": "1000"})
            assert answer.status_code in (200, 204, 404), answer.text
            for row in answer.json() if answer.status_code == 200 else []:
                uid = row["00080018"]["Value"][0]
                times[uid] += 1
                url = f"/dicom-web/studies/{study_uid}/series/{row['0020000E']['Value'][0]}/instances/{uid}"
                got = client.get(url, headers={"Accept": "application/dicom; transfer-syntax=*"})
                assert got.status_code == 200, (uid, got.status_code, got.text[:200])
                digests[uid] = hashlib.sha256(got.content[144 + int.from_bytes(got.content[140:144], "little") :]).hexdigest()
    return times, digests


def check(platform: Platform, token: str, sent: Sent, *, fault: str, back_end: str, tries: int) -> None:
    """Everything acknowledged is there once and as it was sent; says the counts."""
    times, digests = found_of(platform, token, sent)
    damaged = [uid for uid, digest in digests.items() if digest != sent.digests[uid]]
    doubled = [uid for uid, count in times.items() if count > 1]
    lost = sent.acknowledged - set(times)
    record(fault, back_end, tries=tries, sent=len(sent.digests), acknowledged=len(sent.acknowledged), found=len(times),
           damaged=len(damaged), doubled=len(doubled))  # fmt: skip
    assert not lost, f"{len(lost)} of {len(sent.acknowledged)} acknowledged instances are gone"
    assert not damaged and not doubled
    assert sent.acknowledged, "something must really have been stored"
