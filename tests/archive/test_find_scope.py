"""Searching keeps to the scope, and finds issuers, words and flags as people expect."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from archipel import archive
from archipel.archive import Level, Query
from archipel.kit.actor import Actor
from archipel.kit.errors import NotFound
from archipel.kit.scope import Scope
from tests import make
from tests.archive import naive
from tests.archive.room import EVERYTHING, Room
from tests.archive.test_find import OBJECTS, SITE_A, SITE_B, Both, both

__all__ = ["both"]


@pytest.mark.parametrize("level", naive.LEVELS)
def test_a_site_never_sees_another_ones_exams(both: Both, level: str) -> None:
    own = {site: [ds for ds, s in OBJECTS if s == site] for site in "ab"}
    for scope, site in ((SITE_A, "a"), (SITE_B, "b")):
        assert set(both.keys(level, {}, scope)) == naive.find(own[site], level, {})
        for keyword in naive.LEVEL_OF:
            if keyword == "IssuerOfPatientID":
                continue
            for ds in own["b" if site == "a" else "a"][::5]:
                for value in naive.values(ds, keyword)[:1]:
                    found = set(both.keys(level, {keyword: value}, scope))
                    assert found <= naive.find(own[site], level, {})
    assert both.keys(level, {}, Scope.of_sites([], "tests")) == []


def test_locating_and_exams_keep_to_the_scope(both: Both) -> None:
    (foreign, *_) = [ds for ds, site in OBJECTS if site == "b"]
    for room in both.rooms:
        with room.database.read() as tx:
            for condition in (
                {"study_uid": str(foreign.StudyInstanceUID)}, {"series_uid": str(foreign.SeriesInstanceUID)},
                {"sop_instance_uid": str(foreign.SOPInstanceUID)}, {"patient": (str(foreign.PatientID), "")},
            ):  # fmt: skip
                assert archive.locate(tx, SITE_B, **condition)
                assert archive.locate(tx, SITE_A, **condition) == []
            with pytest.raises(NotFound):
                archive.exam(tx, SITE_A, str(foreign.StudyInstanceUID))
            assert archive.series_of(tx, SITE_A, str(foreign.StudyInstanceUID)) == []
            exams, total, _ = archive.exams(tx, SITE_A, Query(Level.STUDY, limit=100, count_total=True))
            assert total == len(exams) == 10
            assert {e.site_id for e in exams} == {"a"}
            with pytest.raises(ValueError):
                archive.locate(tx, SITE_A)
            assert archive.study_count_of_site(tx, "b") == 2


# --- issuers --------------------------------------------------------------------------------------------------------------------------


def test_issuers_are_found_as_they_are_shown(room: Room) -> None:
    bare_a, bare_b = make.ct_study(instances=1, IssuerOfPatientID=None), make.ct_study(instances=1, IssuerOfPatientID=None)
    named = make.ct_study(instances=1, IssuerOfPatientID="NAT")
    room.send(*bare_a, *named, site_id="a")
    room.send(*bare_b, site_id="b")

    def found(issuer: str) -> list[str]:
        with room.database.read() as tx:
            page = archive.find(tx, EVERYTHING, Query(Level.STUDY, {"00100021": issuer}))
        return [row["0020000D"]["Value"][0] for row in page.rows]

    assert found("NAT") == [named[0].StudyInstanceUID]
    assert found("HOSP-B") == [bare_b[0].StudyInstanceUID]
    assert found("site:a") == []
    assert found("s*") == []
    with room.database.read() as tx:
        rows = archive.find(tx, EVERYTHING, Query(Level.STUDY)).rows
    assert sorted(row.get("00100021", {}).get("Value", [""])[0] for row in rows) == ["", "HOSP-B", "NAT"]


def test_an_issuer_beside_a_universal_one_is_found(room: Room) -> None:
    qualifiers = Dataset()
    qualifiers.UniversalEntityID, qualifiers.UniversalEntityIDType = "1.2.250.1.213", "ISO"
    (ds,) = make.ct_study(instances=1, IssuerOfPatientID="LOCAL", IssuerOfPatientIDQualifiersSequence=[qualifiers])
    room.send(ds)
    for level in (Level.PATIENT, Level.STUDY):
        with room.database.read() as tx:
            (row,) = archive.find(tx, EVERYTHING, Query(level, {"00100021": "LOCAL"})).rows
        assert row["00100021"]["Value"] == ["LOCAL"]


# --- the web's search -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("dupont",), {1, 2, 7, 8}), (("jean",), {1, 2, 7, 8}), (("durand", "jeanne"), {2, 8}), (("ACC1",), {1, 2, 6, 7, 11, 12}),
        (("echo",), {4, 9}), (("thorax",), {1, 2, 6, 7, 11, 12}), (("1.2.3.5",), {5}), (("nobody",), set()), (("elodie",), {3, 9}),
    ],
)  # fmt: skip
def test_words_are_looked_for_where_people_expect(both: Both, words: tuple[str, ...], expected: set[int]) -> None:
    found = both.find(Query(Level.STUDY, words=words, limit=100)).rows
    assert {int(row["0020000D"]["Value"][0].rsplit(".", 1)[1]) for row in found} == expected


def test_flagged_and_of_one_site(both: Both, tmp_path: Path) -> None:
    assert both.find(Query(Level.STUDY, flagged=True)).rows == []
    assert len(both.find(Query(Level.STUDY, site_id="b")).rows) == 2
    assert Actor.system("x").kind == "system"
