"""Rendered resources, thumbnails and WADO-URI (PS3.18 8.3.5, 9)."""

from __future__ import annotations

import io

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from tests import make
from tests.dicom.samples import kept
from tests.dicomweb.answers import parts
from tests.dicomweb.region import Region
from tests.dicomweb.test_retrieve import url_of


@pytest.fixture(scope="module")
def ct(region: Region) -> list[Dataset]:
    """Three images with a ramp."""
    made = make.ct_study(instances=3, size=64)
    region.put(made)
    return made


def picture(content: bytes) -> np.ndarray:
    """The pixels of a picture."""
    return np.asarray(Image.open(io.BytesIO(content)).convert("L")).astype(int)


@pytest.mark.parametrize("level", ["study", "series", "instance"])
def test_one_picture_at_every_level(region: Region, ct: list[Dataset], level: str) -> None:
    with region.client(Accept="image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8") as client:
        rendered = client.get(url_of(ct[0], level) + "/rendered")
        thumbnail = client.get(url_of(ct[0], level) + "/thumbnail")
    for answer, size in ((rendered, (64, 64)), (thumbnail, (256, 256))):
        assert answer.status_code == 200, answer.text
        assert answer.headers["content-type"] == "image/jpeg"
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert Image.open(io.BytesIO(answer.content)).size == size


def test_a_window_does_what_the_standard_says(region: Region, ct: list[Dataset]) -> None:
    """PS3.3 C.11.2.1.2: values are modality units; below the window black, above it white."""
    hounsfield = np.frombuffer(ct[0].PixelData, "<u2").reshape(64, 64).astype(int) - 1024
    with region.client(Accept="image/png") as client:
        shown = picture(client.get(url_of(ct[0]) + "/rendered?window=0,400,linear").content)
    assert (shown[hounsfield <= -201] == 0).all()
    assert (shown[hounsfield > 200] == 255).all()
    middle = np.abs(hounsfield) < 3
    assert middle.any()
    assert np.abs(shown[middle] - 128).max() <= 3


def test_viewport_and_quality(region: Region, ct: list[Dataset]) -> None:
    with region.client(Accept="image/jpeg") as client:
        assert Image.open(io.BytesIO(client.get(url_of(ct[0]) + "/rendered?viewport=32,32").content)).size == (32, 32)
        part = client.get(url_of(ct[0]) + "/rendered?viewport=20,20,0,0,10,10")
        assert Image.open(io.BytesIO(part.content)).size == (20, 20)
        low, high = (len(client.get(url_of(ct[0]) + f"/rendered?quality={q}").content) for q in (5, 100))
        assert low < high
        annotated = client.get(url_of(ct[0]) + "/rendered?annotation=patient")
        assert annotated.status_code == 200
        assert "annotation" in annotated.headers["warning"]


@pytest.mark.parametrize(
    "query",
    ["window=1", "window=a,b", "window=1,0", "window=1,2,cubic", "window=1,2,linear,x", "viewport=0,1", "viewport=1", "viewport=99999,1",
     "viewport=1,1,1", "quality=0", "quality=101", "quality=x", "window=nan,1", "window=1,inf", "viewport=nan,5"],
)  # fmt: skip
def test_parameters_that_make_no_sense(region: Region, ct: list[Dataset], query: str) -> None:
    with region.client(Accept="image/jpeg") as client:
        assert client.get(url_of(ct[0]) + f"/rendered?{query}").status_code == 400


def test_all_instances_and_frames_as_parts(region: Region, ct: list[Dataset]) -> None:
    with region.client(Accept='multipart/related; type="image/png"') as client:
        found = parts(client.get(url_of(ct[0], "series") + "/rendered"))
    assert [part.media for part in found] == ["image/png"] * 3
    multi = make.with_pixels(make.instance("1.2.840.10008.5.1.4.1.1.7.3", "OT"), rows=32, columns=32, frames=4)
    multi.PixelData = np.random.default_rng(9).integers(0, 4096, (4, 32, 32), dtype=np.uint16).tobytes()
    region.put([multi])
    with region.client() as client:
        two = parts(client.get(url_of(multi) + "/frames/2,3/rendered", headers={"Accept": 'multipart/related; type="image/png"'}))
        assert len(two) == 2
        one = client.get(url_of(multi) + "/frames/2/rendered", headers={"Accept": "image/png"})
        assert one.content == two[0].content
        assert client.get(url_of(multi) + "/frames/9/rendered").status_code == 404
        assert client.get(url_of(multi) + "/frames/1/thumbnail", headers={"Accept": "image/png"}).status_code == 200
        film = client.get(url_of(multi) + "/rendered", headers={"Accept": "image/gif"})
        assert Image.open(io.BytesIO(film.content)).n_frames == 4
        assert client.get(url_of(multi) + "/rendered", headers={"Accept": "text/css"}).status_code == 406
        assert client.get(url_of(multi) + "/rendered", headers={"If-None-Match": one.headers["etag"]}).status_code == 200
        assert (
            client.get(
                url_of(multi) + "/frames/2/rendered", headers={"If-None-Match": one.headers["etag"], "Accept": "image/png"}
            ).status_code
            == 304
        )


