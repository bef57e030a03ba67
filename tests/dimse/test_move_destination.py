"""Where a C-MOVE may send (decision 0012): asked by DCMTK's movescu, taken by its storescp."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from archipel import audit, directory
from archipel.audit import AuditRecord
from tests import make
from tests.dimse.peers import store
from tests.dimse.region import TEST, Region
from tests.distribution.peer import StoreScp
from tests.servers import Dcmtk


@pytest.fixture
def storescp(dcmtk: Dcmtk, tmp_path: Path) -> Iterator[StoreScp]:
    made = StoreScp(dcmtk, tmp_path / "storescp")
    yield made
    made.stop()


def movescu(dcmtk: Dcmtk, region: Region, study_uid: str, to: str, aet: str = "MODALITY") -> str:
    """The log of a C-MOVE of one study."""
    keys = ("-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}")
    done = dcmtk.run("movescu", "-v", "-S", *keys, "-aet", aet, "-aec", region.aet, "-aem", to, "127.0.0.1", region.port, check=False)
    return done.stdout + done.stderr


def trail(region: Region, study_uid: str = "") -> list[AuditRecord]:
    with region.database.read() as tx:
        return [r for r in audit.search(tx, action="dimse.move") if r.study_uid == study_uid]


@pytest.mark.parametrize(
    ("to", "options", "goes"),
    [
        ("DEST", {}, True),
        ("MODALITY", {}, True),
        ("DEST", {"site_id": "other"}, False),
        ("DEST", {"site_id": "other", "receives_from_other_sites": True}, True),
        ("DEST", {"active": False}, False),
        ("DEST", {"site_id": "closed", "receives_from_other_sites": True}, False),
        ("NOWHERE", {}, False),
    ],
)
def test_destinations(region: Region, dcmtk: Dcmtk, storescp: StoreScp, to: str, options: dict[str, object], goes: bool) -> None:
    for site_id in ("other", "closed"):
        region.site(site_id)
    region.database.transact(lambda tx: directory.change_site(tx, TEST, "closed", active=False))
    region.device("MODALITY", storescp.port)
    if to == "DEST":
        region.device("DEST", storescp.port, **options)
    study = make.ct_study(instances=2)
    store(region, study)
    said = movescu(dcmtk, region, study[0].StudyInstanceUID, to)
    assert {ds.SOPInstanceUID for ds in storescp.got()} == ({ds.SOPInstanceUID for ds in study} if goes else set())
    assert ("MoveDestinationUnknown" in said or "A801" in said.upper()) != goes
    (recorded,) = trail(region, study[0].StudyInstanceUID if goes else "")
    assert (recorded.actor.id, recorded.detail["destination"]) == ("MODALITY", to)
    assert (recorded.outcome, recorded.detail["instance_count"]) == (("success", 2) if goes else ("refused", 0))


def test_what_leaves_is_recorded_even_when_nothing_arrives(region: Region, dcmtk: Dcmtk, storescp: StoreScp) -> None:
    region.device("DEST", storescp.port)
    storescp.stop()
    (ds,) = make.ct_study(instances=1)
    store(region, [ds])
    movescu(dcmtk, region, ds.StudyInstanceUID, "DEST")
    assert [r.detail["destination"] for r in trail(region, ds.StudyInstanceUID)] == ["DEST"]


def test_a_destination_that_asks_for_tls_is_not_called_in_clear(region: Region, dcmtk: Dcmtk, storescp: StoreScp) -> None:
    region.device("DEST", storescp.port, tls=True)
    (ds,) = make.ct_study(instances=1)
    store(region, [ds])
    movescu(dcmtk, region, ds.StudyInstanceUID, "DEST")
    assert storescp.got() == []
