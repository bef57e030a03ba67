"""Claims of the conformance statement about DICOMweb, on a running platform."""

from __future__ import annotations

import httpx
import pydicom

from tests.dicom.samples import kept
from tests.doors import samples_roads
from tests.doors.samples_expected import sample
from tests.platform import Platform


def test_every_resource_that_is_promised_answers(running: Platform) -> None:
    """Each path of the capabilities, with each media type that they name, filled in with an object that is there."""
    path = kept("CT_small.dcm")
    assert samples_roads.by_stow(running, [sample(path)])["stored"] == 1
    ds = pydicom.dcmread(path)
    names = {"study": ds.StudyInstanceUID, "series": ds.SeriesInstanceUID, "instance": ds.SOPInstanceUID, "frames": "1", "path": "7FE00010"}
    asked = 0
    with samples_roads.web(running) as client:
        promised = client.request("OPTIONS", "/", headers={"Accept": "application/json"})
        assert promised.status_code == 200
        for resource in promised.json()["resources"]:
            if resource["method"] != "GET":
                continue
            url = resource["path"].format(**names)
            query = wado(ds) if url == "/wado" else {}
            for media in resource["media_types"]:
                if url == "/wado":
                    query["contentType"] = media
                answer = client.get(url, params=query, headers={"Accept": media})
                assert answer.status_code == 200 or refused_for_good_reason(answer, url, media), (
                    f"{url} {media}: {answer.status_code} {answer.text[:200]}"
                )
                asked += 1
    assert asked > 40


def wado(ds: pydicom.Dataset) -> dict[str, str]:
    """The parameters of WADO-URI."""
    return {"requestType": "WADO", "studyUID": ds.StudyInstanceUID, "seriesUID": ds.SeriesInstanceUID, "objectUID": ds.SOPInstanceUID}


def refused_for_good_reason(answer: httpx.Response, url: str, media: str) -> bool:
    """Frames come in these types only when they are stored so (as the reference says); nothing else may be refused."""
    as_stored_only = any(name in media for name in ("video/", "image/jpx", "image/jxl", "application/x-deflate"))
    return answer.status_code == 406 and "/frames/" in url and as_stored_only
