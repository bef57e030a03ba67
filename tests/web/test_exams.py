"""The exam list, one exam, instances, trace, rejection: on both back ends, within the reader's scope."""

from __future__ import annotations

import base64
import copy
import json
from typing import Any

import httpx
import pytest

from tests import make
from tests.web.door import Door


def uids(answer: httpx.Response) -> list[str]:
    assert answer.status_code == 200, answer.text
    return [item["study_uid"] for item in answer.json()["items"]]


def named(door: Door, name: str, patient_id: str, date: str, site_id: str = "north", **attributes: Any) -> str:
    (ds, *_) = objects = make.ct_study(
        series=1, instances=2, PatientName=name, PatientID=patient_id, StudyDate=date, IssuerOfPatientID=None, **attributes
    )
    outcomes = door.store(*objects, site_id=site_id)
    assert {o.fate.value for o in outcomes} == {"stored"}
    return str(ds.StudyInstanceUID)


def test_the_list_finds_names_without_accents_dates_ids_and_words(door_on: Door) -> None:
    door = door_on
    one = named(door, "LÉVÊQUE^Zoé", "N-1", "20260110", StudyDescription="Scanner thoracique", AccessionNumber="ACC-77")
    two = named(door, "Martin^Paul", "N-2", "20260201", StudyDescription="IRM cérébrale")
    south = named(door, "Leveque^Zoe", "S-1", "20260110", site_id="south")
    client = door.client("radiologist")
    everything = client.get("/exams")
    assert set(uids(everything)) == {one, two} and everything.json()["total"] == 2 and everything.json()["next_cursor"] is None
    for query in (
        {"patient_name": "leveque"}, {"patient_name": "zoe leveque"}, {"search": "LEVE"}, {"search": "thorac"}, {"search": "ACC-77"},
        {"patient_id": "N-1"}, {"accession_number": "ACC"}, {"date_to": "2026-01-31"}, {"date_from": "2026-01-10", "date_to": "2026-01-10"},
        {"description": "THORACIQUE"}, {"search": "zoe N-1"},
    ):  # fmt: skip
        assert uids(client.get("/exams", params=query)) == [one], query
    assert uids(client.get("/exams", params={"description": "cerebrale"})) == [two]
    assert uids(client.get("/exams", params={"modality": ["MR", "CT"], "date_from": "2026-02-01"})) == [two]
    for query in ({"modality": "MR"}, {"search": "zoe N-2"}, {"birth_date": "1999-01-01"}, {"site_id": "south"}, {"flagged": "true"}):
        assert uids(client.get("/exams", params=query)) == [], query
    assert uids(door.client("south_doctor").get("/exams")) == [south]
    assert set(uids(door.client("archive_operator").get("/exams"))) == {one, two, south}
    assert uids(door.client("administrator").get("/exams", params={"site_id": "south"})) == [south]


def test_an_exam_is_shown_in_iso_dates_and_plain_names(door_on: Door) -> None:
    door = door_on
    (ds, *_) = objects = make.ct_study(series=2, instances=2, PatientName="TESTE^Alice=テスト", BodyPartExamined="CHEST")
    door.store(*objects)
    client = door.client("radiologist")
    (row,) = client.get("/exams").json()["items"]
    assert row["patient"] == {"name": "TESTE^Alice", "id": "T-0001", "issuer": "TEST", "birth_date": "1970-01-31", "sex": "F"}
    assert (row["study_date"], row["study_time"], row["accession_number"]) == ("2026-01-15", "10:15:00", "A-0001")
    assert row["site"] == {"id": "north", "name": "North Hospital"}
    assert (row["series_count"], row["instance_count"], row["modalities"]) == (2, 4, ["CT"])
    assert row["received_at"].startswith("2026-03-02T09:30:00") and row["settled"] is False and row["rejected"] is False
    detail = client.get(f"/exams/{ds.StudyInstanceUID}").json()
    assert {key: detail[key] for key in row} == row
    assert [s["number"] for s in detail["series"]] == [1, 2] and detail["conflicts"] == []
    series = detail["series"][0]
    assert series["sop_classes"] == ["CT Image"] and series["body_part"] == "CHEST" and series["instance_count"] == 2
    assert series["thumbnail"] == f"/dicom-web/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/thumbnail"
    instances = client.get(f"/exams/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances").json()["items"]
    assert [(i["number"], i["sop_class"], i["frame_count"], i["rejected"]) for i in instances] == [
        (1, "CT Image", 1, False), (2, "CT Image", 1, False)
    ]  # fmt: skip
    assert instances[0]["transfer_syntax"] == "1.2.840.10008.1.2.1" and instances[0]["size_bytes"] > 512


