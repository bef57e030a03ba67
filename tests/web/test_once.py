"""A request that is sent again under its Idempotency-Key."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from archipel import audit, directory
from tests import make
from tests.web.door import Door


def key(value: str) -> dict[str, str]:
    return {"Idempotency-Key": value}


def code(answer: httpx.Response) -> tuple[int, str]:
    return answer.status_code, answer.json()["error"]["code"]


def done(door: Door, action: str) -> int:
    with door.database.read() as tx:
        return len(audit.search(tx, action=action))


def test_the_same_key_and_body_is_done_once_and_answered_alike(door_on: Door) -> None:
    client = door_on.client("administrator")
    body = {"id": "east", "name": "East"}
    first = client.post("/sites", json=body, headers=key("a"))
    again = client.post("/sites", json={"name": "East", "id": "east"}, headers=key("a"))
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert done(door_on, "directory.add_site") == 3  # north, south, east
    assert code(client.post("/sites", json=body)) == (409, "site-exists")
    assert code(client.post("/sites", json=body | {"name": "Est"}, headers=key("a"))) == (409, "idempotency_key_reused")
    device = {"aet": "NEW", "host": "10.0.0.1", "port": 104}
    assert code(client.post("/devices", json=device, headers=key("a"))) == (409, "idempotency_key_reused")
    assert client.post("/devices", json=device, headers=key("b")).json() == client.post("/devices", json=device, headers=key("b")).json()


def test_a_key_belongs_to_its_account_and_lasts_a_day(door_on: Door) -> None:
    device = {"aet": "NEW", "host": "10.0.0.1", "port": 104}
    region, site = door_on.client("administrator"), door_on.client("site_administrator")
    assert site.post("/devices", json=device, headers=key("a")).status_code == 201
    assert code(region.post("/devices", json=device, headers=key("a"))) == (409, "device-exists")
    door_on.clock.advance(timedelta(hours=23).total_seconds())
    later = door_on.client("site_administrator")
    assert later.post("/devices", json=device, headers=key("a")).status_code == 201
    door_on.clock.advance(timedelta(hours=2).total_seconds())
    assert code(door_on.client("site_administrator").post("/devices", json=device, headers=key("a"))) == (409, "device-exists")


def test_a_failure_is_not_kept(door_on: Door) -> None:
    client = door_on.client("administrator")
    body = {"aet": "CT_NORTH", "host": "10.0.0.1", "port": 104}
    assert code(client.post("/devices", json=body, headers=key("a"))) == (409, "device-exists")
    client.delete("/devices/CT_NORTH")
    assert client.post("/devices", json=body, headers=key("a")).status_code == 201


@pytest.mark.parametrize("act", ["add", "reset"])
def test_a_one_time_password_is_never_kept(door_on: Door, act: str) -> None:
    client = door_on.client("administrator")
    if act == "add":
        path, body = "/accounts", {"login": "jane", "role": "radiologist"}
    else:
        door_on.account("jane", "radiologist")
        path, body = "/accounts/jane/reset-password", {}
    first = client.post(path, json=body, headers=key("a"))
    password = first.json()["one_time_password"]
    again = client.post(path, json=body, headers=key("a"))
    assert code(again) == (409, "already_done")
    assert "jane" in again.json()["error"]["public"] and password not in again.text
    with door_on.database.read() as tx:
        (kept,) = tx.execute(text("SELECT body FROM web_answer")).all()
        assert kept.body == ""
        assert directory.verified(tx, "jane", password) is not None  # the second request changed nothing
    if act == "add":
        assert code(client.post(path, json={**body, "name": "J"}, headers=key("a"))) == (409, "idempotency_key_reused")


def test_two_at_once_are_one(door_on: Door) -> None:
    (ds,) = make.ct_study(instances=1)
    door_on.store(ds)
    door_on.ready("administrator")
    together, answers = threading.Barrier(4), []
    path, token = f"/exams/{ds.StudyInstanceUID}/rejection", door_on.token("administrator")

    def post() -> None:
        with httpx.Client(base_url=door_on.url + "/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
            together.wait()
            answers.append(client.post(path, json={"code": "113001"}, headers=key("same")))

    threads = [threading.Thread(target=post) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [a.status_code for a in answers] == [201] * 4
    assert len({a.text for a in answers}) == 1
    assert done(door_on, "archive.reject") == 1


@pytest.mark.parametrize("value", ["", "two words", "x" * 201])
def test_a_key_that_is_none_is_refused(door: Door, value: str) -> None:
    answer = door.client("administrator").post("/sites", json={"id": "none", "name": "None"}, headers=key(value))
    assert code(answer) == (400, "idempotency_key")


def test_the_reference_names_the_header_where_it_counts(door: Door) -> None:
    paths: dict[str, Any] = httpx.get(door.url + "/api/openapi.json").json()["paths"]
    named = {
        path
        for path, methods in paths.items()
        for parameter in methods.get("post", {}).get("parameters", [])
        if parameter["name"] == "Idempotency-Key"
    }
    assert named == {
        f"/api/v1/{path}"
        for path in (
            "sites", "devices", "accounts", "accounts/{login}/reset-password", "exams/{study_uid}/rejection",
            "conflicts/{conflict_id}/resolution", "identity/records/{record_key}/unlinking", "identity/decisions/{decision_id}/undoing",
            "identity/proposals/{proposal_id}/decision", "hl7/peers", "devices/{aet}/controls",
        )
    }  # fmt: skip
