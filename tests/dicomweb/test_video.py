"""Real MP4 files as DICOM: what is said of them, and the same bytes back by every way (PS3.5 8.2.7 and on, PS3.18 8.7.4)."""

from __future__ import annotations

import io
from dataclasses import dataclass
from pathlib import Path

import httpx
import pydicom
import pytest
from pydicom.dataset import Dataset

from archipel.archive import Fate
from archipel.dicom import part10, wrap
from tests.dicom.test_wrap import valid
from tests.dicomweb.answers import parts
from tests.dicomweb.region import Region
from tests.dicomweb.test_retrieve import url_of


@dataclass(frozen=True)
class Sample:
    """A file and what ffprobe says of it."""

    name: str
    syntax: str
    frames: int
    frame_time_ms: float
    method: str


# Transfer syntaxes: MPEG-4 AVC/H.264 High Profile / Level 4.1, HEVC/H.265 Main Profile / Level 5.1 (PS3.6 Table A-1).
SAMPLES = [
    Sample("h264.mp4", "1.2.840.10008.1.2.4.102", 50, 40.0, "ISO_14496_10"),
    Sample("hevc.mp4", "1.2.840.10008.1.2.4.107", 60, 1001 / 30, "ISO_23008_2"),
]


@dataclass(frozen=True)
class Stored:
    """A sample in the archive."""

    sample: Sample
    content: bytes
    file: bytes
    ds: Dataset


@pytest.fixture(scope="module", params=SAMPLES, ids=lambda one: one.name)
def stored(request: pytest.FixtureRequest, region: Region, repository: Path) -> Stored:
    """A real video, wrapped and stored."""
    sample = request.param
    path = repository / "tests/data/video" / sample.name
    out = io.BytesIO()
    attributes = wrap.attributes_of(PatientName="TESTE^VIDEO", PatientID="V-1", StudyID="1", StudyDate="20260115", StudyTime="101500",
                                    ContentDate="20260115", ContentTime="101500")  # fmt: skip
    made = wrap.wrap("mp4", path, attributes, out)
    file = part10.file_meta_bytes(made.sop_class_uid, made.sop_instance_uid, made.transfer_syntax_uid) + out.getvalue()
    assert region.put([file])[0].fate is Fate.STORED
    return Stored(sample, path.read_bytes(), file, pydicom.dcmread(io.BytesIO(file)))


def same_video(got: bytes, content: bytes) -> bool:
    """The file, with at most the byte that makes an item's length even."""
    return got[: len(content)] == content and got[len(content) :] in (b"", b"\0")


def test_the_object_says_what_the_video_is(stored: Stored, tmp_path: Path) -> None:
    ds, sample = stored.ds, stored.sample
    assert ds.file_meta.TransferSyntaxUID == sample.syntax
    assert ds.SOPClassUID == pydicom.uid.VideoPhotographicImageStorage
    assert (ds.Rows, ds.Columns, int(ds.NumberOfFrames)) == (120, 160, sample.frames)
    assert float(ds.FrameTime) == pytest.approx(sample.frame_time_ms, abs=1e-4)
    assert int(ds.CineRate) == round(1000 / sample.frame_time_ms)
    assert (ds.PhotometricInterpretation, ds.SamplesPerPixel, ds.BitsAllocated) == ("YBR_PARTIAL_420", 3, 8)
    assert (ds.LossyImageCompression, ds.LossyImageCompressionMethod) == ("01", sample.method)
    assert float(ds.LossyImageCompressionRatio) == pytest.approx(120 * 160 * 1.5 * sample.frames / len(stored.content), abs=0.01)
    if sample.name == "h264.mp4":  # dciodvfy of Debian 12 does not know the syntaxes of H.265
        path = tmp_path / "video.dcm"
        path.write_bytes(stored.file)
        valid(path)


def test_a_second_reader_finds_the_file_in_it(stored: Stored) -> None:
    """PS3.5 A.4: an empty or one-entry offset table, then the stream in fragments."""
    assert same_video(b"".join(pydicom.encaps.generate_fragments(stored.ds.PixelData[8:])), stored.content) or same_video(
        b"".join(list(pydicom.encaps.generate_fragments(stored.ds.PixelData))[1:]), stored.content
    )


@pytest.mark.parametrize("path", ["/rendered", "/bulkdata/7FE00010", "/frames/1"])
def test_the_video_comes_back_byte_for_byte(region: Region, stored: Stored, path: str) -> None:
    """PS3.18 Table 8.7.4-1: the rendered media type of a video is video/mp4; 8.7.3-4: its pixel data too."""
    with region.client(Accept="video/mp4") as client:
        answer = client.get(url_of(stored.ds) + path)
        assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
        assert int(answer.headers["content-length"]) == len(answer.content)
        part = client.get(url_of(stored.ds) + path, headers={"Range": "bytes=100-199"})
    assert same_video(answer.content, stored.content)
    assert (part.status_code, part.content) == (206, stored.content[100:200])


@pytest.mark.parametrize("path", ["/bulkdata/7FE00010", "/frames/1"])
def test_the_parts_of_a_multipart_answer_say_their_syntax(region: Region, stored: Stored, path: str) -> None:
    with region.client(Accept='multipart/related; type="video/mp4"') as client:
        (one,) = parts(client.get(url_of(stored.ds) + path))
    assert (one.media, one.transfer_syntax_uid) == ("video/mp4", stored.sample.syntax)
    assert same_video(one.content, stored.content)


def answer_of(region: Region, stored: Stored, accept: str) -> httpx.Response:
    with region.client(Accept=accept) as client:
        return client.get(url_of(stored.ds) + "/rendered")


@pytest.mark.parametrize("accept", ["video/mp4", "video/*", "*/*", "image/jpeg;q=0.5, video/mp4"])
def test_rendered_gives_the_video_to_who_takes_one(region: Region, stored: Stored, accept: str) -> None:
    answer = answer_of(region, stored, accept)
    assert (answer.status_code, answer.headers["content-type"]) == (200, "video/mp4")
    assert same_video(answer.content, stored.content)


def test_rendered_gives_a_picture_to_who_takes_pictures_only(region: Region, stored: Stored) -> None:
    answer = answer_of(region, stored, "image/png")
    assert answer.headers["content-type"] == "image/png"
    assert answer.content.startswith(b"\x89PNG")
    assert answer_of(region, stored, "video/mpeg").status_code == 406


def test_the_instance_comes_back_as_stored(region: Region, stored: Stored) -> None:
    with region.client(Accept='multipart/related; type="application/dicom"; transfer-syntax=*') as client:
        (one,) = parts(client.get(url_of(stored.ds)))
    assert one.transfer_syntax_uid == stored.sample.syntax
    assert pydicom.dcmread(io.BytesIO(one.content)) == stored.ds
