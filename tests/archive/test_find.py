"""Searching: every kind of matching, at every level, with the same answer and order on both databases."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archipel import archive
from archipel.archive import Level, Query, rows_narrow
from archipel.kit.errors import Invalid
from archipel.kit.scope import Scope
from tests.archive import naive
from tests.archive.room import EVERYTHING, Room
from tests.archive.searched import build
from tests.servers import Backend

SITE_A, SITE_B = Scope.of_sites(["a"], "tests"), Scope.of_sites(["b"], "tests")


OBJECTS = build()
DATASETS = [ds for ds, _ in OBJECTS]


class Both:
    """The same objects in an archive on SQLite and in one on PostgreSQL."""

    def __init__(self, rooms: list[Room]) -> None:
        self.rooms = rooms
        for room in rooms:
            room.clock.advance(1)  # type: ignore[attr-defined]
            for ds, site in OBJECTS:
                assert room.fates(ds, site_id=site) == ["stored"]

    def find(self, query: Query, scope: Scope = EVERYTHING) -> archive.Page:
        """The page, which must be the same on both, order included."""
        pages = []
        for room in self.rooms:
            with room.database.read() as tx:
                pages.append(archive.find(tx, scope, query))
        for page in pages[1:]:
            assert json.dumps(page.rows) == json.dumps(pages[0].rows)
            assert (page.total, page.more, page.unsupported) == (pages[0].total, pages[0].more, pages[0].unsupported)
        return pages[0]

    def keys(self, level: str, match: Mapping[str, str], scope: Scope = EVERYTHING, **options: Any) -> list[str]:
        """Unique keys of what is found by keyword."""
        query = Query(Level(level), {naive.path(k): v for k, v in match.items()}, limit=1000, **options)
        return [naive.row_key(row, level) for row in self.find(query, scope).rows]


@pytest.fixture(scope="module")
def both(postgres_server: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Both]:
    folder = tmp_path_factory.mktemp("find")
    name = f"t{uuid.uuid4().hex[:16]}"
    admin = postgres_server.replace("+psycopg", "") + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    rooms = []
    for kind, url in (("sqlite", f"sqlite:///{folder / 'a.db'}"), ("postgres", f"{postgres_server}/{name}")):
        (folder / kind).mkdir()
        rooms.append(Room(Backend(kind, url, f"file://{folder / kind / 'blobs'}"), folder / kind))
    yield Both(rooms)
    for room in rooms:
        room.close()
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


CASES: list[tuple[str, dict[str, str]]] = [
    # single value
    ("STUDY", {"PatientID": "A100"}), ("STUDY", {"PatientID": "a100"}), ("STUDY", {"PatientID": " A100 "}), ("STUDY", {"PatientID": "A10"}),
    ("PATIENT", {"PatientID": "Bé1"}), ("STUDY", {"StudyDescription": "CT thorax"}), ("SERIES", {"SeriesDescription": "AXIAL"}),
    ("STUDY", {"AccessionNumber": "ACC1"}), ("PATIENT", {"PatientSex": "F"}), ("STUDY", {"StudyID": "3"}),
    # wildcards, literal % _ too
    ("STUDY", {"PatientID": "A%00"}), ("STUDY", {"PatientID": "A_00"}), ("STUDY", {"PatientID": "A?00"}), ("STUDY", {"PatientID": "A*"}),
    ("STUDY", {"PatientID": "*00"}), ("STUDY", {"PatientID": "*0*B"}), ("STUDY", {"PatientID": "A%*"}), ("STUDY", {"PatientID": "A_*"}),
    ("STUDY", {"PatientID": "?1??"}), ("STUDY", {"AccessionNumber": "ACC?*"}), ("STUDY", {"StudyDescription": "*%*"}),
    ("STUDY", {"StudyDescription": "*e_l*"}), ("STUDY", {"InstitutionName": "Clinique*"}), ("STUDY", {"InstitutionName": "CHU?"}),
    ("SERIES", {"SeriesDescription": "lung_?%"}), ("STUDY", {"PatientID": "B?1"}), ("STUDY", {"AccessionNumber": "AÇ*"}),
    # universal
    ("STUDY", {"PatientID": ""}), ("STUDY", {"PatientID": "*"}), ("STUDY", {"PatientName": "**"}), ("PATIENT", {}), ("STUDY", {}),
    ("SERIES", {}), ("IMAGE", {}),
    # dates and times
    ("STUDY", {"StudyDate": "20260101"}), ("STUDY", {"StudyDate": "20260101-20260131"}), ("STUDY", {"StudyDate": "-20251231"}),
    ("STUDY", {"StudyDate": "20260102-"}), ("STUDY", {"StudyTime": "0800"}), ("STUDY", {"StudyTime": "08"}),
    ("STUDY", {"StudyTime": "080000-080000"}), ("STUDY", {"StudyTime": "-0759"}), ("STUDY", {"StudyTime": "2359-"}),
    ("STUDY", {"StudyTime": "101500.5"}), ("PATIENT", {"PatientBirthDate": "19500101-19500131"}), ("PATIENT", {"PatientBirthDate": "20000229"}),
    ("SERIES", {"SeriesTime": "1015"}), ("SERIES", {"SeriesTime": "101530"}), ("SERIES", {"SeriesTime": "101530.25-"}),
    ("SERIES", {"SeriesTime": "-1014"}), ("SERIES", {"SeriesDate": "20260101-20260101"}), ("IMAGE", {"ContentTime": "093000-0931"}),
    ("IMAGE", {"ContentTime": "0930"}), ("IMAGE", {"AcquisitionDateTime": "20260115"}), ("IMAGE", {"AcquisitionDateTime": "20260115101500-"}),
    ("IMAGE", {"AcquisitionDateTime": "-20251231"}), ("IMAGE", {"AcquisitionDateTime": "2026"}),
    # lists of UIDs
    ("STUDY", {"StudyInstanceUID": "1.2.3.1\\1.2.3.3\\1.2.3.99"}), ("SERIES", {"SeriesInstanceUID": "1.2.3.3.1\\1.2.3.3.2"}),
    ("IMAGE", {"SOPInstanceUID": "1.2.3.3.1.1\\1.2.3.1.1.2"}), ("STUDY", {"StudyInstanceUID": "1.2.3.?"}),
    # names
    ("PATIENT", {"PatientName": "dupont^jean"}), ("PATIENT", {"PatientName": "DUPONT*"}), ("PATIENT", {"PatientName": "dupont durand*"}),
    ("PATIENT", {"PatientName": "muller^elodie"}), ("PATIENT", {"PatientName": "MÜLLER*"}), ("PATIENT", {"PatientName": "*^élodie"}),
    ("PATIENT", {"PatientName": "山田^太郎"}), ("PATIENT", {"PatientName": "山田*"}), ("PATIENT", {"PatientName": "やまだ^たろう"}),
    ("PATIENT", {"PatientName": "Yamada^Tarou=山田^太郎=やまだ^たろう"}), ("PATIENT", {"PatientName": "=山田^太郎"}),
    ("PATIENT", {"PatientName": "иванова*"}), ("PATIENT", {"PatientName": "O?NEILL^SEAN"}), ("PATIENT", {"PatientName": "o'neill^sean"}),
    ("PATIENT", {"PatientName": "DUPONT"}), ("STUDY", {"ReferringPhysicianName": "lefevre^anne"}), ("STUDY", {"ReferringPhysicianName": "LEF?VRE*"}),
    ("STUDY", {"NameOfPhysiciansReadingStudy": "zoë^kim"}), ("STUDY", {"NameOfPhysiciansReadingStudy": "LEE*"}),
    ("SERIES", {"OperatorsName": "NUNEZ^PILAR"}), ("SERIES", {"OperatorsName": "nuñez*"}),
    # numbers
    ("SERIES", {"SeriesNumber": "2"}), ("SERIES", {"SeriesNumber": "010"}), ("IMAGE", {"InstanceNumber": "3"}), ("IMAGE", {"InstanceNumber": "+2"}),
    # sequences
    ("STUDY", {"ProcedureCodeSequence.CodeValue": "P1"}), ("STUDY", {"ProcedureCodeSequence.CodeValue": "P?"}),
    ("STUDY", {"ProcedureCodeSequence.CodeValue": "PX"}), ("SERIES", {"RequestAttributesSequence.RequestedProcedureID": "R2"}),
    ("SERIES", {"RequestAttributesSequence.RequestedProcedureID": "R9"}),
    # several keys, keys of higher levels
    ("SERIES", {"PatientID": "A*", "Modality": "MR"}), ("IMAGE", {"PatientName": "DUPONT*", "StudyDate": "20260101", "InstanceNumber": "2"}),
    ("IMAGE", {"StudyInstanceUID": "1.2.3.3", "SeriesInstanceUID": "1.2.3.3.2"}), ("IMAGE", {"ImageType": "AXIAL"}),
    # keys of lower levels
    ("STUDY", {"Modality": "MR"}), ("STUDY", {"SeriesDescription": "lung*"}), ("STUDY", {"SOPInstanceUID": "1.2.3.3.2.1"}),
    ("SERIES", {"SOPInstanceUID": "1.2.3.3.2.1"}), ("STUDY", {"Modality": "MR", "BodyPartExamined": "HEAD"}),
    ("STUDY", {"Modality": "MR", "SOPInstanceUID": "1.2.3.3.1.1"}), ("STUDY", {"SeriesNumber": "10"}), ("STUDY", {"InstanceNumber": "2"}),
    ("PATIENT", {"SeriesInstanceUID": "1.2.3.9.1"}), ("PATIENT", {"StudyDate": "2025"}), ("STUDY", {"OperatorsName": "bond*"}),
    ("STUDY", {"SeriesTime": "101530"}), ("SERIES", {"ContentTime": "2359"}), ("STUDY", {"SOPClassUID": "1.2.840.10008.5.1.4.1.1.4"}),
]  # fmt: skip


@pytest.mark.parametrize(("level", "match"), CASES, ids=[f"{level}-{match}" for level, match in CASES])
def test_matching(both: Both, level: str, match: dict[str, str]) -> None:
    found = both.keys(level, match)
    assert len(found) == len(set(found))
    assert set(found) == naive.find(DATASETS, level, match)


@pytest.mark.parametrize(
    "name", ["jean", "dup jea", "élo", "MUL", "太郎", "neill", "SEAN o", "durand", "たろう", "x", "j d", "иван", "*^*"]
)
def test_fuzzy_matching_is_by_the_beginnings_of_words(both: Both, name: str) -> None:
    assert set(both.keys("PATIENT", {"PatientName": name}, fuzzy=True)) == naive.find(
        DATASETS, "PATIENT", {"PatientName": name}, fuzzy=True
    )


@pytest.mark.parametrize("name", ["lefe ann", "smith", "jo"])
def test_fuzzy_matching_of_other_names(both: Both, name: str) -> None:
    key = {"ReferringPhysicianName": name}
    assert set(both.keys("STUDY", key, fuzzy=True)) == naive.find(DATASETS, "STUDY", key, fuzzy=True)


@st.composite
def queries(draw: st.DrawFn) -> tuple[str, dict[str, str]]:
    """A level and keys that are near what is there."""
    level = draw(st.sampled_from(naive.LEVELS))
    keywords = draw(st.lists(st.sampled_from(sorted(naive.LEVEL_OF)), min_size=1, max_size=3, unique=True))
    return level, {keyword: draw(keys_near(keyword)) for keyword in keywords if keyword != "IssuerOfPatientID"}


@st.composite
def keys_near(draw: st.DrawFn, keyword: str) -> str:
    """A key for an attribute: a value of somebody, changed as its VR permits."""
    ds = draw(st.sampled_from(DATASETS))
    own = naive.values(ds, keyword)
    value = draw(st.sampled_from(own)) if own else ""
    vr = naive.vr(keyword)
    if vr == "UI":
        other = naive.values(draw(st.sampled_from(DATASETS)), keyword)
        return draw(st.sampled_from([value, "\\".join([value, *other]), "1.2.3.4.5"]))
    if vr in ("DA", "TM", "DT"):
        ends = [value, *naive.values(draw(st.sampled_from(DATASETS)), keyword)]
        low, high = min(ends), max(ends)
        return draw(st.sampled_from([value, f"{value}-" if value else "", f"-{value}" if value else "", f"{low}-{high}" if low else ""]))
    if keyword in ("SeriesNumber", "InstanceNumber"):
        return draw(st.sampled_from([value, "2", "77"]))
    if not value:
        return draw(st.sampled_from(["", "*", "x*"]))
    at = draw(st.integers(0, len(value) - 1))
    changed = [
        value,
        value[:at] + "*",
        "*" + value[at:],
        value[:at] + "?" + value[at + 1 :],
        value.upper(),
        value.lower(),
        value[:at] + "*" + value[-1],
    ]
    if vr == "PN":
        changed = [one for one in changed if "=" not in one] or [value.split("=")[0]]
    return draw(st.sampled_from(changed))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow])
@given(query=queries())
def test_searching_equals_a_second_implementation(both: Both, query: tuple[str, dict[str, str]]) -> None:
    level, match = query
    assert set(both.keys(level, match)) == naive.find(DATASETS, level, match)


# --- order and pages ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["PATIENT", "STUDY", "SERIES", "IMAGE"])
@pytest.mark.parametrize("limit", [1, 3, 7])
def test_pages_are_stable_and_complete(both: Both, level: str, limit: int) -> None:
    whole = both.find(Query(Level(level), limit=1000, count_total=True))
    assert not whole.more
    assert whole.total == len(whole.rows) == len(naive.find(DATASETS, level, {}))
    paged: list[Any] = []
    for offset in range(0, whole.total + limit, limit):
        page = both.find(Query(Level(level), limit=limit, offset=offset, count_total=True))
        paged += page.rows
        assert page.total == whole.total
        assert page.more == (offset + limit < whole.total)
    assert paged == whole.rows


ORDERS = [(), ("study_date",), ("-study_date",), ("patient_name",), ("-patient_name",), ("modality", "-description"), ("-instance_count",)]


@pytest.mark.parametrize("order", ORDERS)
@pytest.mark.parametrize("limit", [1, 5])
def test_pages_by_the_place_of_the_last_exam_equal_pages_by_offset(both: Both, order: tuple[str, ...], limit: int) -> None:
    whole = both.keys("STUDY", {}, order=order)
    paged, page = [], both.find(Query(Level.STUDY, limit=limit, order=order))
    while True:
        paged += [naive.row_key(row, "STUDY") for row in page.rows]
        assert bool(page.next) == page.more
        if not page.more:
            break
        page = both.find(Query(Level.STUDY, limit=limit, after=page.next, order=order))
    assert paged == whole


PLACE = ("20260101", "120000", "1.2.3")


@pytest.mark.parametrize(
    ("place", "order"),
    [
        (PLACE[:2], ()), (("", *PLACE), ()), (PLACE, ("patient_name",)), ((1, *PLACE[1:]), ()), (("a\0", *PLACE[1:]), ()),
        (("\ud800", *PLACE[1:]), ()), (("1", *PLACE), ("instance_count",)), ((True, *PLACE), ("instance_count",)),
        ((2**31, *PLACE), ("instance_count",)), ((-(2**63) - 1, *PLACE), ("instance_count",)),
    ],
)  # fmt: skip
def test_what_is_no_place_in_an_order_is_invalid(both: Both, place: tuple[Any, ...], order: tuple[str, ...]) -> None:
    for path, value in (("", ""), (naive.path("InstanceNumber"), "1")):
        with pytest.raises(Invalid) as refused:
            both.find(Query(Level.STUDY, {path: value} if path else {}, after=place, order=order))
        assert (refused.value.code, refused.value.field) == ("cursor", "cursor")


def test_a_place_where_no_exam_stands_gives_what_comes_behind_it_and_the_reader_may_see(both: Both) -> None:
    behind = [row for row in both.keys("STUDY", {}, scope=SITE_B) if row]
    assert behind
    first = both.find(Query(Level.STUDY, after=("99999999", "", "")), SITE_B)
    assert [naive.row_key(row, "STUDY") for row in first.rows] == behind
    assert both.find(Query(Level.STUDY, after=("", "", "")), SITE_B).rows == []


@pytest.mark.parametrize(
    "match", [{"PatientName": "M*"}, {"StudyDate": "19000101-", "ModalitiesInStudy": "CT"}, {"ModalitiesInStudy": "MR\\US"}, {}]
)
def test_both_roads_of_a_search_lead_to_the_same(both: Both, match: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Few or many, by an index of its own or by date: the bound is moved, the answer stays."""
    monkeypatch.setattr(rows_narrow, "DATED_FEW", -1)
    few = both.keys("STUDY", match)
    monkeypatch.setattr(rows_narrow, "MODALITIES_FEW", -1)
    assert both.keys("STUDY", match) == few
    assert few or not match