def test_a_document_and_a_report(region: Region) -> None:
    document = make.instance("1.2.840.10008.5.1.4.1.1.104.1", "DOC")
    document.EncapsulatedDocument = b"%PDF-1.4 nothing much" + b" " * 2001
    document.MIMETypeOfEncapsulatedDocument = "application/pdf"
    report = make.instance("1.2.840.10008.5.1.4.1.1.88.11", "SR")
    report.ValueType = "CONTAINER"
    item = Dataset()
    item.ValueType, item.RelationshipType, item.TextValue = "TEXT", "CONTAINS", "<script>alert(1)</script> calm"
    report.ContentSequence = [item]
    region.put([document, report])
    with region.client() as client:
        answer = client.get(url_of(document) + "/rendered", headers={"Accept": "application/pdf"})
        assert (answer.status_code, answer.headers["content-type"]) == (200, "application/pdf")
        assert answer.content.startswith(b"%PDF-1.4")
        bulk = client.get(url_of(document) + "/bulkdata/00420011?accept=application/pdf", headers={"Accept": "*/*"})
        assert bulk.headers["content-type"] == "application/pdf"
        page = client.get(url_of(report) + "/rendered", headers={"Accept": "text/html"})
        assert page.headers["content-type"].startswith("text/html")
        assert b"<script>" not in page.content
        assert "sandbox" in page.headers["content-security-policy"]
        for ds in (document, report):
            assert client.get(url_of(ds) + "/thumbnail").headers["content-type"] == "image/jpeg"
            assert client.get(url_of(ds) + "/frames/1").status_code == 404


def test_a_video_by_ranges(region: Region) -> None:
    from pydicom.dataset import FileMetaDataset
    from pydicom.encaps import encapsulate

    ds = make.instance("1.2.840.10008.5.1.4.1.1.77.1.4.1", "XC")
    ds.Rows, ds.Columns, ds.SamplesPerPixel, ds.PhotometricInterpretation, ds.PlanarConfiguration = 16, 16, 3, "YBR_PARTIAL_420", 0
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation, ds.NumberOfFrames = 8, 8, 7, 0, 25
    stream = bytes(range(256)) * 400
    ds.PixelData = encapsulate([stream], has_bot=False)
    ds["PixelData"].is_undefined_length = True
    ds["PixelData"].VR = "OB"
    ds.file_meta = FileMetaDataset()
    ds.file_meta.TransferSyntaxUID = pydicom.uid.UID("1.2.840.10008.1.2.4.102")
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    region.put([out.getvalue()])
    with region.client() as client:
        for path in ("/rendered", "/bulkdata/7FE00010?accept=video/mp4", "/frames/1"):
            whole = client.get(url_of(ds) + path, headers={"Accept": "video/mp4"})
            assert (whole.status_code, whole.headers["content-type"]) == (200, "video/mp4"), path
            assert whole.content == stream
            part = client.get(url_of(ds) + path, headers={"Accept": "video/mp4", "Range": "bytes=1000-1999"})
            assert (part.status_code, part.content) == (206, stream[1000:2000])
        assert client.get(url_of(ds) + "/frames/2", headers={"Accept": "video/mp4"}).status_code == 404
        assert client.get(url_of(ds) + "/frames/1", headers={"Accept": "application/octet-stream"}).status_code == 406
        named = f"application/dicom; transfer-syntax={pydicom.uid.JPEG2000Lossless}"
        assert client.get(url_of(ds), headers={"Accept": named}).status_code == 406
        assert client.get(url_of(ds), headers={"Accept": "application/dicom"}).headers["content-type"].endswith("4.102")
        assert client.get(url_of(ds) + "/thumbnail").headers["content-type"] == "image/jpeg"


