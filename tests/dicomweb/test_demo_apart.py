"""STOW-RS does not let the training region and real sites share an exam."""

from __future__ import annotations

import pytest

from archipel import directory
from tests import make
from tests.dicomweb.region import SYSTEM, Region
from tests.dicomweb.test_store import COMMENT, FAILED, REASON, REFERENCED, RELATED, body

NOT_AUTHORIZED = 0x0124


@pytest.fixture(scope="module", autouse=True)
def toyland(region: Region) -> None:
    """A site of the training region."""
    with region.database.write() as tx:
        directory.add_site(tx, SYSTEM, directory.Site("toyland", "Toyland"))
        directory.set_demo(tx, ["toyland"])


@pytest.mark.parametrize(("owner", "stranger"), [("north", "toyland"), ("toyland", "north")])
def test_what_would_cross_is_refused_with_its_reason_and_the_rest_is_stored(region: Region, owner: str, stranger: str) -> None:
    first, second = make.ct_study(instances=2)
    own = make.ct_study(instances=1)[0]
    region.put([first], owner)
    headers = {"Content-Type": RELATED, "Accept": "application/dicom+json"}
    with region.client(region.token_of(f"to-{owner}", "technician", stranger)) as client:
        answer = client.post("/studies", content=body(make.part10(second), make.part10(own)), headers=headers)
        assert answer.status_code == 202
        (failed,), (stored,) = (answer.json()[sequence]["Value"] for sequence in (FAILED, REFERENCED))
        assert failed["00081155"]["Value"] == [second.SOPInstanceUID]
        assert failed[REASON]["Value"] == [NOT_AUTHORIZED]
        assert failed[COMMENT]["Value"] == ["The training region and real sites never share an exam."]
        assert stored["00081155"]["Value"] == [own.SOPInstanceUID]
        assert client.post("/studies", content=body(make.part10(second)), headers=headers).status_code == 409
        assert client.get(f"/studies/{first.StudyInstanceUID}/metadata").status_code == 404
    with region.client(region.token_of(f"of-{owner}", "technician", owner)) as client:
        (shown,) = client.get(f"/studies/{first.StudyInstanceUID}/metadata").json()
        assert shown["00080018"]["Value"] == [first.SOPInstanceUID]