@pytest.mark.parametrize(
    "order", ["study_date", "-patient_name", "received_at", "birth_date", "-accession_number", "description", "modality", "site"]
)
def test_every_order_is_total_and_the_same_on_both(both: Both, order: str) -> None:
    found = both.keys("STUDY", {}, order=(order,))
    assert len(found) == len(set(found)) == 12


def test_instances_come_by_study_series_and_number_and_those_without_number_last(both: Both) -> None:
    rows = both.find(Query(Level.IMAGE, {"0020000D": "1.2.3.6"}, limit=100)).rows
    assert [row["00080018"]["Value"][0] for row in rows] == [
        "1.2.3.6.2.1", "1.2.3.6.2.2", "1.2.3.6.3.1", "1.2.3.6.3.2", "1.2.3.6.1.1", "1.2.3.6.1.2",
    ]  # fmt: skip
    for room in both.rooms:
        assert [ref.sop_instance_uid for ref in room.refs(study_uid="1.2.3.6")] == [row["00080018"]["Value"][0] for row in rows]


# --- what a row shows -----------------------------------------------------------------------------------------------------------------


def test_rows_are_dicom_json_with_derived_attributes(both: Both) -> None:
    (row,) = both.find(Query(Level.STUDY, {"0020000D": "1.2.3.3"})).rows
    assert row["00100010"] == {"vr": "PN", "Value": [{"Alphabetic": "Müller^Élodie"}]}
    assert row["00080061"]["Value"] == ["CT", "MR"]
    assert row["00080062"]["Value"] == ["1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"]
    assert (row["00201206"]["Value"], row["00201208"]["Value"]) == ([3], [6])
    assert row["00080056"]["Value"] == ["ONLINE"]
    assert [item["00080100"]["Value"] for item in row["00081032"]["Value"]] == [["P2"], ["PX"]]
    (patient,) = both.find(Query(Level.PATIENT, {"00100020": "a100"})).rows
    assert patient["00100010"]["Value"] == [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}]
    assert patient["00201200"]["Value"] == [2]
    assert "~" not in json.dumps([row, patient])