def test_pages_follow_each_other_without_gap_or_repeat(door_on: Door) -> None:
    expected = {named(door_on, f"NAME{n}^X", f"P{n}", f"202601{n + 1:02}") for n in range(7)}
    client, seen, cursor = door_on.client("radiologist"), [], ""
    while True:
        answer = client.get("/exams", params={"limit": 3, "sort": "patient_name", "cursor": cursor})
        seen += uids(answer)
        assert answer.json()["total"] == 7
        cursor = answer.json()["next_cursor"]
        if cursor is None:
            break
    assert len(seen) == 7 and set(seen) == expected
    names = [e["patient"]["name"] for e in client.get("/exams", params={"sort": "-patient_name"}).json()["items"]]
    assert names == sorted(names, reverse=True)


def test_an_exam_that_moves_between_two_pages_takes_no_other_with_it(door_on: Door) -> None:
    door, client = door_on, door_on.client("radiologist")
    objects = {str(ds.StudyInstanceUID): ds for ds in (make.ct_study(instances=1, IssuerOfPatientID=None)[0] for _ in range(6))}
    for ds in objects.values():
        door.store(ds)
    for sort in ("received_at", "instance_count"):
        first = client.get("/exams", params={"limit": 2, "sort": sort})
        last = objects[uids(first)[-1]]
        more = copy.deepcopy(last)  # the exam at the end of the first page grows: it is the newest now, and the largest
        more.SOPInstanceUID = make.uid()
        door.store(more)
        seen, cursor = uids(first), first.json()["next_cursor"]
        while cursor:
            page = client.get("/exams", params={"limit": 2, "sort": sort, "cursor": cursor})
            seen += uids(page)
            cursor = page.json()["next_cursor"]
        assert set(seen) == set(objects), sort


def said(cursor: str) -> list[Any]:
    """What a cursor says, for whoever looks."""
    opened = base64.urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)).decode()
    return list(json.loads(opened[1:]))


