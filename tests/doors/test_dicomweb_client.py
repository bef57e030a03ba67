"""Other people's clients against the DICOMweb door: dicomweb-client of the Imaging Data Commons, and Orthanc's plugin."""

from __future__ import annotations

import urllib.error
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
import requests
from dicomweb_client.api import DICOMwebClient
from pydicom.dataset import Dataset

from tests import make
from tests.dicom.samples import kept
from tests.dicomweb.region import Region, running
from tests.servers import Backend, Orthanc


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """An empty archive for the module."""
    folder = tmp_path_factory.mktemp("clients")
    with running(folder, Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")) as made:
        yield made


@pytest.fixture(scope="module")
def client(region: Region) -> DICOMwebClient:
    """dicomweb-client, signed in."""
    return DICOMwebClient(region.url, headers={"Authorization": f"Bearer {region.token}"})


@pytest.fixture(scope="module")
def study(client: DICOMwebClient) -> list[Dataset]:
    """A study that the client itself stored."""
    made = make.ct_study(series=2, instances=2, size=32, PatientID="CLIENT-1")
    for ds in made:
        ds.file_meta = pydicom.dataset.FileMetaDataset()
        ds.file_meta.TransferSyntaxUID = pydicom.uid.ExplicitVRLittleEndian
        ds.file_meta.MediaStorageSOPClassUID, ds.file_meta.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    answer = client.store_instances(made)
    assert len(answer.ReferencedSOPSequence) == 4
    return made


def test_the_client_searches(client: DICOMwebClient, study: list[Dataset]) -> None:
    first = study[0]
    found = client.search_for_studies(search_filters={"PatientID": "CLIENT-1"}, fields=["StudyDescription"], fuzzymatching=False)
    assert [Dataset.from_json(row).StudyInstanceUID for row in found] == [first.StudyInstanceUID]
    assert len(client.search_for_series(first.StudyInstanceUID)) == 2
    assert len(client.search_for_instances(first.StudyInstanceUID)) == 4
    assert len(client.search_for_instances(first.StudyInstanceUID, first.SeriesInstanceUID, limit=1)) == 1
    assert len(client.search_for_instances(search_filters={"StudyInstanceUID": first.StudyInstanceUID}, get_remaining=True)) == 4


def test_the_client_retrieves(client: DICOMwebClient, study: list[Dataset]) -> None:
    first = study[0]
    uids = (first.StudyInstanceUID, first.SeriesInstanceUID, first.SOPInstanceUID)
    assert client.retrieve_instance(*uids) == first
    assert len(client.retrieve_series(*uids[:2])) == 2
    assert len(client.retrieve_study(uids[0])) == 4
    assert len(client.retrieve_study_metadata(uids[0])) == 4
    row = client.retrieve_instance_metadata(*uids)
    assert client.retrieve_bulkdata(row["7FE00010"]["BulkDataURI"])[0] == first.PixelData
    assert client.retrieve_bulkdata(row["7FE00010"]["BulkDataURI"], byte_range=(2, 9))[0] == first.PixelData[2:10]
    assert client.retrieve_instance_frames(*uids, frame_numbers=[1])[0] == first.PixelData
    assert client.retrieve_instance_rendered(*uids, media_types=("image/png",))[:4] == b"\x89PNG"
    frames = client.retrieve_instance_frames_rendered(*uids, frame_numbers=[1], media_types=("image/jpeg",))
    assert frames[:2] == b"\xff\xd8"


@pytest.mark.parametrize(
    ("name", "media", "syntax"),
    [
        ("JPEG2000.dcm", "image/jp2", "1.2.840.10008.1.2.4.91"),
        ("MR_small_RLE.dcm", "image/dicom-rle", "1.2.840.10008.1.2.5"),
        ("CT_small.dcm", "image/jls", "1.2.840.10008.1.2.4.80"),
        ("CT_small.dcm", "image/jp2", "1.2.840.10008.1.2.4.90"),
    ],
)
def test_the_client_asks_for_compressed_frames(region: Region, client: DICOMwebClient, name: str, media: str, syntax: str) -> None:
    ds = pydicom.dcmread(kept(name))
    region.put([kept(name)])
    uids = (ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.SOPInstanceUID)
    frame = client.retrieve_instance_frames(*uids, frame_numbers=[1], media_types=((media, syntax),))[0]
    plain = client.retrieve_instance_frames(*uids, frame_numbers=[1])[0]
    array = ds.pixel_array
    assert np.array_equal(np.frombuffer(plain, array.dtype.newbyteorder("<"))[: array.size].reshape(array.shape), array)
    assert len(frame) < len(plain)
    if media in ("image/jls", "image/jp2"):
        import imagecodecs

        decoded = (imagecodecs.jpegls_decode if media == "image/jls" else imagecodecs.jpeg2k_decode)(frame)
        assert np.array_equal(decoded.astype(np.int64) & 0xFFFF, array.astype(np.int64) & 0xFFFF)


def test_what_the_client_may_not_do_is_said_in_its_words(client: DICOMwebClient, study: list[Dataset]) -> None:
    with pytest.raises(requests.HTTPError) as caught:
        client.delete_study(study[0].StudyInstanceUID)
    assert caught.value.response.status_code == 405
    with pytest.raises(requests.HTTPError) as caught:
        client.retrieve_study("1.2.3")
    assert caught.value.response.status_code == 404


def test_orthanc_stores_and_retrieves(region: Region, orthanc: Orthanc, tmp_path: Path) -> None:
    """Orthanc's DICOMweb client: STOW-RS of what it holds, QIDO-RS, and WADO-RS of what we hold."""
    orthanc.know_web("archipel", region.url + "/", {"Authorization": f"Bearer {region.token}"})
    ours = make.mr_study(instances=3, size=32)
    for ds in ours:
        orthanc.post("/instances", make.part10(ds))
    held = orthanc.get("/studies")
    sent = orthanc.post("/dicom-web/servers/archipel/stow", {"Resources": held, "Synchronous": True})
    assert sent
    with region.client(Accept="application/dicom+json") as client:
        assert len(client.get(f"/studies/{ours[0].StudyInstanceUID}/instances").json()) == 3

    theirs = make.ct_study(series=1, instances=4, size=32)
    region.put(theirs)
    found = orthanc.post(
        "/dicom-web/servers/archipel/qido", {"Uri": "/studies", "Arguments": {"StudyInstanceUID": theirs[0].StudyInstanceUID}}
    )
    assert len(found) == 1
    orthanc.post("/dicom-web/servers/archipel/retrieve", {"Resources": [{"Study": theirs[0].StudyInstanceUID}], "Synchronous": True})
    assert {ds.SOPInstanceUID for ds in theirs} <= orthanc.instances()
    with pytest.raises(urllib.error.HTTPError):
        orthanc.post("/dicom-web/servers/archipel/retrieve", {"Resources": [{"Study": "1.2.3"}], "Synchronous": True})
