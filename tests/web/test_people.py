"""Professionals, structures and units over the API."""

from __future__ import annotations

from tests.web.door import Door

RPPS = "10100534436"


def test_professionals_are_added_found_and_given_memberships(door_on: Door) -> None:
    client, site = door_on.client("administrator"), door_on.client("site_administrator")
    legal = client.put("/structures/970000001", json={"kind": "legal", "name": "CHU"})
    assert legal.json() == {"finess": "970000001", "kind": "legal", "name": "CHU", "legal_finess": None}
    place = {"kind": "geographic", "name": "CHU, site central", "legal_finess": "970000001"}
    assert client.put("/structures/970000018", json=place).status_code == 200
    assert [s["finess"] for s in site.get("/structures").json()["items"]] == ["970000001", "970000018"]
    assert client.patch("/sites/north", json={"finess": "970000018"}).json()["finess"] == "970000018"
    assert client.patch("/sites/north", json={"finess": "970000001"}).json()["error"]["field"] == "finess"
    made = client.put(f"/professionals/{RPPS}", json={"family": "PICQUÉ", "given": "Jean", "profession": "10"})
    assert made.status_code == 200 and made.json()["memberships"] == [] and made.json()["login"] is None
    said = {"finess": "970000018", "role": "radiologist", "from_on": "2024-01-01"}
    for end in (None, "2026-12-31"):
        changed = client.put(f"/professionals/{RPPS}/memberships", json={**said, "to_on": end})
        assert changed.json()["memberships"] == [{**said, "to_on": end}]
    door_on.ready("radiologist")
    assert client.patch("/accounts/radiologist", json={"rpps": RPPS}).status_code == 200
    found = site.get("/professionals", params={"q": "picque"}).json()
    assert (found["total"], found["items"][0]["rpps"]) == (1, RPPS)
    assert site.get(f"/professionals/{RPPS}").json()["login"] == "radiologist"
    door_on.account("far", "site_administrator", "south")
    assert door_on.client("far").get(f"/professionals/{RPPS}").json()["login"] is None


def test_what_is_wrong_is_said(door: Door) -> None:
    client = door.client("administrator")
    assert client.get("/professionals/10000023084").json()["error"]["code"] == "no-professional"
    assert client.put("/professionals/10100534437", json={"family": "X"}).json()["error"]["code"] == "rpps"
    assert client.put("/professionals/123", json={"family": "X"}).status_code == 400
    assert client.put(f"/professionals/{RPPS}", json={"family": "=X"}).json()["error"]["field"] == "family"
    unknown = {"kind": "geographic", "name": "X", "legal_finess": "970000001"}
    assert client.put("/structures/970000018", json=unknown).json()["error"]["code"] == "no-structure"


def test_units_are_of_a_site_within_reach(door: Door) -> None:
    site = door.client("site_administrator")
    assert site.put("/sites/north/units/RAD", json={"name": "Radiology"}).json() == {"code": "RAD", "name": "Radiology", "active": True}
    assert [u["code"] for u in site.get("/sites/north/units").json()["items"]] == ["RAD"]
    assert site.put("/sites/south/units/RAD", json={"name": "Radiology"}).json()["error"]["code"] == "other-site"
