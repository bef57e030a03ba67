"""Nobody who reads by DICOMweb sees that a series was sealed, but for frames in any syntax, which come as HTJ2K."""

from __future__ import annotations

import httpx
import numpy as np
import openjpeg
import pydicom
import pytest
from pydicom.dataset import Dataset

from archipel import archive
from archipel.archive.seal import seal_series
from archipel.kit.scope import Scope
from tests.archive.test_packing import image
from tests.dicomweb.answers import parts
from tests.dicomweb.region import Region
from tests.dicomweb.test_retrieve import url_of

HTJ2K = "1.2.840.10008.1.2.4.201"
ANY_FRAME = 'multipart/related; type="application/octet-stream"; transfer-syntax=*'
LITTLE = "1.2.840.10008.1.2.1"


def asked(ds: Dataset) -> list[tuple[str, str]]:
    """What is asked of an instance: addresses and what is accepted."""
    one, series = url_of(ds), url_of(ds, "series")
    dicom = 'multipart/related; type="application/dicom"'
    return [
        (one, f"{dicom}; transfer-syntax=*"), (one, dicom), (one, f"{dicom}; transfer-syntax=1.2.840.10008.1.2"),
        (one, f"{dicom}; transfer-syntax=1.2.840.10008.1.2.4.80"), (one, "application/dicom; transfer-syntax=*"),
        (series, f"{dicom}; transfer-syntax=*"), (f"{one}/metadata", "application/dicom+json"), (f"{series}/metadata", "application/dicom+json"),
        (f"{one}/frames/1", 'multipart/related; type="application/octet-stream"'), (f"{one}/frames/2,1", 'multipart/related; type="application/octet-stream"'),
        (f"{one}/frames/2", "application/octet-stream"), (f"{one}/frames/1", 'multipart/related; type="image/jls"'),
        (f"{one}/bulkdata/7FE00010", 'multipart/related; type="application/octet-stream"'), (f"{one}/rendered", "image/png"),
        (f"{one}/thumbnail", "image/jpeg"), (f"{one}/frames/2/rendered", "image/png"),
        (f"/instances?SOPInstanceUID={ds.SOPInstanceUID}&includefield=all", "application/dicom+json"),
        (f"{url_of(ds, 'series')}/instances?includefield=all", "application/dicom+json"),
        (f"/studies?SOPInstanceUID={ds.SOPInstanceUID}", "application/dicom+json"),
    ]  # fmt: skip


def bodies(answer: httpx.Response) -> list[tuple[str, str, bytes]]:
    return [(part.media, part.transfer_syntax_uid, part.content) for part in parts(answer)]


def seal(region: Region, ds: Dataset) -> archive.InstanceRef:
    assert seal_series(region.database, region.blobs, str(ds.StudyInstanceUID), str(ds.SeriesInstanceUID))
    with region.database.read() as tx:
        (ref,) = archive.locate(tx, Scope.system("tests"), sop_instance_uid=str(ds.SOPInstanceUID))
    return ref


@pytest.mark.parametrize("kind", ["u2", "i2", "rgb", "planar", "ybr"])
def test_every_answer_is_the_same_after_sealing(region: Region, kind: str) -> None:
    ds = image(kind, frames=3)
    region.put([ds])
    with region.client() as client:
        before = [client.get(url, headers={"Accept": accept}) for url, accept in asked(ds)]
        ref = seal(region, ds)
        assert ref.packed
        after = [client.get(url, headers={"Accept": accept}) for url, accept in asked(ds)]
    for (url, accept), old, new in zip(asked(ds), before, after, strict=True):
        assert new.status_code == old.status_code == 200, f"{url} {accept}: {old.status_code} {new.status_code}"
        assert bodies(new) == bodies(old), f"{url} {accept}"
        if "etag" in old.headers:
            assert new.headers["etag"] == old.headers["etag"]


@pytest.mark.parametrize("kind", ["u2", "i2", "u1", "rgb"])
def test_frames_in_any_syntax_come_as_they_are_kept(region: Region, kind: str) -> None:
    ds = image(kind, frames=3)
    region.put([ds])
    ref = seal(region, ds)
    size = len(ds.PixelData) // 3
    with region.client(Accept=ANY_FRAME) as client:
        answer = client.get(f"{url_of(ds)}/frames/3,1")
        assert client.get(f"{url_of(ds)}/frames/4").status_code == 404
        assert client.get(f"{url_of(ds)}/frames/3,1", headers={"If-None-Match": answer.headers["etag"]}).status_code == 304
    found = parts(answer)
    assert [part.transfer_syntax_uid for part in found] == [HTJ2K, HTJ2K]
    for part, number in zip(found, (2, 0), strict=True):
        decoded = openjpeg.decode(part.content)
        assert decoded.astype(decoded.dtype.newbyteorder("<")).tobytes() == ds.PixelData[number * size : (number + 1) * size]
    assert sum(len(part.content) for part in found) == sum(archive.codestream_lengths(ref)[n] for n in (2, 0))
    with region.client(Accept="image/jphc") as client:
        alone = client.get(f"{url_of(ds)}/frames/2")
        assert alone.headers["content-type"] == f"image/jphc; transfer-syntax={HTJ2K}"
        assert np.array_equal(openjpeg.decode(alone.content), openjpeg.decode(archive.codestream(region.blobs, ref, 1) or b""))
        assert int(alone.headers["content-length"]) == archive.codestream_lengths(ref)[1]


def test_another_reader_of_dicom_opens_the_whole_in_htj2k(region: Region) -> None:
    ds = image("u2", frames=2)
    region.put([ds])
    seal(region, ds)
    with region.client(Accept=f"application/dicom; transfer-syntax={HTJ2K}") as client:
        answer = client.get(url_of(ds))
    read = pydicom.dcmread(pydicom.filebase.DicomBytesIO(answer.content))
    assert read.file_meta.TransferSyntaxUID == HTJ2K
    assert read.pixel_array.astype("<u2").tobytes() == ds.PixelData
