"""The auditor's desk: acts looked up by each filter, in pages, as a table; the state of the chain; looking is an act too."""

from __future__ import annotations

import csv
import io

import pytest

from archipel import audit, directory
from archipel.directory import Site
from archipel.kit.actor import Actor
from tests.web.door import Door

UID = "1.2.840.1.5"


@pytest.fixture(scope="module", autouse=True)
def acts(door: Door) -> None:
    """Some acts by some people at two sites."""
    with door.database.write() as tx:
        directory.add_site(tx, Actor.system("t"), Site("nord", "Hôpital Nord"))
        for n in range(7):
            audit.record(
                tx, Actor("account", "claire", "Claire Élan", "technician", "nord", "10.0.0.1"), "archive.open", study_uid=UID, n=n
            )
        jean = Actor("account", "jean", "=cmd|x", "radiologist", "north")
        audit.record(tx, jean, "archive.reject", study_uid="1.2.840.1.6", outcome=audit.Outcome.REFUSED, code="113001")


@pytest.mark.parametrize(
    ("query", "count"),
    [
        ({"who": "CLAIR"}, 7), ({"who": "elan"}, 0), ({"who": "Élan"}, 7), ({"action": ["archive.reject"]}, 1),
        ({"action": ["archive.reject", "archive.open"]}, 8), ({"exam": UID}, 7), ({"exam": "no such accession"}, 0),
        ({"patient_id": "nobody"}, 0), ({"site_id": "nord"}, 7), ({"outcome": "refused", "who": "jean"}, 1),
        ({"date_to": "2000-01-01"}, 0), ({"date_from": "2999-01-01"}, 0), ({"exam": UID, "who": "jean"}, 0), ({"who": "%"}, 0),
    ],
)  # fmt: skip
def test_acts_are_found_by_each_filter(door: Door, query: dict[str, object], count: int) -> None:
    with door.client("auditor") as client:
        answer = client.get("/audit", params=query)
    assert answer.status_code == 200, answer.text
    assert len(answer.json()["items"]) == count


def test_pages_follow_one_another_without_a_gap_and_looking_is_one_act(door: Door) -> None:
    seen, cursor = [], ""
    with door.client("auditor") as client:
        while True:
            answer = client.get("/audit", params={"who": "claire", "limit": 3, "cursor": cursor}).json()
            seen += [one["detail"]["n"] for one in answer["items"]]
            cursor = answer["next_cursor"]
            if not cursor:
                break
        looked = client.get("/audit", params={"action": "audit.search", "limit": 1}).json()["items"]
    assert sorted(seen) == [0, 1, 2, 3, 4, 5, 6]
    assert [one["detail"]["fields"] for one in looked] == [["who"]]
    assert looked[0]["event_code"] == "110101"


def test_an_act_is_shown_whole(door: Door) -> None:
    with door.client("auditor") as client:
        (one,) = client.get("/audit", params={"exam": UID, "limit": 1}).json()["items"]
    assert {name: one[name] for name in ("actor_id", "actor_name", "actor_role", "site_name", "address", "action", "event_code")} == {
        "actor_id": "claire", "actor_name": "Claire Élan", "actor_role": "technician", "site_name": "Hôpital Nord", "address": "10.0.0.1",
        "action": "archive.open", "event_code": "110103",
    }  # fmt: skip


def test_the_table_is_safe_for_a_spreadsheet_and_is_an_act(door: Door) -> None:
    with door.client("auditor") as client:
        answer = client.get("/audit/records.csv", params={"who": "jean"})
        exported = client.get("/audit", params={"action": "audit.export"}).json()["items"]
    header, row = list(csv.reader(io.StringIO(answer.text.removeprefix("\ufeff"))))
    told = dict(zip(header, row, strict=True))
    assert (told["actor_name"], told["action"], told["event_code"], told["outcome"]) == ("'=cmd|x", "archive.reject", "110105", "refused")
    assert "attachment" in answer.headers["content-disposition"]
    assert len(exported) == 1


def test_a_site_administrator_sees_the_acts_of_its_own_people(door: Door) -> None:
    with door.client("site_administrator") as client:
        items = client.get("/audit", params={"who": "claire"}).json()["items"]
        other = client.get("/audit", params={"site_id": "nord"}).json()["items"]
        own = client.get("/audit", params={"who": "jean"}).json()["items"]
    assert (items, other, len(own)) == ([], [], 1)


def test_the_auditor_opens_no_exam(door: Door) -> None:
    with door.client("auditor") as client:
        assert client.get("/exams").status_code == 403


def test_the_state_of_the_chain_names_what_was_found(door: Door, tmp_path_factory: pytest.TempPathFactory) -> None:
    key = audit.signing_key(door.database, tmp_path_factory.mktemp("key") / "audit.key")
    assert key is not None
    door.database.transact(lambda tx: audit.chain(tx, key))
    with door.client("auditor") as client:
        before = client.get("/audit/state").json()
        assert before["chained_count"] >= 8 and before["verified_at"] is None and before["finding_count"] == 0
        found = audit.verify_chain(door.database, [])  # no key that is trusted
        door.database.transact(lambda tx: audit.note_verified(tx, found))
        after = client.get("/audit/state").json()
    assert after["finding_count"] == 1 and after["findings"][0]["kind"] == "head"
    assert after["verified_until"] == before["chained_until"]
