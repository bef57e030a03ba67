"""The first main road, through real doors and on both back ends: an image comes, is found, settles, is given back, and is rejected.

The peers are pynetdicom and an HTTP client; what they get is compared with what was sent, byte for byte.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.dsutils import encode

from archipel.kit import feed
from archipel.kit.database import Database
from tests import make
from tests.dicomweb.answers import parts
from tests.dimse.peers import CT, EXPLICIT, call, send
from tests.platform import Platform
from tests.servers import Backend, wait_until

STUDY_FIND, STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
KEY_OBJECT_SELECTION = "1.2.840.10008.5.1.4.1.1.88.59"


@dataclass(frozen=True)
class Door:
    """Where the platform takes associations."""

    port: int
    aet: str


def code(value: str, meaning: str) -> Dataset:
    """A code of the DICOM terminology."""
    item = Dataset()
    item.CodeValue, item.CodingSchemeDesignator, item.CodeMeaning = value, "DCM", meaning
    return item


def rejection_note(study: list[Dataset]) -> Dataset:
    """A rejection note as a modality makes it: TID 2010, Rejected for Quality Reasons (PS3.16; IHE RAD TF-3 4.66.4.1.3)."""
    note = make.instance(KEY_OBJECT_SELECTION, "KO", StudyInstanceUID=study[0].StudyInstanceUID, SeriesNumber=99)
    note.ContentDate, note.ContentTime, note.ReferencedPerformedProcedureStepSequence = "20260115", "110000", []
    note.ValueType, note.ContinuityOfContent = "CONTAINER", "SEPARATE"
    note.ConceptNameCodeSequence = [code("113001", "Rejected for Quality Reasons")]
    template, evidence, series = Dataset(), Dataset(), Dataset()
    template.MappingResource, template.TemplateIdentifier = "DCMR", "2010"
    note.ContentTemplateSequence = [template]
    references, items = [], []
    for ds in study:
        reference, item = Dataset(), Dataset()
        reference.ReferencedSOPClassUID, reference.ReferencedSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
        item.RelationshipType, item.ValueType, item.ReferencedSOPSequence = "CONTAINS", "IMAGE", [reference]
        references.append(reference)
        items.append(item)
    series.SeriesInstanceUID, series.ReferencedSOPSequence = study[0].SeriesInstanceUID, references
    evidence.StudyInstanceUID, evidence.ReferencedSeriesSequence = study[0].StudyInstanceUID, [series]
    note.CurrentRequestedProcedureEvidenceSequence, note.ContentSequence = [evidence], items
    return note


def store(door: Door, objects: list[Dataset]) -> None:
    """C-STORE; every one must be taken."""
    association = call(door, [(uid, [EXPLICIT]) for uid in sorted({str(ds.SOPClassUID) for ds in objects})])
    assert [send(association, ds).Status for ds in objects] == [0] * len(objects)
    association.release()


def keys_of(ds: Dataset) -> Dataset:
    """The identifier of an image's series."""
    keys = Dataset()
    keys.QueryRetrieveLevel, keys.StudyInstanceUID, keys.SeriesInstanceUID = "SERIES", ds.StudyInstanceUID, ds.SeriesInstanceUID
    return keys


def by_find(door: Door, ds: Dataset) -> list[Dataset]:
    """The rows of a C-FIND."""
    keys = keys_of(ds)
    keys.Modality, keys.NumberOfSeriesRelatedInstances = "", None
    association = call(door, [(STUDY_FIND, [EXPLICIT])])
    answers = list(association.send_c_find(keys, STUDY_FIND))
    association.release()
    assert answers[-1][0].Status == 0
    return [row for status, row in answers if status.Status in (0xFF00, 0xFF01)]


def by_get(door: Door, ds: Dataset) -> dict[str, bytes]:
    """The datasets that a C-GET brings."""
    got: dict[str, bytes] = {}

    def on_store(event: Any) -> int:
        got[event.request.AffectedSOPInstanceUID] = event.request.DataSet.getvalue()
        return 0

    handlers = [(evt.EVT_C_STORE, on_store)]
    association = call(door, [(STUDY_GET, [EXPLICIT]), (CT, [EXPLICIT])], as_scp=[CT], evt_handlers=handlers)
    answers = list(association.send_c_get(keys_of(ds), STUDY_GET))
    association.release()
    assert answers[-1][0].Status == 0
    return got


