"""A document that came inside an instance is served without the right to act in our origin."""

from __future__ import annotations

import pytest

from tests import make
from tests.dicomweb.region import Region

BROWSER = "text/html,application/xhtml+xml,application/xml;q=0.9,text/xml;q=0.9,*/*;q=0.8"
SCRIPT = b'<html xmlns="http://www.w3.org/1999/xhtml"><script>alert(document.domain)</script></html>'


@pytest.mark.parametrize("media", ["text/xml", "application/xml", "application/pdf"])
def test_a_document_opened_by_a_browser_runs_no_script(region: Region, media: str) -> None:
    ds = make.instance("1.2.840.10008.5.1.4.1.1.104.2", "DOC")
    ds.MIMETypeOfEncapsulatedDocument, ds.EncapsulatedDocument = media, SCRIPT.ljust(2000)
    region.put([ds])
    url = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}/bulkdata/00420011"
    with region.client(Accept=f"{media},{BROWSER}") as client:
        answer = client.get(url)
    assert (answer.status_code, answer.headers["content-type"]) == (200, media)
    assert answer.headers["x-content-type-options"] == "nosniff"
    if media != "application/pdf":  # a browser's reader of PDF does not work within a sandbox, and runs nothing in our origin
        assert "sandbox" in answer.headers["content-security-policy"]
