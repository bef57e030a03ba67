"""QIDO-RS against a real socket (PS3.18 10.6)."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from archipel.dicom.index import INDEXED
from tests import make
from tests.dicomweb.region import Region

JSON = {"Accept": "application/dicom+json"}


def value(row: dict, path: str) -> object:
    """The first value of an attribute."""
    return row[path]["Value"][0]


@pytest.fixture(scope="module")
def exams(region: Region) -> dict[str, list]:
    """Three studies: a CT of two series, an MR with a request, a radiograph of a person with accents."""
    ct = make.ct_study(series=2, instances=3, PatientName="MARTIN^JEAN", PatientID="CT-1", StudyDate="20260110", AccessionNumber="ACC-CT")
    mr = make.mr_study(instances=2, PatientName="DUPONT^ZOE", PatientID="MR-1", StudyDate="20260111")
    from pydicom.dataset import Dataset

    for ds in mr:
        asked = Dataset()
        asked.RequestedProcedureID, asked.ScheduledProcedureStepID = "RP-7", "SPS-7"
        ds.RequestAttributesSequence = [asked]
    cr = [make.cr_image(PatientName="LEFÈVRE^HÉLÈNE", PatientID="CR-1", StudyDate="20260112")]
    assert {outcome.fate.value for outcome in region.put([*ct, *mr, *cr])} == {"stored"}
    return {"ct": ct, "mr": mr, "cr": cr}


def test_every_level_is_found_with_where_to_retrieve_it(region: Region, exams: dict[str, list]) -> None:
    first = exams["ct"][0]
    study, series = first.StudyInstanceUID, first.SeriesInstanceUID
    with region.client(**JSON) as client:
        counts = {
            path: len(client.get(path).raise_for_status().json())
            for path in (
                "/studies", "/series", "/instances", f"/studies/{study}/series", f"/studies/{study}/instances",
                f"/studies/{study}/series/{series}/instances",
            )
        }  # fmt: skip
        assert list(counts.values()) == [3, 4, 9, 2, 6, 3]
        row = client.get(f"/instances?SOPInstanceUID={first.SOPInstanceUID}").json()[0]
        assert value(row, "00081190") == f"{region.url}/studies/{study}/series/{series}/instances/{first.SOPInstanceUID}"
        assert client.get(str(value(row, "00081190")), headers={"Accept": "application/dicom; transfer-syntax=*"}).status_code == 200


@pytest.mark.parametrize(
    ("query", "patients"),
    [
        ("PatientID=CT-1", ["CT-1"]),
        ("00100020=CT-1", ["CT-1"]),
        ("PatientName=*jean", ["CT-1"]),
        ("PatientName=lefevre*", ["CR-1"]),
        ("PatientName=H%C3%A9l%C3%A8ne&fuzzymatching=true", ["CR-1"]),
        ("StudyDate=20260110-20260111", ["CT-1", "MR-1"]),
        ("StudyDate=20260112-", ["CR-1"]),
        ("ModalitiesInStudy=MR", ["MR-1"]),
        ("RequestAttributesSequence.RequestedProcedureID=RP-7", ["MR-1"]),
        ("00400275.00401001=RP-7", ["MR-1"]),
        ("RequestAttributesSequence.RequestedProcedureID=RP-8", []),
        ("AccessionNumber=ACC-?T", ["CT-1"]),
        ("PatientID=%25", []),
        ("PatientID=CT_1", []),
    ],
)
def test_keys_by_keyword_and_by_tag(region: Region, exams: dict[str, list], query: str, patients: list[str]) -> None:
    with region.client(**JSON) as client:
        answer = client.get(f"/studies?{query}")
    assert answer.status_code == 200
    assert sorted(value(row, "00100020") for row in answer.json()) == patients
    assert "warning" not in answer.headers


def test_a_list_of_uids(region: Region, exams: dict[str, list]) -> None:
    uids = [exams["ct"][0].StudyInstanceUID, exams["cr"][0].StudyInstanceUID]
    with region.client(**JSON) as client:
        for separator in (",", "%5C"):
            found = client.get(f"/studies?StudyInstanceUID={separator.join(uids)}").json()
            assert {value(row, "0020000D") for row in found} == set(uids)


def test_includefield_adds_attributes_and_sequences(region: Region, exams: dict[str, list]) -> None:
    with region.client(**JSON) as client:
        plain = client.get("/series?Modality=MR").json()[0]
        assert "00081030" in plain, "a search without parent shows the study's attributes"
        below = client.get(f"/studies/{exams['mr'][0].StudyInstanceUID}/series").json()[0]
        assert "00081030" not in below
        assert value(value(below, "00400275"), "00401001") == "RP-7"
        assert "00080070" not in below
        more = client.get(f"/studies/{exams['mr'][0].StudyInstanceUID}/series?includefield=Manufacturer,StudyDescription").json()[0]
        assert value(more, "00080070") == "Archipel tests"
        assert value(more, "00081030") == "MR test"
        everything = client.get("/instances?includefield=all&limit=1").json()[0]
        assert {"00080070", "00280010", "00083002"} <= set(everything)


def test_paging_is_stable_and_says_its_bound(region: Region, exams: dict[str, list]) -> None:
    with region.client(**JSON) as client:
        everything = [value(row, "00080018") for row in client.get("/instances").json()]
        paged = [value(client.get(f"/instances?limit=1&offset={at}").json()[0], "00080018") for at in range(9)]
        assert paged == everything
        assert len(set(paged)) == 9
        assert client.get("/instances?limit=5&offset=20000").json() == []
        counted = client.get("/instances?limit=2&count=true")
        assert counted.headers["x-total-count"] == "9"
        assert "warning" not in counted.headers, "a page that was asked for is no surprise"


def test_a_smaller_bound_is_said(tmp_path_factory: pytest.TempPathFactory) -> None:
    from tests.dicomweb.region import running
    from tests.servers import Backend

    folder = tmp_path_factory.mktemp("small")
    backend = Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")
    with running(folder, backend, search_count_max=200) as small, small.client(**JSON) as client:
        small.put(make.ct_study(instances=203, size=4))
        answer = client.get("/instances?limit=1000")
        assert len(answer.json()) == 200
        assert answer.headers["warning"].startswith("299 archipel")
        assert "offset=200" in answer.headers["warning"]
        assert len(client.get("/instances?offset=200").json()) == 3


def test_what_is_not_known_is_said_and_not_an_error(region: Region, exams: dict[str, list]) -> None:
    with region.client(**JSON) as client:
        for query in ("NoSuchKeyword=1", "PatientAddress=x", "0009,0010=1", "includefield=NoSuchKeyword", "emptyvaluematching=true"):
            answer = client.get(f"/studies?{query}")
            assert answer.status_code == 200, query
            assert len(answer.json()) == 3
            assert answer.headers["warning"].startswith("299 archipel"), query


@pytest.mark.parametrize(
    "query",
    [
        "StudyDate=2026-99", "StudyDate=20261301", "limit=-1", "limit=x", "offset=9999999999", "fuzzymatching=perhaps", "PatientID=a%00b",
        "PatientID=1&00100020=2", "StudyDate=20260102-20260101", "StudyTime=99", "PatientID=" + "x" * 5000,
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_400(region: Region, query: str) -> None:
    with region.client(**JSON) as client:
        answer = client.get(f"/studies?{query}")
    assert answer.status_code == 400
    assert answer.json()["error"]["kind"] == "invalid"
    assert 'archipel_errors_total{door="dicomweb",kind="invalid"}' in region.metrics.text().decode()


@pytest.mark.parametrize(
    ("accept", "status", "content_type"),
    [
        ("application/dicom+json", 200, "application/dicom+json"),
        ("application/json", 200, "application/json"),
        ("*/*", 200, "application/dicom+json"),
        ("", 200, "application/dicom+json"),
        ("application/dicom+json, application/json", 200, "application/dicom+json"),
        ('multipart/related; type="application/dicom+xml"', 200, "multipart/related"),
        ("multipart/related; type=application/dicom+xml", 200, "multipart/related"),
        ("application/dicom+xml;q=0.9, application/json;q=0.1", 200, "multipart/related"),
        ("text/html", 406, "application/json"),
        ("application/dicom+json;q=0", 406, "application/json"),
        ("nonsense", 400, "application/json"),
    ],
)
def test_forms_of_the_answer(region: Region, exams: dict[str, list], accept: str, status: int, content_type: str) -> None:
    with region.client(Accept=accept) as client:
        answer = client.get("/studies")
    assert answer.status_code == status
    assert answer.headers["content-type"].split(";")[0] == content_type


def test_xml_rows_hold_the_same_as_json(region: Region, exams: dict[str, list]) -> None:
    from archipel.dicom import xmlmodel

    with region.client() as client:
        rows = client.get("/studies?PatientID=CR-1", headers=JSON).json()
        answer = client.get("/studies?PatientID=CR-1", headers={"Accept": 'multipart/related; type="application/dicom+xml"'})
    boundary = answer.headers["content-type"].partition("boundary=")[2]
    bodies = answer.content.split(b"--" + boundary.encode())
    assert len(bodies) == 3
    assert xmlmodel.from_xml(bodies[1].partition(b"\r\n\r\n")[2].removesuffix(b"\r\n")) == rows[0]


def test_only_what_the_scope_shows(region: Region, exams: dict[str, list]) -> None:
    hidden = make.ct_study(instances=1, PatientID="NORTH-1")
    region.put(hidden, site="north")
    study = hidden[0].StudyInstanceUID
    token = region.token_of("marie", "radiologist", "default")
    with region.client(token, **JSON) as client:
        assert client.get(f"/studies?StudyInstanceUID={study}").json() == []
        assert client.get(f"/studies/{study}/metadata").status_code == 404
        assert client.get(f"/studies/{study}/metadata").json()["error"]["code"] == "no-such-resource"
        assert len(client.get("/studies").json()) == 3
    with region.client(region.token_of("paul", "radiologist", "north"), **JSON) as client:
        assert [value(row, "00100020") for row in client.get("/studies").json()] == ["NORTH-1"]


def test_without_a_token_401_whatever_is_asked(region: Region) -> None:
    with region.client() as client:
        for path in ("/studies?limit=x", "/studies/1.2/metadata", "/capabilities", "/nothing"):
            assert client.get(path, headers={"Authorization": "Bearer wrong"}).status_code == 401


def test_a_query_is_audited_without_its_keys(region: Region, exams: dict[str, list]) -> None:
    from archipel import audit

    with region.client(**JSON) as client:
        client.get("/studies?PatientName=MARTIN*")
    with region.database.read() as tx:
        newest = audit.search(tx, action="archive.query", limit=1)[0]
    assert newest.actor.kind == "account"
    assert newest.detail["found_count"] == 1
    assert "MARTIN" not in str(newest)


NAMES = st.sampled_from([one.keyword for one in INDEXED]) | st.sampled_from(
    ["limit", "offset", "includefield", "fuzzymatching", "count", "accept", "charset", "00100010", "0040,0275", "x.y", ".", ""]
) | st.text(max_size=12)  # fmt: skip
VALUES = st.text(max_size=30) | st.sampled_from(
    [
        "*",
        "?",
        "%",
        "_",
        "\\",
        "1-2",
        "-",
        "20260101-",
        "1.2.3\\4.5",
        "1,2",
        "=",
        "^",
        "all",
        "true",
        "\x00",
        "9" * 40,
        "-1",
        "1e9",
        "[a",
        "'",
    ]
)


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(parameters=st.lists(st.tuples(NAMES, VALUES), max_size=4), path=st.sampled_from(["/studies", "/series", "/instances"]))
def test_no_search_is_our_failure(region: Region, exams: dict[str, list], parameters: list[tuple[str, str]], path: str) -> None:
    with region.client() as client:
        answer = client.get(path, params=[(name, value.encode("utf-8", "replace").decode()) for name, value in parameters])
    assert answer.status_code in (200, 400, 406), answer.text


def test_on_each_back_end(region_on: Region) -> None:
    made = make.ct_study(series=2, instances=2, PatientName="MÜLLER^ÅSA")
    region_on.put(made)
    with region_on.client(**JSON) as client:
        assert len(client.get("/studies?PatientName=muller*").json()) == 1
        assert len(client.get("/instances").json()) == 4
        assert len(client.get(f"/studies/{made[0].StudyInstanceUID}/metadata").json()) == 4
        assert client.get("/studies?PatientID=a%00b").status_code == 400