def by_wado(client: httpx.Client, study_uid: str) -> dict[str, bytes]:
    """The datasets that WADO-RS brings, as stored."""
    accept = 'multipart/related; type="application/dicom"; transfer-syntax=*'
    answer = client.get(f"/dicom-web/studies/{study_uid}", headers={"Accept": accept})
    found = {}
    for part in parts(answer) if answer.status_code == 200 else []:
        meta = pydicom.dcmread(io.BytesIO(part.content), stop_before_pixels=True).file_meta
        found[str(meta.MediaStorageSOPInstanceUID)] = part.content[144 + meta.FileMetaInformationGroupLength :]
    return found


def by_qido(client: httpx.Client, ds: Dataset) -> list[dict[str, Any]]:
    """The rows of QIDO-RS."""
    keys = {"SeriesInstanceUID": str(ds.SeriesInstanceUID)}
    answer = client.get(f"/dicom-web/studies/{ds.StudyInstanceUID}/series", params=keys, headers={"Accept": "application/dicom+json"})
    return list(answer.json()) if answer.status_code == 200 else []


def published(backend: Backend) -> list[str]:
    """Names of the changes in the feed, in their order, read beside the running platform."""
    database = Database(backend.database_url)
    try:
        with database.read() as tx:
            return [name for _, name, _ in feed.changes_after(tx, 0, limit=1000)]
    finally:
        database.close()


@pytest.mark.timeout(180)
def test_an_image_comes_is_found_settles_is_given_back_and_rejected(platform_on: Platform, backend: Backend) -> None:
    platform_on.environment["ARCHIPEL_ARCHIVE__QUIET_S"] = "1"
    platform_on.device("MODALITY")
    token = platform_on.token("checks", "administrator")
    platform_on.start()
    door = Door(platform_on.dicom_port, platform_on.aet)
    study = make.ct_study(series=1, instances=3)
    study_uid = str(study[0].StudyInstanceUID)
    sent = {str(ds.SOPInstanceUID): encode(ds, False, True) for ds in study}
    exam = f"/api/v1/exams/{study_uid}"
    with httpx.Client(base_url=platform_on.url, headers={"Authorization": f"Bearer {token}"}, timeout=30) as client:
        store(door, study)
        (row,) = by_find(door, study[0])
        assert (row.Modality, row.NumberOfSeriesRelatedInstances) == ("CT", 3)
        (found,) = by_qido(client, study[0])
        assert (found["00080060"]["Value"], found["00201209"]["Value"]) == (["CT"], [3])

        wait_until(lambda: client.get(exam).json()["settled"], seconds=30)
        assert published(backend).count("StudySettled") == 1
        wait_until(lambda: all(one["lag"] == 0 for one in client.get("/api/v1/system").json()["feed"]["followers"]), seconds=30)

        assert by_wado(client, study_uid) == sent
        assert by_get(door, study[0]) == sent

        note = rejection_note(study)
        store(door, [note])
        wait_until(lambda: client.get(exam).json()["instance_count"] == 1, seconds=30)  # the note itself
        assert by_find(door, study[0]) == []
        assert by_qido(client, study[0]) == []
        assert by_get(door, study[0]) == {}
        assert set(by_wado(client, study_uid)) == {str(note.SOPInstanceUID)}

        trace = client.get(f"{exam}/trace").json()["items"]
    assert sorted({(one["action"], one["actor"], one["outcome"]) for one in trace}) == [
        ("archive.open", "checks", "success"),
        ("archive.receive", "MODALITY", "success"),
        ("archive.reject", "MODALITY", "success"),
        ("archive.retrieve", "checks", "success"),
        ("dimse.send", "MODALITY", "success"),
    ]
    assert platform_on.command("verify").returncode == 0
    assert "TESTE" not in platform_on.log