def test_only_what_is_named_is_shown_and_what_is_named_and_empty_too(both: Both) -> None:
    (row,) = both.find(Query(Level.STUDY, {"0020000D": "1.2.3.4"}, include=frozenset({"00080020", "00100040"}))).rows
    assert set(row) == {"0020000D", "00080020", "00100040"}
    assert row["00080020"] == {"vr": "DA"}


def test_keys_that_are_not_indexed_are_named_and_narrow_nothing(both: Both) -> None:
    page = both.find(Query(Level.STUDY, {"00181030": "x", "00189999": "y", "FFFFFFFF": "z"}))
    assert set(page.unsupported) == {"00189999", "FFFFFFFF"}


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("00080020", "yesterday"),
        ("00080020", "20261301"),
        ("00080030", "99"),
        ("00100030", "2026-01-01-01"),
        ("00080031", "x"),
        ("0008002A", "x"),
    ],
)
def test_dates_of_nonsense_are_invalid(both: Both, key: str, value: str) -> None:
    with pytest.raises(Invalid):
        both.find(Query(Level.IMAGE, {key: value}))


HOSTILE = [
    "\0",
    "a\0b",
    "\ud800",
    "%",
    "_",
    "\\",
    "\\\\",
    "'",
    '"',
    "A\\*",
    "*\\",
    "(",
    "[",
    "²",
    "٣",
    "9" * 30,
    "\U0010ffff*",
    "x" * 5000,
    " ",
    "?",
    "==",
    "^",
]


@pytest.mark.parametrize("value", HOSTILE)
def test_hostile_values_find_nothing_wrong(both: Both, value: str) -> None:
    for keyword, level in naive.LEVEL_OF.items():
        for fuzzy in (False, True):
            query = Query(Level.STUDY, {naive.path(keyword): value}, fuzzy=fuzzy, limit=5)
            try:
                both.find(query)
            except Invalid:
                assert naive.vr(keyword) in ("DA", "TM", "DT"), level
    both.find(Query(Level.STUDY, words=(value,), folded=True))