def cursor_of(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


def test_a_cursor_says_what_the_list_shows_and_another_is_refused(door_on: Door) -> None:
    study = named(door_on, "ÉTOILE^姓", "1", "20260101")
    named(door_on, "LATER^L", "2", "20260101")
    client = door_on.client("radiologist")
    for sort in ("patient_name", "-study_date", "received_at", "instance_count", "modality", "description", "site"):
        answer = client.get("/exams", params={"limit": 1, "sort": sort}).json()
        assert said(answer["next_cursor"])[0] == sort and said(answer["next_cursor"])[-1] == answer["items"][0]["study_uid"]
        assert len(uids(client.get("/exams", params={"limit": 1, "sort": sort, "cursor": answer["next_cursor"]}))) == 1
        other = client.get("/exams", params={"sort": "birth_date", "cursor": answer["next_cursor"]})
        assert other.status_code == 400 and other.json()["error"]["field"] == "cursor"
    for text in (
        "k", "k[]", "k{}", "k1", 'k["-study_date"]', 'k["-study_date","20260101","1"]', 'k["-study_date","","","","",""]', f"a{study}",
        'k["-study_date",1,"",""]', 'k["-study_date",null,"",""]', 'k["-study_date","\\u0000","",""]', 'k["-study_date","\\ud800","",""]',
        'k["-study_date",["20260101"],"",""]', "k" + "[" * 3000, "k" + "9" * 3000, "o" + "9" * 3000, "o-1", "o²", "x",
    ):  # fmt: skip
        answer = client.get("/exams", params={"cursor": cursor_of(text)})
        assert answer.status_code == 400 and answer.json()["error"]["field"] == "cursor", text
    for number in (2**31, 10**30, -(10**30), 1.5):
        answer = client.get("/exams", params={"sort": "instance_count", "cursor": cursor_of(f'k["instance_count",{number},"","",""]')})
        assert answer.status_code == 400, number
    assert client.get("/exams", params={"cursor": "A" * 4097}).status_code == 400
    assert uids(client.get("/exams", params={"cursor": cursor_of("o0")})), "a cursor of the older form"


@pytest.mark.parametrize(
    ("query", "field"),
    [
        ({"sort": "size"}, "sort"), ({"cursor": "???"}, "cursor"), ({"cursor": "bzEy!"}, "cursor"), ({"limit": 0}, "limit"),
        ({"limit": 201}, "limit"), ({"date_from": "31/01/2026"}, "date_from"),
        ({"date_from": "2026-02-01", "date_to": "2026-01-01"}, "date_from"),
        ({"patient_name": "a\0b"}, "patient_name"), ({"search": "x" * 201}, "search"),
    ],
)  # fmt: skip
def test_a_filter_that_makes_no_sense_is_named(door: Door, query: dict[str, Any], field: str) -> None:
    answer = door.client("radiologist").get("/exams", params=query)
    assert answer.status_code == 400
    error = answer.json()["error"]
    assert error["kind"] == "invalid" and error["field"] == field and error["http_request_id"]


def test_no_text_breaks_the_search(door_on: Door) -> None:
    named(door_on, "SOMEONE^S", "1", "20260101")
    client = door_on.client("radiologist")
    for text in ("^", "=", "%", "_", "\\", "''", "?", "é", "-", "姓^名", "a" * 200, "\\\\*", "%' OR 1=1 --", "\U0001f600"):
        for name in ("search", "patient_name", "patient_id", "accession_number", "description", "site_id"):
            assert client.get("/exams", params={name: text}).status_code == 200, (name, text)


def test_another_sites_exam_is_not_there(door: Door) -> None:
    study = named(door, "HIDDEN^H", "H-1", "20260101")
    client = door.client("south_doctor")
    for path in (f"/exams/{study}", f"/exams/{study}/archive.zip", f"/exams/{study}/series/1.2/instances"):
        answer = client.get(path)
        assert answer.status_code == 404 and answer.json()["error"]["code"] == "no-study", path
    assert client.post(f"/exams/{study}/rejection", json={"code": "113001"}).status_code == 403


def test_opening_an_exam_is_in_its_trace_once_an_hour(door: Door) -> None:
    study = named(door, "TRACE^T", "TR-1", "20260101")
    reader, administrator = door.client("radiologist"), door.client("administrator")

    def openings() -> list[dict[str, Any]]:
        answer = administrator.get(f"/exams/{study}/trace")
        assert answer.status_code == 200
        return [e for e in answer.json()["items"] if e["action"] == "archive.open"]

    assert openings() == []
    for _ in range(3):
        reader.get(f"/exams/{study}")
    (entry,) = openings()
    assert entry["actor"] == "radiologist" and entry["actor_kind"] == "account" and entry["outcome"] == "success"
    door.clock.advance(3601)
    reader.get(f"/exams/{study}")
    assert len(openings()) == 2


def test_a_rejected_exam_leaves_the_list_and_comes_back(door_on: Door) -> None:
    door = door_on
    (ds, *_) = objects = make.ct_study(series=2, instances=2)
    door.store(*objects)
    study, client = str(ds.StudyInstanceUID), door.client("radiologist")
    part = client.post(
        f"/exams/{study}/rejection", json={"code": "113001", "sop_instance_uids": [str(ds.SOPInstanceUID)], "comment": "motion"}
    )
    assert part.status_code == 201 and part.json()["instance_count"] == 1
    instances = client.get(f"/exams/{study}/series/{ds.SeriesInstanceUID}/instances").json()["items"]
    assert [i["rejected"] for i in instances] == [True, False]
    assert client.post(f"/exams/{study}/rejection", json={"code": "113001"}).json()["instance_count"] == 3
    assert uids(client.get("/exams")) == []
    assert uids(client.get("/exams", params={"include_rejected": True})) == [study]
    assert client.get(f"/exams/{study}").json()["rejected"] is True
    nothing = client.post(f"/exams/{study}/rejection", json={"code": "113001"})
    assert nothing.status_code == 404 and nothing.json()["error"]["code"] == "nothing-to-reject"
    unknown = client.post(f"/exams/{study}/rejection", json={"code": "42"})
    assert unknown.status_code == 400 and unknown.json()["error"]["field"] == "code"
    assert client.get(f"/exams/{study}/archive.zip").status_code == 404
    assert client.delete(f"/exams/{study}/rejection").status_code == 204
    assert uids(client.get("/exams")) == [study]


def test_conflicts_are_listed_compared_and_decided(door_on: Door) -> None:
    door = door_on
    (ds,) = make.ct_study(instances=1)
    door.store(ds)
    ds.SeriesDescription = "other words"
    (outcome,) = door.store(ds)
    assert outcome.fate.value == "kept_aside"
    client = door.client("technician")
    listed = client.get("/conflicts", params={"state": "open"}).json()
    (conflict,) = listed["items"]
    assert listed["total"] == 1 and conflict["kind"] == "duplicate_instance" and conflict["sop_instance_uid"] == str(ds.SOPInstanceUID)
    assert [(d["keyword"], d["archived"], d["received"]) for d in conflict["differences"]] == [
        ("SeriesDescription", "CT series", "other words")
    ]
    assert client.get(f"/conflicts/{conflict['id']}").json()["same_pixels"] is True
    assert [c["id"] for c in client.get(f"/exams/{ds.StudyInstanceUID}").json()["conflicts"]] == [conflict["id"]]
    wrong = client.post(f"/conflicts/{conflict['id']}/resolution", json={"action": "delete"})
    assert wrong.status_code == 400 and wrong.json()["error"]["field"] == "action"
    decided = client.post(f"/conflicts/{conflict['id']}/resolution", json={"action": "use_received", "comment": "the later one"})
    assert decided.status_code == 200 and decided.json()["resolution"]["action"] == "use_received"
    again = client.post(f"/conflicts/{conflict['id']}/resolution", json={"action": "keep_archived"})
    assert again.status_code == 409
    assert client.get("/conflicts").json()["items"] == []
    assert len(client.get("/conflicts", params={"state": "resolved"}).json()["items"]) == 1
    assert door.client("site_administrator").get("/conflicts/" + "0" * 32).status_code == 404
