"""The identity officer's desk over HTTP."""

from __future__ import annotations

from datetime import timedelta

import pytest

from archipel import audit, directory, identity
from archipel.identity import LocalId, Seen, Traits
from tests.web.door import START, TESTER, Door

MARIE = Traits("DURAND", "MARIE", ("MARIE", "ANNE"), birth_date="19800214", sex="F", birth_place_insee="31555")


def take(door: Door, value: str, site: str, traits: Traits) -> str:
    """What a site says; the key of the record."""
    seen = Seen(LocalId(value, f"site:{site}"), site, traits, at=START + timedelta(seconds=len(value)))
    return door.database.transact(lambda tx: identity.take(tx, TESTER, seen)).record.key


@pytest.fixture
def pair(door: Door, request: pytest.FixtureRequest) -> tuple[str, str]:
    """Two records that look alike, other ones for each test."""
    name = "".join(c for c in request.node.name.upper() if c.isalpha())[-30:]
    said = Traits(name, "MARIE", (), birth_date="19800214", sex="F")
    return take(door, f"{name}1", "north", said), take(door, f"{name}2", "south", said)


def test_from_the_list_to_a_link_and_back(door: Door, pair: tuple[str, str]) -> None:
    officer = door.client("identity_officer")
    listed = officer.get("/identity/proposals").json()
    (proposal,) = [p for p in listed["items"] if {p["low"]["key"], p["high"]["key"]} == set(pair)]
    assert proposal["score"] >= 80 and "date.same" in proposal["reasons"]
    assert {t["trait"]: t["same"] for t in proposal["traits"]}["birth_family"] is True
    assert {proposal["low"]["site_name"], proposal["high"]["site_name"]} == {"North Hospital", "South Practice"}
    done = officer.post(f"/identity/proposals/{proposal['id']}/decision", json={"verdict": "link", "comment": "same card"})
    assert done.status_code == 200 and done.json()["state"] == "linked"
    person = officer.get("/identity/persons", params={"q": proposal["low"]["birth_family"]}).json()["items"]
    assert len(person) == 1 and person[0]["record_count"] == 2
    detail = officer.get(f"/identity/persons/{person[0]['id']}").json()
    assert {r["key"] for r in detail["records"]} == set(pair)
    (decision,) = detail["decisions"]
    assert (decision["kind"], decision["automatic"], decision["actor"], decision["comment"]) == (
        "link",
        False,
        "identity_officer",
        "same card",
    )
    undone = officer.post(f"/identity/decisions/{decision['id']}/undoing", json={})
    assert undone.status_code == 200 and undone.json()["undoes"] == decision["id"]
    assert len(officer.get("/identity/persons", params={"q": proposal["low"]["birth_family"]}).json()["items"]) == 2
    assert officer.post(f"/identity/decisions/{decision['id']}/undoing", json={}).json()["error"]["code"] == "undone-already"
    with door.database.read() as tx:
        assert any(r.object_id == person[0]["id"] for r in audit.search(tx, action="identity.open"))


def test_a_record_is_taken_from_its_person(door: Door, pair: tuple[str, str]) -> None:
    officer = door.client("identity_officer")
    door.database.transact(lambda tx: identity.link(tx, TESTER, *pair))
    answer = officer.post(f"/identity/records/{pair[0]}/unlinking", json={"comment": "twins"})
    assert answer.status_code == 200 and answer.json()["kind"] == "unlink"
    assert officer.post(f"/identity/records/{pair[0]}/unlinking", json={}).json()["error"]["code"] == "not-linked"


def test_a_decision_under_one_key_is_made_once(door: Door, pair: tuple[str, str]) -> None:
    officer = door.client("identity_officer")
    items = officer.get("/identity/proposals", params={"limit": 100}).json()["items"]
    (proposal,) = [p for p in items if {p["low"]["key"], p["high"]["key"]} == set(pair)]
    headers = {"Idempotency-Key": f"k-{proposal['id']}"}
    answers = [officer.post(f"/identity/proposals/{proposal['id']}/decision", json={"verdict": "link"}, headers=headers) for _ in range(2)]
    assert [a.status_code for a in answers] == [200, 200] and answers[0].json() == answers[1].json()


def test_pages_and_what_is_asked_wrongly(door: Door) -> None:
    officer = door.client("identity_officer")
    for n in range(4):
        take(door, f"P{n}", "north", Traits("PAGINA", "LUC", birth_date="19700101", sex="M", birth_place_insee="75056"))
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = officer.get("/identity/proposals", params={"limit": 2, "cursor": cursor}).json()
        seen += [p["id"] for p in page["items"]]
        cursor = page["next_cursor"]
    assert len(seen) == len(set(seen)) == page["total"] >= 6
    for path, status in (
        ("/identity/proposals?state=gone", 400), ("/identity/proposals?cursor=zzz", 400), ("/identity/persons", 400),
        (f"/identity/persons/{'0' * 32}", 404), ("/identity/persons/1", 400), (f"/identity/proposals/{'0' * 32}", 404),
    ):  # fmt: skip
        assert officer.get(path).status_code == status, path
    assert officer.post(f"/identity/proposals/{seen[0]}/decision", json={"verdict": "maybe"}).status_code == 400


def test_people_of_the_training_region_see_its_records_only(door: Door) -> None:
    with door.database.write() as tx:
        directory.add_site(tx, TESTER, directory.Site("training", "Training"))
        directory.set_demo(tx, ["training"])
        directory.add_account(tx, TESTER, login="trainee", role="administrator", site_id="training")
    key, mine = take(door, "D1", "north", replace_name("WALLACE")), take(door, "D2", "training", replace_name("WALLACE"))
    trainee = door.client("trainee")
    found = trainee.get("/identity/persons", params={"q": "wallace"}).json()["items"]
    assert [p["best"]["key"] for p in found] == [mine]
    with door.database.read() as tx:
        person_id = identity.record_with(tx, key).person_id
    assert trainee.get(f"/identity/persons/{person_id}").status_code == 404
    assert trainee.post(f"/identity/records/{key}/unlinking", json={}).status_code == 404


def replace_name(family: str) -> Traits:
    """Marie under another family name."""
    return Traits(family, "MARIE", birth_date="19800214", sex="F")
