"""The system page, parked changes, the training region's reset, and the live stream."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from archipel import __version__
from archipel.archive import Scrubber, seal_study, settle_due
from archipel.archive import followers as archive_followers
from archipel.archive.changes import InstanceStored
from archipel.kit import jobs
from archipel.kit.feed import Follower, advance
from archipel.web.streams import STREAM_COUNT_MAX
from tests import make
from tests.web.door import START, Door, running


def test_the_system_page_says_what_runs_and_what_is_kept(door_on: Door) -> None:
    door = door_on
    door.store(*make.ct_study(series=2, instances=2))
    door.database.transact(lambda tx: jobs.enqueue(tx, "some.job", {"id": 1}))
    client = door.client("physicist")
    client.get("/system")
    time.sleep(1)
    state = client.get("/system").json()
    assert state["version"] == __version__ and state["started_at"] == START.strftime("%Y-%m-%dT%H:%M:%SZ")
    assert state["database"] == door.database.dialect and state["blobs"] in ("file", "s3")
    assert state["counts"] == {"patients": 1, "studies": 1, "series": 2, "instances": 4, "conflicts_open": 0}
    assert state["jobs"] == {"waiting": 1, "running": 0, "failed": 0}
    assert {f["name"] for f in state["feed"]["followers"]} == {f.name for f in archive_followers(door.blobs, quiet_s=60)}
    assert state["feed"]["position"] > 0
    disk = state["disk"]
    assert disk["data_total_bytes"] > disk["data_free_bytes"] > 0 and disk["database_bytes"] > 0 and disk["blobs_bytes"] > 4 * 512
    assert [d["name"] for d in state["doors"]] == ["http", "dicom"] and state["associations"] == []
    assert [j["name"] for j in client.get("/system/jobs").json()["items"]] == ["some.job"]
    assert state["verification"] == {"started_at": None, "ended_at": None, "instance_count": 0, "size_bytes": 0, "damaged": 0}
    scrubber = Scrubber(door.database, door.blobs, every_days=30, bytes_per_s=0)
    while scrubber.scrub():
        pass
    verified = client.get("/system").json()["verification"]
    assert verified["started_at"] and verified["ended_at"]
    assert (verified["instance_count"], verified["damaged"]) == (4, 0)


def test_the_system_page_says_how_far_sealing_is(door_on: Door) -> None:
    door = door_on
    study = make.ct_study(series=2, instances=2)
    door.store(*study)
    client = door.client("physicist")
    client.get("/system")
    time.sleep(1)
    state = client.get("/system").json()
    assert state["copies"] is None and state["volume"]["received_bytes"] > 4 * 512 < state["volume"]["stored_bytes"]
    opened = {"active": True, "sealed_series": 0, "open_series": 2, "waiting_studies": 0, "lag_s": 0, "objects_let_go": 0}
    assert state["sealing"] == opened
    door.clock.advance(3600)
    door.database.transact(lambda tx: settle_due(tx, quiet_s=60))
    for follower in archive_followers(door.blobs, quiet_s=60):
        while advance(door.database, follower):
            pass
    door.clock.advance(90)
    assert client.get("/system").json()["sealing"] == opened | {"waiting_studies": 1, "lag_s": 90}
    assert seal_study(door.database, door.blobs, study[0].StudyInstanceUID) == 2
    found = client.get("/system").json()["sealing"]
    assert (found["sealed_series"], found["objects_let_go"] > 0) == (2, True)


def test_a_parked_change_is_shown_and_tried_again(tmp_path: Path) -> None:
    failing = threading.Event()
    failing.set()

    def act(tx: Any, changes: Sequence[Any]) -> None:
        if failing.is_set():
            raise RuntimeError("broken")

    follower = Follower("test.follower", (InstanceStored,), act, lambda tx: iter(()))
    with running(tmp_path, followers=(follower,)) as door:
        door.store(make.cr_image())
        while advance(door.database, follower):
            pass
        client = door.client("administrator")
        (parked,) = client.get("/system/parked").json()["items"]
        assert (parked["follower"], parked["kind"], parked["attempts"]) == ("test.follower", "InstanceStored", 1) and "broken" in parked[
            "error"
        ]
        assert client.get("/system").json()["feed"]["followers"][0]["parked"] == 1
        assert client.post(f"/system/parked/{parked['id']}/retry").json() == {"succeeded": False}
        failing.clear()
        assert client.post(f"/system/parked/{parked['id']}/retry").json() == {"succeeded": True}
        assert client.get("/system/parked").json()["items"] == []
        assert client.post(f"/system/parked/{parked['id']}/retry").status_code == 404


def test_the_training_region_is_reset_by_who_may(door: Door) -> None:
    before = len(door.resets)
    answer = door.client("administrator").post("/demo/reset")
    assert answer.status_code == 202
    until = time.monotonic() + 5
    while len(door.resets) == before:
        assert time.monotonic() < until
        time.sleep(0.02)


class Listening:
    """A browser that listens; events as (event, data)."""

    def __init__(self, door: Door, login: str) -> None:
        self.events: list[tuple[str, Any]] = []
        self.opened, self.ended = threading.Event(), threading.Event()
        self._client = door.client(login)
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        assert self.opened.wait(10)

    def _run(self) -> None:
        with self._client.stream("GET", "/live", timeout=60) as answer:
            assert answer.headers["content-type"].startswith("text/event-stream")
            name = ""
            for line in answer.iter_lines():
                self.opened.set()
                if line.startswith("event: "):
                    name = line.removeprefix("event: ")
                elif line.startswith("data: "):
                    self.events.append((name, json.loads(line.removeprefix("data: "))))
        self.ended.set()

    def wait(self, count: int) -> list[tuple[str, Any]]:
        until = time.monotonic() + 10
        while len(self.events) < count:
            assert time.monotonic() < until, self.events
            time.sleep(0.05)
        return self.events


@pytest.fixture
def streaming(tmp_path: Path) -> Iterator[Door]:
    with running(tmp_path) as made:
        yield made


def test_exams_are_told_as_they_arrive_within_the_scope(streaming: Door) -> None:
    door = streaming
    north, south, all_sites = (Listening(door, login) for login in ("radiologist", "south_doctor", "administrator"))
    time.sleep(2.5)
    objects = make.ct_study(instances=3)
    door.store(*objects)
    other = make.cr_image()
    door.store(other, site_id="south")
    uid, other_uid = str(objects[0].StudyInstanceUID), str(other.StudyInstanceUID)
    assert {d["study_uid"] for _, d in all_sites.wait(2)} >= {uid}
    assert ("exam", {"study_uid": uid, "instance_count": 3}) in north.wait(1) or north.wait(2)
    assert south.wait(1)[0] == ("exam", {"study_uid": other_uid, "instance_count": 1})
    time.sleep(1.5)
    assert {d["study_uid"] for _, d in north.events} == {uid} and {d["study_uid"] for _, d in south.events} == {other_uid}
    assert north.events[-1] == ("exam", {"study_uid": uid, "instance_count": 3})
    door.stopping.set()
    for one in (north, south, all_sites):
        assert one.ended.wait(5), "an open stream holds the end of the process up"


def test_open_streams_are_counted(streaming: Door) -> None:
    host, port = streaming.url.removeprefix("http://").split(":")
    ask = f"GET /api/v1/live HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {streaming.token('radiologist')}\r\n\r\n".encode()
    with ExitStack() as peers:
        for _ in range(STREAM_COUNT_MAX):
            peer = peers.enter_context(socket.create_connection((host, int(port)), timeout=30))
            peer.sendall(ask)
            assert peer.recv(4096).startswith(b"HTTP/1.1 200")
        refused = streaming.client("radiologist").get("/live")
        assert refused.status_code == 429 and refused.json()["error"]["code"] == "streams" and refused.headers["retry-after"] == "30"
