"""What one site learns of another that names patients under the same issuer: nothing."""

from __future__ import annotations

from typing import Any

from archipel import archive
from archipel.archive import ConflictKind, Level, Query
from archipel.kit.scope import Scope
from tests import make
from tests.archive.room import EVERYTHING, Room

NAME, BIRTH_DATE, PATIENT_ID = "00100010", "00100030", "00100020"
OF_B = Scope.of_sites(["b"], "tests")
CT = "1.2.840.10008.5.1.4.1.1.2"
SHARED = {"PatientID": "P-7", "IssuerOfPatientID": "REGION"}


def ct(**attributes: Any) -> Any:
    return make.with_pixels(make.instance(CT, "CT", **attributes))


def patients(room: Room, scope: Scope, patient_id: str) -> list[dict[str, Any]]:
    with room.database.read() as tx:
        return archive.find(tx, scope, Query(Level.PATIENT, {PATIENT_ID: patient_id})).rows


def test_a_patient_search_shows_the_patient_as_the_own_exams_name_it(room: Room) -> None:
    room.send(ct(**SHARED, PatientName="SECRET^A", PatientBirthDate="19500505"), site_id="a")
    room.send(ct(**SHARED, PatientName="GUESS^B", PatientBirthDate="20000101"), site_id="b")
    (row,) = patients(room, OF_B, "P-7")
    assert row[NAME]["Value"] == [{"Alphabetic": "GUESS^B"}]
    assert row[BIRTH_DATE]["Value"] == ["20000101"]
    assert row["00201200"]["Value"] == [1], "only the own exams are counted"
    assert "0020000D" not in row and "00080020" not in row, "nothing of an exam at this level"


def test_a_conflict_shows_another_sites_patient_to_who_sees_both_sites_only(room: Room) -> None:
    room.send(ct(**SHARED, PatientName="SECRET^A", PatientBirthDate="19500505"), site_id="a")
    room.send(ct(**SHARED, PatientName="GUESS^B", PatientBirthDate="20000101"), site_id="b")
    (shown,) = room.conflicts(scope=OF_B)
    assert shown.kind is ConflictKind.PATIENT_ATTRIBUTES
    assert (shown.archived, shown.differences) == ({}, ())
    assert shown.received[NAME] == "GUESS^B"
    with room.database.read() as tx:
        assert archive.conflict_with_id(tx, OF_B, shown.id).archived == {}
    (whole,) = room.conflicts(scope=EVERYTHING)
    assert whole.archived[NAME] == "SECRET^A"
    assert {one.keyword for one in whole.differences} == {"PatientName", "PatientBirthDate"}


def test_a_contradiction_within_one_site_is_shown_there(room: Room) -> None:
    room.send(ct(**SHARED, PatientName="FIRST^B"), site_id="b")
    room.send(ct(**SHARED, PatientName="SECOND^B"), site_id="b")
    (shown,) = room.conflicts(scope=OF_B)
    assert shown.archived[NAME] == "FIRST^B"


def test_an_issuer_of_our_own_making_does_not_reach_another_sites_patients(room: Room) -> None:
    room.send(ct(PatientID="BARE", IssuerOfPatientID=None, PatientName="SECRET^A"), site_id="a")
    room.send(ct(PatientID="BARE", IssuerOfPatientID="site:a", PatientName="GUESS^B"), site_id="b")
    assert room.totals()["patients"] == 2
    assert room.conflicts() == []
