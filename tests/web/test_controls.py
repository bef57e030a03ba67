"""The controls of devices over the API: who records them, what they stop, and that storing goes on."""

from __future__ import annotations

from datetime import timedelta

from tests.web.door import START, Door

ON = START.date().isoformat()


def test_a_serious_result_is_shown_with_the_device_until_a_conform_one(door_on: Door) -> None:
    engineer, site = door_on.client("biomedical_engineer"), door_on.client("site_administrator")
    (device,) = engineer.get("/devices").json()["items"]
    assert device["aet"] == "CT_NORTH" and device["receives_work"] is True and device["due"] == []
    due = (START - timedelta(days=1)).date().isoformat()
    body = {"kind": "quality_control", "on": "2025-09-01", "by": "Qualimed", "result": "conform", "next_due_on": due}
    assert engineer.post("/devices/CT_NORTH/controls", json=body).status_code == 201
    assert site.get("/devices").json()["items"][0]["due"] == [{"kind": "quality_control", "on": due, "overdue": True}]
    serious = {"kind": "quality_control", "on": ON, "by": "Qualimed", "result": "serious", "services": ["screening"], "note": "Artefact"}
    made = door_on.client("physicist").post("/devices/CT_NORTH/controls", json=serious)
    assert made.status_code == 201 and made.json()["recorded_by"] == "physicist" and made.json()["next_due_on"] is None
    (device,) = site.get("/devices").json()["items"]
    assert device["receives_work"] is False and device["active"] is True
    assert device["stopped"] == [{"service": "screening", "reason": f"Serious non-conformity on {ON}: Artefact"}]
    assert [c["result"] for c in site.get("/devices/CT_NORTH/controls").json()["items"]] == ["serious", "conform"]
    assert engineer.post("/devices/CT_NORTH/controls", json={**serious, "result": "conform"}).status_code == 201
    assert site.get("/devices").json()["items"][0]["receives_work"] is True


def test_controls_keep_to_the_site_and_to_their_form(door: Door) -> None:
    engineer, site = door.client("biomedical_engineer"), door.client("site_administrator")
    body = {"kind": "maintenance", "on": ON, "by": "x", "result": "conform"}
    assert site.post("/devices/CT_NORTH/controls", json=body).json()["error"]["code"] == "no-right"
    for method in ("GET", "POST"):
        assert engineer.request(method, "/devices/CR_SOUTH/controls", json=body).json()["error"]["code"] == "no-device"
    for wrong, field in (
        ({"on": "2999-01-01"}, "on"), ({"on": "yesterday"}, "on"), ({"result": "fine"}, "result"), ({"services": ["archive"]}, "services"),
        ({"by": ""}, "by"), ({"next_due_on": ON}, "next_due_on"), ({"note": "a\nb"}, "note"),
    ):  # fmt: skip
        refused = engineer.post("/devices/CT_NORTH/controls", json={**body, **wrong})
        assert refused.status_code == 400 and refused.json()["error"]["field"] == field, refused.text
