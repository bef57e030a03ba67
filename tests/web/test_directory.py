"""Sites, devices and accounts, and how far a site administrator reaches."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom import AE, evt
from pynetdicom.sop_class import Verification

from archipel import audit, directory
from tests import make
from tests.servers import free_port
from tests.web.door import PASSWORD, Door, running


def test_sites_are_listed_added_and_changed(door_on: Door) -> None:
    client = door_on.client("administrator")
    listed = client.get("/sites?limit=1000").json()
    assert [(s["id"], s["name"]) for s in listed["items"]] == [
        ("default", "Default site"), ("north", "North Hospital"), ("south", "South Practice")
    ]  # fmt: skip
    made = client.post("/sites", json={"id": "east", "name": "Est", "kind": "screening_centre", "issuer": None, "services": ["archive"]})
    assert made.status_code == 201
    assert made.json() == {
        "id": "east", "name": "Est", "kind": "screening_centre", "issuer": None, "services": ["archive"],
        "second_factor_roles": [], "finess": None, "active": True, "demo": False,
    }  # fmt: skip
    again = client.post("/sites", json={"id": "east", "name": "Est"})
    assert again.status_code == 409 and again.json()["error"]["code"] == "site-exists"
    changed = client.patch("/sites/east", json={"issuer": "EAST", "services": ["archive", "dose"], "active": False})
    assert changed.status_code == 200 and changed.json()["services"] == ["archive", "dose"] and changed.json()["active"] is False
    assert client.patch("/sites/east", json={"issuer": None, "name": None}).json()["issuer"] is None
    for body, field in (
        ({"id": "No Good", "name": "x"}, "id"), ({"id": "x", "name": ""}, "name"), ({"id": "x", "name": "x", "kind": "castle"}, "kind"),
        ({"id": "x", "name": "x", "services": ["magic"]}, "services"), ({"id": "x", "name": "x", "colour": "red"}, "colour"),
    ):  # fmt: skip
        refused = client.post("/sites", json=body)
        assert refused.status_code == 400 and refused.json()["error"]["field"] == field, refused.text
    assert client.patch("/sites/nowhere", json={"name": "x"}).status_code == 404
    assert [s["id"] for s in door_on.client("radiologist").get("/sites").json()["items"]] == ["north"]


def test_devices_are_listed_added_changed_and_removed(door_on: Door) -> None:
    client = door_on.client("administrator")
    assert [d["aet"] for d in client.get("/devices").json()["items"]] == ["CR_SOUTH", "CT_NORTH"]
    body = {"aet": "A/B", "host": "127.0.0.1", "port": 11112, "site_id": "south", "description": "MR", "tls": False}
    made = client.post("/devices", json=body)
    flags = {"receives_rejections": False, "receives_from_other_sites": False}
    assert made.status_code == 201 and made.json() == {
        **body, "active": True, **flags, "receives_work": True, "stopped": [], "due": [],
    }  # fmt: skip
    for flag in flags:
        assert client.patch("/devices/A%2FB", json={flag: True}).json()[flag] is True
    assert [d["receives_rejections"] for d in client.get("/devices").json()["items"]] == [True, False, False]
    again = client.post("/devices", json=body)
    assert again.status_code == 409 and again.json()["error"]["code"] == "device-exists"
    changed = client.patch("/devices/A%2FB", json={"port": 104, "active": False, "description": None})
    assert (changed.json()["port"], changed.json()["active"], changed.json()["description"]) == (104, False, None)
    for change, field in (({"port": 0}, "port"), ({"host": "two words"}, "host"), ({"site_id": "nowhere"}, "site_id")):
        refused = client.patch("/devices/A%2FB", json=change)
        assert refused.status_code in (400, 403, 404), field
    assert client.delete("/devices/A%2FB").status_code == 204
    assert client.delete("/devices/A%2FB").status_code == 404


def test_only_who_manages_sites_opens_a_device_to_other_sites(door: Door) -> None:
    client, region = door.client("site_administrator"), door.client("administrator")
    body = {"aet": "OPEN", "host": "10.0.0.1", "port": 104}
    assert client.post("/devices", json=body | {"receives_from_other_sites": True}).status_code == 403
    assert client.post("/devices", json=body | {"receives_rejections": True}).json()["receives_rejections"] is True
    assert client.patch("/devices/OPEN", json={"receives_from_other_sites": True}).status_code == 403
    assert region.patch("/devices/OPEN", json={"receives_from_other_sites": True}).status_code == 200
    for change in ({"host": "10.0.0.2"}, {"receives_from_other_sites": False}, {"site_id": "north"}):
        assert client.patch("/devices/OPEN", json=change).json()["error"]["code"] == "no-right"
    region.delete("/devices/OPEN")


def test_a_site_administrator_reaches_the_own_sites_devices_only(door: Door) -> None:
    client = door.client("site_administrator")
    assert [d["aet"] for d in client.get("/devices").json()["items"]] == ["CT_NORTH"]
    assert client.patch("/devices/CT_NORTH", json={"description": "ours"}).status_code == 200
    for answer in (
        client.patch("/devices/CR_SOUTH", json={"port": 1}), client.delete("/devices/CR_SOUTH"), client.post("/devices/CR_SOUTH/echo"),
    ):  # fmt: skip
        assert answer.status_code == 404
    taken = client.post("/devices", json={"aet": "CR_SOUTH", "host": "10.0.0.1", "port": 104})
    assert taken.status_code == 409
    elsewhere = client.post("/devices", json={"aet": "NEW", "host": "10.0.0.1", "port": 104, "site_id": "south"})
    assert elsewhere.status_code == 403 and elsewhere.json()["error"]["code"] == "other-site"
    assert client.patch("/devices/CT_NORTH", json={"site_id": "south"}).status_code == 403
    assert client.post("/devices", json={"aet": "NEW", "host": "10.0.0.1", "port": 104}).json()["site_id"] == "north"
    client.delete("/devices/NEW")


@pytest.fixture
def verification_peer() -> Iterator[int]:
    """pynetdicom answering C-ECHO as PEER."""
    ae = AE(ae_title="PEER")
    ae.require_called_aet = True
    ae.add_supported_context(Verification)
    port = free_port()
    server = ae.start_server(("127.0.0.1", port), block=False, evt_handlers=[(evt.EVT_C_ECHO, lambda event: 0x0000)])
    yield port
    server.shutdown()


def test_a_device_is_called(door: Door, verification_peer: int) -> None:
    client = door.client("site_administrator")
    client.post("/devices", json={"aet": "PEER", "host": "127.0.0.1", "port": verification_peer})
    result = client.post("/devices/PEER/echo").json()
    assert result["ok"] is True and result["reason"] is None and result["took_ms"] >= 0
    client.post("/devices", json={"aet": "OTHER", "host": "127.0.0.1", "port": verification_peer})
    rejected = client.post("/devices/OTHER/echo").json()
    assert (rejected["ok"], rejected["reason"]) == (False, "rejected")
    assert "AE title" in rejected["public"]
    client.patch("/devices/PEER", json={"port": free_port()})
    silent = client.post("/devices/PEER/echo").json()
    assert (silent["ok"], silent["reason"]) == (False, "no-connection")


def test_a_device_that_says_nothing_does_not_hold_the_page(door: Door) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        client = door.client("administrator")
        client.post("/devices", json={"aet": "MUTE", "host": "127.0.0.1", "port": listening.getsockname()[1]})
        result = client.post("/devices/MUTE/echo").json()
    assert (result["ok"], result["reason"]) == (False, "timeout") and result["took_ms"] < 20_000


def test_accounts_are_added_changed_and_their_sessions_ended(door: Door) -> None:
    client = door.client("administrator")
    made = client.post("/accounts", json={"login": "dr.who", "name": "Dr Who", "role": "radiologist", "site_id": "south"})
    assert made.status_code == 201
    body = made.json()
    assert (body["login"], body["role"], body["site_id"], body["active"], body["last_sign_in_at"]) == (
        "dr.who", "radiologist", "south", True, None
    )  # fmt: skip
    assert client.post("/accounts", json={"login": "dr.who", "role": "radiologist"}).status_code == 409
    token = door.client("dr.who")
    browser = door.client()
    assert browser.post("/session", json={"login": "dr.who", "password": body["one_time_password"]}).status_code == 200
    assert token.get("/exams").status_code == 200 and browser.get("/session").status_code == 200
    reset = client.post("/accounts/dr.who/reset-password")
    assert reset.status_code == 200 and reset.json()["one_time_password"] != body["one_time_password"]
    assert token.get("/exams").status_code == 401 and browser.get("/session").status_code == 401
    assert browser.post("/session", json={"login": "dr.who", "password": body["one_time_password"]}).status_code == 401
    token = door.client("dr.who")
    assert client.patch("/accounts/dr.who", json={"active": False, "name": "Gone"}).json()["active"] is False
    assert token.get("/exams").status_code == 401
    assert browser.post("/session", json={"login": "dr.who", "password": reset.json()["one_time_password"]}).status_code == 401
    (listed,) = [a for a in client.get("/accounts").json()["items"] if a["login"] == "dr.who"]
    assert listed["name"] == "Gone" and "password" not in str(listed).replace("must_change_password", "")


def test_the_last_administrator_stays(door: Door) -> None:
    client = door.client("administrator")
    for change in ({"active": False}, {"role": "radiologist"}):
        refused = client.patch("/accounts/administrator", json=change)
        assert refused.status_code == 409 and refused.json()["error"]["code"] == "last-administrator"


def test_a_site_administrator_cannot_go_beyond_the_own_site_and_role(door: Door) -> None:
    door.ready("administrator")
    door.ready("archive_operator")
    door.ready("south_doctor")
    client = door.client("site_administrator")
    assert {a["site_id"] for a in client.get("/accounts").json()["items"]} == {"north"}
    allowed = client.post("/accounts", json={"login": "tech1", "role": "technician"})
    assert allowed.status_code == 201 and allowed.json()["site_id"] == "north"
    refused: list[tuple[str, str, dict[str, Any]]] = [
        ("POST", "/accounts", {"login": "evil1", "role": "administrator"}),
        ("POST", "/accounts", {"login": "evil2", "role": "archive_operator"}),
        ("POST", "/accounts", {"login": "evil3", "role": "technician", "site_id": "south"}),
        ("PATCH", "/accounts/tech1", {"role": "administrator"}),
        ("PATCH", "/accounts/tech1", {"role": "archive_operator"}),
        ("PATCH", "/accounts/tech1", {"site_id": "south"}),
        ("PATCH", "/accounts/site_administrator", {"role": "administrator"}),
        ("PATCH", "/accounts/administrator", {"active": False}),
        ("POST", "/accounts/administrator/reset-password", {}),
        ("POST", "/accounts/archive_operator/reset-password", {}),
        ("PATCH", "/accounts/south_doctor", {"name": "x"}),
        ("POST", "/accounts/south_doctor/reset-password", {}),
    ]
    for method, path, body in refused:
        answer = client.request(method, path, json=body)
        assert answer.status_code in (403, 404), (method, path, answer.text)
    assert {a["login"] for a in door.client("administrator").get("/accounts").json()["items"]}.isdisjoint({"evil1", "evil2", "evil3"})
    unknown = client.post("/accounts", json={"login": "x1", "role": "king"})
    assert unknown.status_code == 400 and unknown.json()["error"]["field"] == "role"


def test_the_same_name_at_the_same_moment_is_one_account(door_on: Door) -> None:
    token = door_on.token("administrator")
    statuses: list[int] = []

    def add() -> None:
        with door_on.client() as client:
            client.headers["Authorization"] = f"Bearer {token}"
            statuses.append(client.post("/accounts", json={"login": "twin", "role": "physicist"}).status_code)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(statuses) == [201, 409, 409, 409]


def test_roles_are_told(door: Door) -> None:
    roles = {r["role"]: r["permissions"] for r in door.client("radiologist").get("/roles").json()}
    assert "account.manage" in roles["administrator"] and "account.manage" not in roles["radiologist"] and "device" not in roles


def test_acts_on_the_directory_are_in_the_audit_trail(door: Door) -> None:
    client = door.browser("administrator", PASSWORD)
    client.post("/accounts", json={"login": "audited", "role": "physicist"})
    client.patch("/sites/south", json={"name": "South Practice 2"})
    with door.database.read() as tx:
        actions = {(r.action, r.object_id, r.actor.id) for r in audit.search(tx, actor_id="administrator")}
    assert {("directory.add_account", "audited", "administrator"), ("directory.change_site", "south", "administrator")} <= actions


def test_people_of_the_training_region_reach_nothing_outside_it(tmp_path: Path) -> None:
    """Their passwords are public: an administrator there administers the training region alone."""
    with running(tmp_path) as door:
        door.database.transact(lambda tx: directory.set_demo(tx, ["south"]))
        door.account("trainer", "administrator", "south")
        door.ready("radiologist")
        client = door.client("trainer")
        assert client.get("/session").json()["demo"] is True
        assert [s["id"] for s in client.get("/sites").json()["items"]] == ["south"]
        assert client.patch("/sites/south", json={"name": "Training"}).status_code == 200
        for method, path, body in (
            ("PATCH", "/sites/north", {"active": False}), ("POST", "/sites", {"id": "mine", "name": "Mine"}),
            ("POST", "/accounts", {"login": "mole", "role": "administrator", "site_id": "north"}),
            ("PATCH", "/accounts/radiologist", {"role": "administrator"}), ("POST", "/accounts/radiologist/reset-password", None),
            ("PATCH", "/devices/CT_NORTH", {"host": "10.0.0.9"}), ("DELETE", "/devices/CT_NORTH", None),
            ("POST", "/devices", {"aet": "PROBE", "host": "127.0.0.1", "port": 22}),
        ):  # fmt: skip
            assert client.request(method, path, json=body).status_code in (403, 404), (method, path)
        assert client.post("/devices", json={"aet": "TOY", "host": "192.0.2.7", "port": 104}).status_code == 201
        assert client.patch("/devices/TOY", json={"host": "10.0.0.1"}).json()["error"]["code"] == "demo-address"
        (north,) = door.store(make.cr_image())
        assert client.get(f"/exams/{north.study_uid}").status_code == 404
        assert client.get("/exams").json()["total"] == 0
