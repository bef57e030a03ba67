"""Orthanc as a DICOM peer of the DIMSE door, both ways."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pynetdicom.dsutils import encode

from archipel import dimse
from archipel.dicom import scu
from archipel.kit.jobs import JobRunner
from archipel.kit.settings import DicomSettings
from tests import make
from tests.dimse.peers import CT, EXPLICIT, store
from tests.dimse.region import Region
from tests.servers import Orthanc, wait_until


@pytest.fixture
def archipel(orthanc: Orthanc, tmp_path: Path) -> Iterator[Region]:
    region = Region(tmp_path / "region")
    region.device("MODALITY")
    region.device(orthanc.aet, orthanc.dicom_port)
    orthanc.know_device("archipel", region.aet, region.port)
    yield region
    region.close()


def put(orthanc: Orthanc, objects: list[Any]) -> list[str]:
    """Upload to Orthanc; its ids."""
    return [orthanc.post("/instances", make.part10(ds))["ID"] for ds in objects]


def test_orthanc_echoes(orthanc: Orthanc, archipel: Region) -> None:
    assert orthanc.post("/modalities/archipel/echo", {}) == {}


def test_orthanc_stores_here(orthanc: Orthanc, archipel: Region) -> None:
    study = make.ct_study(series=2, instances=5)
    done = orthanc.post("/modalities/archipel/store", {"Resources": put(orthanc, study), "Synchronous": True})
    assert done["FailedInstancesCount"] == 0
    assert archipel.stored() == {ds.SOPInstanceUID for ds in study}


def test_orthanc_finds_and_moves_from_here(orthanc: Orthanc, archipel: Region) -> None:
    study = make.ct_study(series=2, instances=3, PatientName="ÉCLAIR^ZOÉ", PatientID="OR-1")
    store(archipel, [*study, *make.mr_study(instances=1, PatientID="OR-2")])
    query = orthanc.post(
        "/modalities/archipel/query", {"Level": "Study", "Query": {"PatientName": "eclair*", "NumberOfStudyRelatedInstances": ""}}
    )
    answers = orthanc.get(query["Path"] + "/answers?expand&simplify")
    assert [(a["StudyInstanceUID"], a["PatientName"], a["NumberOfStudyRelatedInstances"]) for a in answers] == [
        (study[0].StudyInstanceUID, "ÉCLAIR^ZOÉ", "6")
    ]
    orthanc.post(query["Path"] + "/answers/0/retrieve", {"TargetAet": orthanc.aet, "Synchronous": True})
    assert {ds.SOPInstanceUID for ds in study} <= orthanc.instances()


def test_orthanc_gets_the_result_of_storage_commitment(orthanc: Orthanc, archipel: Region) -> None:
    good, missing = make.ct_study(instances=2)
    store(archipel, [good])
    ask = {"DicomInstances": [[CT, str(good.SOPInstanceUID)], [CT, str(missing.SOPInstanceUID)]]}
    transaction = orthanc.post("/modalities/archipel/storage-commitment", ask)["Path"]
    act = dimse.commitment_job(archipel.database, DicomSettings(artim_s=5, stall_s=5))
    jobs = JobRunner(archipel.database, {"dimse.commitment_result": act})
    wait_until(jobs.run_one)

    def report() -> Any:
        """Orthanc has the report"""
        found = orthanc.get(transaction)
        return found if found["Status"] != "Pending" else None

    found = wait_until(report)
    assert found["Status"] == "Failure"
    assert [item["SOPInstanceUID"] for item in found["Success"]] == [good.SOPInstanceUID]
    (failure,) = found["Failures"]
    assert failure["SOPInstanceUID"] == missing.SOPInstanceUID
    assert "was not available" in failure["Description"]  # Orthanc's words for 0112H, no such object instance


def test_our_requestor_stores_and_finds_in_orthanc(orthanc: Orthanc, archipel: Region) -> None:
    (ds,) = make.ct_study(instances=1)
    peer = scu.Peer("127.0.0.1", orthanc.dicom_port, orthanc.aet, archipel.aet)
    with scu.Association(peer, [(CT, [EXPLICIT])]) as association:
        assert association.store(CT, ds.SOPInstanceUID, EXPLICIT, [encode(ds, False, True) or b""]).status == 0
    assert ds.SOPInstanceUID in orthanc.instances()
