"""Orthanc, dicomweb-client and the whole running platform: each as client and as server of the other, with real objects."""

from __future__ import annotations

import json
import urllib.request
from collections.abc import Iterator
from io import BytesIO
from typing import Any

import pydicom
import pytest
from dicomweb_client.api import DICOMwebClient

from tests import make
from tests.dicom.samples import kept
from tests.dicomweb.answers import parts
from tests.doors import samples_roads
from tests.doors.samples_expected import split
from tests.platform import Platform
from tests.servers import Dcmtk, Orthanc, wait_until

pytestmark = pytest.mark.timeout(180)
REAL = (
    "CT_small.dcm",
    "MR_small_RLE.dcm",
    "JPEG2000.dcm",
    "SC_rgb_jpeg_dcmtk.dcm",
    "US1_J2KI.dcm",
    "rtplan.dcm",
    "liver_j2k.dcm",
    "reportsi.dcm",
)


@pytest.fixture(scope="module")
def archipel(orthanc: Orthanc, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A running platform; both know each other, by DICOM and by DICOMweb."""
    platform = samples_roads.started(tmp_path_factory.mktemp("platform"))
    try:
        platform.device(orthanc.aet, orthanc.dicom_port)
        orthanc.know_device("archipel", platform.aet, platform.dicom_port)
        orthanc.know_device("samples", samples_roads.AET, 104)  # it moves for those that it knows
        orthanc.know_web("archipel", f"{platform.url}/dicom-web/", {"Authorization": f"Bearer {samples_roads.token(platform)}"})
        yield platform
    finally:
        platform.kill()


@pytest.fixture(scope="module")
def real(orthanc: Orthanc, archipel: Platform) -> dict[str, pydicom.Dataset]:
    """Objects of several makers and syntaxes: uploaded to Orthanc, which sends them on by C-STORE; by SOP instance UID."""
    objects = {}
    for name in REAL:
        ds = pydicom.dcmread(kept(name))
        objects[str(ds.SOPInstanceUID)] = ds
        orthanc.post("/instances", kept(name).read_bytes())
    done = orthanc.post("/modalities/archipel/store", {"Resources": orthanc.get("/instances"), "Synchronous": True})
    assert done["FailedInstancesCount"] == 0
    return objects


def stored(archipel: Platform, sop_instance_uid: str) -> tuple[str, bytes]:
    """Transfer syntax and dataset as the archive holds them; fails when it is not there."""
    with samples_roads.web(archipel) as client:
        rows = client.get("/instances", params={"SOPInstanceUID": sop_instance_uid}).json()
        assert len(rows) == 1, sop_instance_uid
        answer = client.get(rows[0]["00081190"]["Value"][0], headers={"Accept": "application/dicom; transfer-syntax=*"})
    meta, dataset = split(answer.content)
    return str(meta.TransferSyntaxUID), dataset


def held(orthanc: Orthanc, sop_instance_uid: str) -> tuple[str, bytes]:
    """The same of Orthanc."""
    (found,) = orthanc.post("/tools/find", {"Level": "Instance", "Query": {"SOPInstanceUID": sop_instance_uid}})
    with urllib.request.urlopen(f"{orthanc.url}/instances/{found}/file", timeout=30) as answer:
        meta, dataset = split(answer.read())
    return str(meta.TransferSyntaxUID), dataset


def test_orthanc_echoes_and_stores(orthanc: Orthanc, archipel: Platform, real: dict[str, pydicom.Dataset]) -> None:
    assert orthanc.post("/modalities/archipel/echo", {}) == {}
    for uid, ds in real.items():
        assert stored(archipel, uid)[0] == ds.file_meta.TransferSyntaxUID


def test_orthanc_finds(orthanc: Orthanc, archipel: Platform, real: dict[str, pydicom.Dataset]) -> None:
    for ds in real.values():
        query = orthanc.post("/modalities/archipel/query", {"Level": "Study", "Query": {"StudyInstanceUID": ds.StudyInstanceUID}})
        (answer,) = orthanc.get(query["Path"] + "/answers?expand&simplify")
        assert answer["PatientID"] == str(ds.get("PatientID") or "")


def test_orthanc_moves_from_us_to_itself(orthanc: Orthanc, archipel: Platform) -> None:
    ours = make.ct_study(series=2, instances=4, size=64, PatientName="ÉCLAIR^ZOÉ", PatientID="MOVE-1")
    put(archipel, ours)
    query = orthanc.post("/modalities/archipel/query", {"Level": "Study", "Query": {"PatientName": "eclair*"}})
    (answer,) = orthanc.get(query["Path"] + "/answers?expand&simplify")
    assert (answer["StudyInstanceUID"], answer["PatientName"]) == (ours[0].StudyInstanceUID, "ÉCLAIR^ZOÉ")
    orthanc.post(query["Path"] + "/answers/0/retrieve", {"TargetAet": orthanc.aet, "Synchronous": True})
    for ds in ours:
        assert held(orthanc, ds.SOPInstanceUID)[1] == stored(archipel, ds.SOPInstanceUID)[1]


def test_orthanc_moves_from_itself_to_us(orthanc: Orthanc, archipel: Platform, dcmtk: Dcmtk) -> None:
    """A third party asks Orthanc to send a study here."""
    theirs = make.mr_study(instances=3, size=64, PatientID="MOVE-2")
    for ds in theirs:
        orthanc.post("/instances", make.part10(ds))
    key = f"StudyInstanceUID={theirs[0].StudyInstanceUID}"
    dcmtk.run(
        "movescu", "-S", "-aet", samples_roads.AET, "-aec", orthanc.aet, "-aem", archipel.aet, "-k", "QueryRetrieveLevel=STUDY", "-k", key,
        "127.0.0.1", orthanc.dicom_port,
    )  # fmt: skip
    for ds in theirs:
        assert held(orthanc, ds.SOPInstanceUID) == stored(archipel, ds.SOPInstanceUID)


def test_orthanc_gets_its_storage_commitment(orthanc: Orthanc, archipel: Platform, real: dict[str, pydicom.Dataset]) -> None:
    """Success for what is here, failure for what is not; the report comes from the platform's own job."""
    here = [[str(ds.SOPClassUID), uid] for uid, ds in real.items()]
    (absent,) = make.ct_study(instances=1)
    for asked, status in ((here, "Success"), ([*here, [str(absent.SOPClassUID), str(absent.SOPInstanceUID)]], "Failure")):
        transaction = orthanc.post("/modalities/archipel/storage-commitment", {"DicomInstances": asked})["Path"]

        def report(transaction: str = transaction) -> Any:
            """Orthanc has the report"""
            found = orthanc.get(transaction)
            return found if found["Status"] != "Pending" else None

        found = wait_until(report, seconds=60)
        assert found["Status"] == status
        assert {item["SOPInstanceUID"] for item in found["Success"]} == set(real)
        assert [item["SOPInstanceUID"] for item in found["Failures"]] == [uid for _, uid in asked if uid not in real]


def test_orthanc_s_web_client_stores_finds_and_retrieves(orthanc: Orthanc, archipel: Platform) -> None:
    """STOW-RS, QIDO-RS and WADO-RS with the bearer token that Orthanc is told to send."""
    theirs = make.ct_study(instances=3, size=64, PatientID="WEB-1")
    ids = [orthanc.post("/instances", make.part10(ds))["ID"] for ds in theirs]
    orthanc.post("/dicom-web/servers/archipel/stow", {"Resources": ids, "Synchronous": True})
    for ds in theirs:
        assert held(orthanc, ds.SOPInstanceUID) == stored(archipel, ds.SOPInstanceUID)
    ours = make.mr_study(instances=3, size=64, PatientID="WEB-2")
    put(archipel, ours)
    study = ours[0].StudyInstanceUID
    found = orthanc.post("/dicom-web/servers/archipel/qido", {"Uri": "/studies", "Arguments": {"StudyInstanceUID": study}})
    assert len(found) == 1
    assert study in json.dumps(found)
    orthanc.post("/dicom-web/servers/archipel/retrieve", {"Resources": [{"Study": study}], "Synchronous": True})
    for ds in ours:
        assert held(orthanc, ds.SOPInstanceUID)[1] == stored(archipel, ds.SOPInstanceUID)[1]


def test_dicomweb_client_stores_finds_and_retrieves(archipel: Platform) -> None:
    client = DICOMwebClient(f"{archipel.url}/dicom-web", headers={"Authorization": f"Bearer {samples_roads.token(archipel)}"})
    objects = [pydicom.dcmread(kept(name)) for name in ("CT_small.dcm", "rtdose_1frame.dcm", "emri_small_RLE.dcm")]
    answer = client.store_instances(objects)
    assert {item.ReferencedSOPInstanceUID for item in answer.ReferencedSOPSequence} == {ds.SOPInstanceUID for ds in objects}
    for ds in objects:
        uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
        (row,) = client.search_for_instances(search_filters={"SOPInstanceUID": ds.SOPInstanceUID})
        assert row["00080018"]["Value"] == [ds.SOPInstanceUID]
        assert client.retrieve_instance_metadata(*uids)["0020000D"]["Value"] == [ds.StudyInstanceUID]
        back = client.retrieve_instance(*uids, media_types=(("application/dicom", "*"),))
        assert back.file_meta.TransferSyntaxUID == ds.file_meta.TransferSyntaxUID
        assert {e.tag: e for e in back} == {e.tag: e for e in ds if e.keyword != "DataSetTrailingPadding"}  # the client does not send it
        frame = client.retrieve_instance_frames(*uids, frame_numbers=[1])[0]
        first = ds.pixel_array if int(ds.get("NumberOfFrames", 1)) == 1 else ds.pixel_array[0]
        assert frame[: first.nbytes] == first.astype(first.dtype.newbyteorder("<")).tobytes()


def test_instances_described_by_json_come_back_the_same(archipel: Platform) -> None:
    """STOW-RS of metadata and pixels as parts of their own (PS3.18 8.6): pydicom makes the JSON and reads what comes back."""
    for name in ("CT_small.dcm", "emri_small.dcm", "rtdose_1frame.dcm"):
        ds = pydicom.dcmread(kept(name))
        del ds[0x00020000:0x00080000]
        ds.SOPInstanceUID, ds.StudyInstanceUID, ds.SeriesInstanceUID = make.uid(), make.uid(), make.uid()
        pixels = ds.PixelData
        row = ds.to_json_dict(bulk_data_threshold=1 << 30)
        row["7FE00010"] = {"vr": ds["PixelData"].VR, "BulkDataURI": "pixels"}
        row["00083002"] = {"vr": "UI", "Value": [str(ds.file_meta.TransferSyntaxUID)]}
        body = b"--x\r\nContent-Type: application/dicom+json\r\n\r\n" + json.dumps([row]).encode() + b"\r\n"
        body += b"--x\r\nContent-Type: application/octet-stream\r\nContent-Location: pixels\r\n\r\n" + pixels + b"\r\n--x--\r\n"
        headers = {"Content-Type": 'multipart/related; type="application/dicom+json"; boundary=x', "Accept": "application/dicom+json"}
        with samples_roads.web(archipel) as client:
            answer = client.post("/studies", content=body, headers=headers)
            assert answer.status_code == 200, answer.text[:400]
            url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
            back = pydicom.dcmread(BytesIO(parts(client.get(url, headers={"Accept": "application/dicom"}))[0].content))
        sent = {e.tag: e.value for e in ds if not e.tag.is_private and e.tag.element}
        given = {e.tag: e.value for e in back if e.tag in sent}
        different = [pydicom.datadict.keyword_for_tag(tag) for tag in sent if given.get(tag) != sent[tag] and tag != 0x00080005]
        assert not different, name


def put(archipel: Platform, objects: list[pydicom.Dataset]) -> None:
    """Store over STOW-RS."""
    body = b"".join(b"--x\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(ds) + b"\r\n" for ds in objects) + b"--x--\r\n"
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=x', "Accept": "application/dicom+json"}
    with samples_roads.web(archipel) as client:
        assert client.post("/studies", content=body, headers=headers).status_code == 200
