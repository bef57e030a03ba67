"""A restart of every process, one after the other, under load: no request fails after one retry, nothing is lost, nothing is there twice."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from archipel.dicom import scu
from archipel.kit.errors import ArchipelError
from tests import make, servers
from tests.balancer import Backend, Balancer
from tests.faults.counts import record
from tests.faults.watch import AET, CT, EXPLICIT, RELATED, dataset, part10, related
from tests.member import Member
from tests.platform import Platform
from tests.servers import wait_until

pytestmark = [pytest.mark.faults]

AGAIN_S = 0.5
PAUSE_S = 0.3
LONG = (pytest.mark.faults_long, pytest.mark.timeout(1800))


@dataclass
class Region:
    """Two processes for DICOM, two for HTTP and two for the work behind them, and a balancer before each pair of doors."""

    members: dict[str, Member]
    dicom: Balancer
    http: Balancer
    token: str
    commands: Platform

    def client(self) -> httpx.Client:
        url = f"http://127.0.0.1:{self.http.port}"
        return httpx.Client(base_url=url, headers={"Authorization": f"Bearer {self.token}"}, timeout=60)


def commands_of(tmp_path: Path, environment: Mapping[str, str]) -> Platform:
    (tmp_path / "commands").mkdir()
    return Platform(tmp_path / "commands", environment)


@pytest.fixture
def region(tmp_path: Path, postgres_url: str, s3: servers.Bucket) -> Iterator[Region]:
    backend = servers.Backend("postgres-s3", postgres_url, s3.url, s3.access_key, s3.secret_key, s3.region)
    environment = backend.environment | {"ARCHIPEL_LOG_JSON": "true", "ARCHIPEL_ARCHIVE__QUIET_S": "2", "ARCHIPEL_DATABASE__POOL_SIZE": "6"}
    kinds = {"dimse": ("serve", "--doors", "dimse"), "http": ("serve", "--doors", "dicomweb,web"), "work": ("work",)}
    members = {f"{kind}-{n}": Member(tmp_path / f"{kind}-{n}", arguments, environment) for kind, arguments in kinds.items() for n in (1, 2)}
    commands = commands_of(tmp_path, environment)
    commands.device(AET)
    token = commands.token()
    balancers = [
        Balancer([Backend(members[f"{kind}-{n}"].port, members[f"{kind}-{n}"].health_port) for n in (1, 2)]).start()
        for kind in ("dimse", "http")
    ]
    try:
        for member in members.values():
            member.start()
        for balancer in balancers:
            wait_until(lambda balancer=balancer: all(one.ready for one in balancer.backends), seconds=20)
        yield Region(members, *balancers, token, commands)
    finally:
        for member in members.values():
            if member.process is not None:
                member.process.stop(servers.signal.SIGKILL)
        for balancer in balancers:
            balancer.stop()


class Lane(threading.Thread):
    """Requests one after the other; each is tried once more when it fails."""

    def __init__(self, region: Region, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self.region, self._stop_asked = region, stop
        self.count: Counter[str] = Counter()
        self.failures: list[str] = []
        self.stored: list[tuple[str, str]] = []
        self.failure: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._stop_asked.is_set():
                self.once()
                time.sleep(PAUSE_S)
            self.close()
        except BaseException as error:
            self.failure = error

    def once(self) -> None:
        raise NotImplementedError

    def close(self) -> None:
        """Let go of what is open."""

    def attempt(self, act: Any) -> Any:
        """One request, and its one retry."""
        self.count["requests"] += 1
        for is_retry in (False, True):
            why, answer = self.tried(act)
            if not why:
                return answer
            if is_retry:
                self.failures.append(why)
            else:
                self.count["retried"] += 1
                time.sleep(AGAIN_S)
        return None

    @staticmethod
    def tried(act: Any) -> tuple[str, Any]:
        """Why it failed, or '' with its answer."""
        try:
            return "", act()
        except (ArchipelError, httpx.HTTPError, AssertionError) as error:
            return repr(error), None


class Sender(Lane):
    """C-STORE on an association that stays open for a study of six images."""

    association: scu.Association | None = None

    def once(self) -> None:
        for ds in make.ct_study(instances=6, size=64):
            uid, data = str(ds.SOPInstanceUID), dataset(ds)
            if self.attempt(lambda uid=uid, data=data: self._store(uid, data)):
                self.stored.append((uid, str(ds.StudyInstanceUID)))
        self.close()

    def _store(self, uid: str, data: bytes) -> bool:
        if self.association is None:
            peer = scu.Peer("127.0.0.1", self.region.dicom.port, "ARCHIPEL", AET)
            association = scu.Association(peer, ((CT, [EXPLICIT]),), limits=scu.Limits(connect_s=10, artim_s=10, response_s=60))
            association.open()
            self.association = association
        try:
            answer = self.association.store(CT, uid, EXPLICIT, [data])
            assert answer.status == 0, f"{answer.status:04X} {answer.comment}"
        except BaseException:
            self.association.abort()
            self.association = None
            raise
        return True

    def close(self) -> None:
        if self.association is not None:
            self.association.release()
            self.association = None


class WebSender(Lane):
    """STOW-RS of two images."""

    def once(self) -> None:
        study = make.ct_study(instances=2, size=64)
        body = related(part10(dataset(ds), sop_instance_uid=str(ds.SOPInstanceUID)) for ds in study)
        with self.region.client() as client:

            def store() -> bool:
                answer = client.post("/dicom-web/studies", content=body, headers=RELATED)
                assert answer.status_code == 200, (answer.status_code, answer.text[:200])
                return True

            if self.attempt(store):
                self.stored += [(str(ds.SOPInstanceUID), str(ds.StudyInstanceUID)) for ds in study]


class Reader(Lane):
    """What a viewer and a person ask, on a connection that is kept."""

    def __init__(self, region: Region, stop: threading.Event, senders: list[Lane]) -> None:
        super().__init__(region, stop)
        self._senders, self._client = senders, region.client()

    def once(self) -> None:
        stored = next((sender.stored for sender in self._senders if sender.stored), None)
        self._get("/api/v1/exams", {"limit": "5"})
        self._get("/dicom-web/studies", {"limit": "5"})
        if stored:
            uid, study = stored[-1]
            self._get("/dicom-web/instances", {"SOPInstanceUID": uid})
            self._get(f"/dicom-web/studies/{study}/metadata", {})

    def _get(self, path: str, params: dict[str, str]) -> None:
        def get() -> bool:
            answer = self._client.get(path, params=params)
            assert answer.status_code == 200, (path, answer.status_code, answer.text[:200])
            return True

        self.attempt(get)

    def close(self) -> None:
        self._client.close()


def everything_is_there_once(region: Region, stored: set[tuple[str, str]]) -> None:
    """What was acknowledged is in the index once, its bytes are whole, and nothing waits or was parked."""
    with region.client() as client:
        found: Counter[str] = Counter()
        for study in {study for _, study in stored}:
            answer = client.get(f"/dicom-web/studies/{study}/instances", params={"limit": "1000"})
            found.update(row["00080018"]["Value"][0] for row in answer.json())
        assert set(found) == {uid for uid, _ in stored} and set(found.values()) == {1}

        region.commands.account("watcher", "physicist")
        client.headers["Authorization"] = f"Bearer {region.commands.command('token', 'watcher').stdout.strip()}"

        def caught_up() -> bool:
            """every follower has read the feed"""
            followers = client.get("/api/v1/system").json()["feed"]["followers"]
            return all(one["lag"] == 0 and one["parked"] == 0 for one in followers)

        wait_until(caught_up, seconds=60, every_s=0.5)
        state = client.get("/api/v1/system").json()
    assert state["jobs"]["failed"] == 0
    assert {tuple(one["does"]) for one in state["processes"]} == {("dimse",), ("dicomweb", "web"), ("work",)}
    assert len(state["processes"]) == len(region.members)
    assert state["counts"]["instances"] in (-1, len(found))
    assert " 0 damaged" in region.commands.command("verify", seconds=900).stdout


@pytest.mark.parametrize("rounds", [pytest.param(1, marks=pytest.mark.timeout(400)), pytest.param(6, marks=LONG)], ids=["short", "long"])
def test_every_process_is_restarted_under_load(region: Region, rounds: int) -> None:
    stop = threading.Event()
    senders: list[Lane] = [Sender(region, stop), Sender(region, stop), WebSender(region, stop)]
    lanes = [*senders, Reader(region, stop, senders), Reader(region, stop, senders[1:])]
    for lane in lanes:
        lane.start()
    wait_until(lambda: all(lane.count["requests"] > 3 for lane in lanes), seconds=30)
    restarts, begun = 0, time.monotonic()
    for _ in range(rounds):
        for member in region.members.values():
            assert member.stop() == 0, member.process and member.process.text()[-2000:]
            member.start()
            restarts += 1
    seconds = time.monotonic() - begun
    stop.set()
    for lane in lanes:
        lane.join(90)
        assert not lane.is_alive() and lane.failure is None, repr(lane.failure)
    total = sum((lane.count for lane in lanes), Counter())
    failures = [failure for lane in lanes for failure in lane.failures]
    stored = {one for lane in senders for one in lane.stored}
    print(
        f"\n{restarts} restarts in {seconds:.0f} s; {total['requests']} requests, {total['retried']} retried once, {len(failures)} failed after it; "
        f"{len(stored)} instances acknowledged; connections per process: "
        f"DICOM {[one.connections for one in region.dicom.backends]}, HTTP {[one.connections for one in region.http.backends]}"
    )
    assert failures == []
    assert all(one.connections for balancer in (region.dicom, region.http) for one in balancer.backends)
    everything_is_there_once(region, stored)
    record(
        "every process restarted under load", "postgres-s3", tries=restarts, sent=len(stored), acknowledged=len(stored), found=len(stored)
    )
    for member in region.members.values():
        assert member.process is not None and "Traceback" not in member.process.text()
