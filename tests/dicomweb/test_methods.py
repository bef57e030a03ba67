"""HEAD wherever there is a GET, and what other methods are answered."""

from __future__ import annotations

import pytest

from archipel import audit
from tests import make
from tests.dicomweb.region import Region

GETS = (
    "/studies", "/series", "/instances", "/studies/{0}/series", "/studies/{0}/instances", "/studies/{0}/series/{1}/instances",
    "/studies/{0}", "/studies/{0}/series/{1}", "/studies/{0}/series/{1}/instances/{2}", "/studies/{0}/metadata",
    "/studies/{0}/series/{1}/metadata", "/studies/{0}/series/{1}/instances/{2}/metadata", "/studies/{0}/series/{1}/instances/{2}/frames/1",
    "/studies/{0}/rendered", "/studies/{0}/thumbnail", "/studies/{0}/series/{1}/thumbnail",
    "/studies/{0}/series/{1}/instances/{2}/rendered", "/capabilities",
    "/wado?requestType=WADO&studyUID={0}&seriesUID={1}&objectUID={2}&contentType=application/dicom",
)  # fmt: skip


def test_head_gives_the_headers_of_get(region_on: Region) -> None:
    (ds,) = make.ct_study(instances=1)
    region_on.put([ds])
    with region_on.client() as client:
        for pattern in GETS:
            path = pattern.format(ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
            get, head = client.get(path), client.head(path)
            assert (head.status_code, head.content) == (get.status_code, b""), path
            assert get.status_code == 200, path
            kinds = [answer.headers["content-type"].split("boundary")[0] for answer in (get, head)]
            assert kinds[0] == kinds[1], path
            assert get.headers.get("content-length") in (None, head.headers.get("content-length")), path  # None: it was streamed
        assert client.head("/studies/1.2.3").status_code == client.get("/studies/1.2.3").status_code == 404
    stranger = region_on.token_of("stranger", "requesting_doctor", "north")
    with region_on.client(stranger) as client:
        assert client.head(f"/studies/{ds.StudyInstanceUID}").status_code == 404
    with region_on.database.read() as tx:
        retrieved = [r for r in audit.trace(tx, ds.StudyInstanceUID) if r.detail.get("what") == "instances"]
    assert len(retrieved) == 8  # GET and HEAD of study, series, instance, and of WADO-URI


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("PUT", "/studies", "GET, HEAD, POST"),
        ("DELETE", "/studies/1.2.3", "GET, HEAD, POST"),
        ("DELETE", "/studies/1.2/series/3.4", "GET, HEAD"),
        ("POST", "/studies/1.2/metadata", "GET, HEAD"),
        ("PATCH", "/capabilities", "GET, HEAD"),
        ("GET", "", "OPTIONS"),
        ("GET", "/", "OPTIONS"),
    ],
)
def test_another_method_is_told_what_is_allowed(region: Region, method: str, path: str, allowed: str) -> None:
    with region.client() as client:
        answer = client.request(method, region.url + path)
    assert (answer.status_code, answer.headers["allow"]) == (405, allowed)
    error = answer.json()["error"]
    assert (error["kind"], error["code"]) == ("invalid", "method")
    assert ("Reject" in error["public"]) == (method == "DELETE")


def test_what_is_no_address_is_not_found_and_a_slash_too_many_is_led_back(region: Region) -> None:
    with region.client() as client:
        nowhere = client.get("/nowhere")
        assert (nowhere.status_code, nowhere.json()["error"]["code"]) == (404, "no-route")
        slash = client.get("/studies/?limit=1")
        assert slash.status_code == 307 and slash.headers["location"].endswith("/dicom-web/studies?limit=1")
        assert client.get("/studies/?limit=1", follow_redirects=True).status_code == 200
        assert client.options("/").status_code == client.options(region.url).status_code == 200
