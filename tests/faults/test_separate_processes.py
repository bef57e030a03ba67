"""Doors and work in processes of their own, on both back ends: together they are the platform, and what cannot be safe is refused."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from archipel.dicom import scu
from tests import make, servers
from tests.faults.watch import AET, CT, EXPLICIT, dataset
from tests.member import Member
from tests.platform import ARCHIPEL, Platform
from tests.servers import Backend, fetch, free_port, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]

Start = Callable[..., Member]


@pytest.fixture
def commands(backend: Backend, tmp_path: Path) -> Platform:
    """The command line on the back end; files of one machine lie in one data folder."""
    (tmp_path / "commands").mkdir()
    given = backend.environment if backend.name == "postgres-s3" else {}
    return Platform(tmp_path / "commands", given | {"ARCHIPEL_ARCHIVE__QUIET_S": "1", "ARCHIPEL_LOG_REQUESTS": "true"})


@pytest.fixture
def start(commands: Platform, tmp_path: Path) -> Iterator[Start]:
    """Starts a process beside those that run; all are killed at the end."""
    members: list[Member] = []

    def begin(*arguments: str) -> Member:
        member = Member(tmp_path / f"process-{len(members)}", arguments, commands.environment, data=commands.data)
        members.append(member)
        member.start()
        return member

    yield begin
    for member in members:
        if member.process is not None:
            member.process.stop(servers.signal.SIGKILL)


def figures(member: Member) -> dict[tuple[str, tuple[str, ...]], float]:
    """The samples of /metrics by name and the values of their labels."""
    families = text_string_to_metric_families(member.metrics())
    return {(s.name, tuple(s.labels.values())): s.value for family in families for s in family.samples}


def test_doors_and_work_apart_are_the_platform(commands: Platform, start: Start) -> None:
    commands.device(AET)
    token = commands.token("checks", "physicist")
    dimse, http = start("serve", "--doors", "dimse"), start("serve", "--doors", "dicomweb,web")
    client = httpx.Client(base_url=f"http://127.0.0.1:{http.port}", headers={"Authorization": f"Bearer {token}"}, timeout=30)
    study = make.ct_study(instances=3)
    peer = scu.Peer("127.0.0.1", dimse.port, "ARCHIPEL", AET)
    with scu.Association(peer, ((CT, [EXPLICIT]),)) as association:
        for ds in study:
            assert association.store(CT, str(ds.SOPInstanceUID), EXPLICIT, [dataset(ds)]).status == 0
        wait_until(lambda: client.get("/api/v1/system").json()["associations"], seconds=15, every_s=0.5)
        (seen,) = client.get("/api/v1/system").json()["associations"]
        assert (seen["calling_aet"], seen["received_count"]) == (AET, 3), "the web process shows what the DICOM process holds"
        assert figures(dimse)["archipel_associations_open", ("in",)] == 1
    uid = str(study[0].StudyInstanceUID)
    assert len(client.get(f"/dicom-web/studies/{uid}/instances").json()) == 3
    # Nobody does the work yet: the followers stand still, and the page says so.
    state = client.get("/api/v1/system").json()
    assert all(one["lag"] > 0 for one in state["feed"]["followers"])
    assert not any("work" in one["does"] for one in state["processes"])
    workers = [start("work"), start("work")]
    wait_until(lambda: all(not one["lag"] for one in client.get("/api/v1/system").json()["feed"]["followers"]), seconds=30, every_s=0.5)
    wait_until(lambda: client.get(f"/api/v1/exams/{uid}").json()["settled"], seconds=30, every_s=0.5)
    assert [one["received"] for one in client.get("/api/v1/system").json()["last_hour"] if one["received"]] in ([3], [1, 2], [2, 1])
    measured = figures(dimse)
    assert measured["archipel_instances_received_total", ("dimse", "stored")] == 3
    assert measured["archipel_operation_seconds_count", ("dimse", "C-STORE")] == 3
    assert measured["archipel_receive_waiting", ()] == 0 and measured["archipel_disk_free_bytes", ()] > 1 << 30
    for worker in workers:
        measured = figures(worker)
        assert measured["archipel_feed_lag", ("archive.quiet_timer",)] >= 0 and ("archipel_jobs", ("waiting",)) in measured
        assert measured["archipel_database_bytes", ()] > 0 and measured["process_open_fds", ()] > 3
    text = "".join(member.metrics() for member in (dimse, http, *workers))
    assert not [word for word in (AET, "TESTE", "T-0001", uid, "A-0001") if word in text], "no label names a person, a device or an exam"
    for member in (dimse, http, *workers):
        assert member.stop() == 0
    assert dimse.process and dimse.process.text().count('"event": "dimse.request"') == 3
    lines = [json.loads(line) for line in (http.process.text() if http.process else "").splitlines() if "http.request" in line]
    assert {one["operation"] for one in lines} >= {"QIDO", "read"} and all(one["took_ms"] > 0 and one["http_request_id"] for one in lines)
    assert "Traceback" not in "".join(member.process.text() for member in (dimse, http, *workers) if member.process)


def test_everything_in_one_process_is_the_default(commands: Platform, start: Start) -> None:
    member = start("serve", "--dicom-port", str(free_port()))
    token = commands.token("checks", "physicist")
    state = fetch(f"http://127.0.0.1:{member.port}/api/v1/system", headers={"Authorization": f"Bearer {token}"})
    (process,) = state["processes"]
    assert process["does"] == ["dimse", "dicomweb", "mllp", "web", "work"]
    assert sorted(door["name"] for door in state["doors"]) == ["dicom", "health", "http"]
    assert member.stop() == 0


@pytest.mark.parametrize("doors", ["", "dimse,fhir", "work"])
def test_doors_that_do_not_exist_are_refused(tmp_path: Path, doors: str) -> None:
    done = subprocess.run(
        [str(ARCHIPEL), "serve", "--data", str(tmp_path / "data"), "--doors", doors], capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 1 and "--doors takes some of dimse,dicomweb,mllp,web" in done.stderr and "Traceback" not in done.stderr


def test_other_objects_on_the_same_database_are_refused(start: Start, commands: Platform, backend: Backend, tmp_path: Path) -> None:
    start("work")
    other = commands.environment | {"ARCHIPEL_BLOBS__URL": f"file://{tmp_path / 'elsewhere'}"}
    member = Member(tmp_path / "other", ("work",), other, data=commands.data)
    argv = [str(ARCHIPEL), *member.arguments, "--data", str(commands.data), "--health-port", str(member.health_port)]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, env=servers.os.environ | other)
    assert done.returncode == 1 and "they must be the same" in done.stderr and "Traceback" not in done.stderr, done.stderr