def test_pixels_that_are_broken_are_not_our_failure(region: Region) -> None:
    ds = pydicom.dcmread(kept("JPEG2000.dcm"))
    ds.SOPInstanceUID = ds.file_meta.MediaStorageSOPInstanceUID = make.uid()
    out = io.BytesIO()
    ds.save_as(out, enforce_file_format=True)
    data = bytearray(out.getvalue())
    at = data.rindex(b"\xff\x4f\xff\x51")
    end = min(place for mark in (b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0") if (place := data.find(mark, at)) > 0)
    data[at + 110 : end - 10] = b"\x5a" * (end - at - 120)
    assert region.put([bytes(data)])[0].error is None
    with region.client() as client:
        for path, accept in (
            ("/rendered", "image/jpeg"),
            ("/frames/1", "application/octet-stream"),
            ("", f"application/dicom; transfer-syntax={pydicom.uid.JPEGLSLossless}"),
        ):
            answer = client.get(url_of(ds) + path, headers={"Accept": accept})
            assert answer.status_code in (200, 406), f"{path}: {answer.text}"
        back = client.get(url_of(ds), headers={"Accept": "application/dicom"})
        assert back.status_code == 200
        assert client.get(url_of(ds) + "/frames/1", headers={"Accept": "image/jp2"}).status_code == 200


class TestWadoUri:
    """WADO-URI."""

    def of(self, ds: Dataset, **more: str) -> dict[str, str]:
        """Its query parameters."""
        return {
            "requestType": "WADO",
            "studyUID": ds.StudyInstanceUID,
            "seriesUID": ds.SeriesInstanceUID,
            "objectUID": ds.SOPInstanceUID,
            **more,
        }

    def test_pictures_and_files(self, region: Region, ct: list[Dataset]) -> None:
        with region.client() as client:
            plain = client.get("/wado", params=self.of(ct[0]))
            assert plain.headers["content-type"] == "image/jpeg"
            sized = client.get(
                "/wado", params=self.of(ct[0], contentType="image/png", rows="32", columns="32", windowCenter="0", windowWidth="400")
            )
            assert Image.open(io.BytesIO(sized.content)).size == (32, 32)
            file = client.get("/wado", params=self.of(ct[0], contentType="application/dicom"))
            assert file.headers["content-type"].startswith("application/dicom")
            assert pydicom.dcmread(io.BytesIO(file.content)) == ct[0]
            j2k = client.get("/wado", params=self.of(ct[0], contentType="application/dicom", transferSyntax=pydicom.uid.JPEG2000Lossless))
            assert pydicom.dcmread(io.BytesIO(j2k.content)).file_meta.TransferSyntaxUID == pydicom.uid.JPEG2000Lossless

    @pytest.mark.parametrize(
        ("more", "status"),
        [
            ({"requestType": "XDS"}, 400), ({"studyUID": ""}, 400), ({"objectUID": "1.2.3"}, 404), ({"objectUID": "x"}, 400),
            ({"contentType": "text/css"}, 406), ({"contentType": "nonsense"}, 400), ({"frameNumber": "7"}, 404), ({"rows": "x"}, 400),
            ({"windowCenter": "1"}, 400), ({"anonymize": "yes"}, 400), ({"contentType": "application/dicom", "transferSyntax": "x"}, 400),
            ({"contentType": "application/dicom", "transferSyntax": "1.2.3"}, 406),
        ],
    )  # fmt: skip
    def test_what_it_refuses(self, region: Region, ct: list[Dataset], more: dict[str, str], status: int) -> None:
        with region.client() as client:
            assert client.get("/wado", params=self.of(ct[0], **more)).status_code == status


def test_capabilities(region: Region) -> None:
    with region.client() as client:
        said = client.get("/capabilities").json()
        assert said["base"] == region.url
        assert {"path": "/studies", "method": "GET"}.items() <= said["resources"][0].items()
        for path in ("", "/"):
            answer = client.options(path, headers={"Accept": "application/vnd.sun.wadl+xml"})
            assert answer.status_code == 200, path
            assert b"<resource path=" in answer.content
