"""PDF, JPEG, PNG and MP4 as DICOM: what a validator and a second reader say of them."""

from __future__ import annotations

import io
import random
import shutil
import struct
import subprocess
import time
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image

from archipel.dicom import header, mp4, part10, wrap
from archipel.dicom.pixels import PixelWorkers
from archipel.kit.errors import Invalid
from tests.servers import missing

PDF = (
    b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Count 0/Kids[]>>endobj\n"
    b"xref\n0 3\n0000000000 65535 f \ntrailer<</Root 1 0 R/Size 3>>\nstartxref\n101\n%%EOF\n"
)


def exam(**more: Any) -> dict[str, Any]:
    known = {
        "PatientName": "Durand^Zoé",
        "PatientID": "4711",
        "PatientBirthDate": "19800131",
        "PatientSex": "F",
        "StudyInstanceUID": "1.2.3.4",
        "StudyDate": "20260131",
        "StudyTime": "101500",
        "StudyID": "1",
        "AccessionNumber": "A1",
        "ContentDate": "20260131",
        "ContentTime": "101600",
    }
    return wrap.attributes_of(**{**known, **more})


def box(name: bytes, *content: bytes) -> bytes:
    body = b"".join(content)
    return struct.pack(">I", 8 + len(body)) + name + body


def video(profile: int = 100, level: int = 40, frames: int = 50, codec: bytes = b"avc1", media: bytes = b"\0" * 5000) -> bytes:
    """The skeleton of an MP4 file: two seconds of 640 x 480."""
    if codec == b"avc1":
        setup = box(b"avcC", bytes([1, profile, 0, level, 255]))
    else:
        setup = box(b"hvcC", bytes([1, profile]) + b"\0" * 10 + bytes([level]) + b"\0" * 10)
    entry = box(codec, b"\0" * 6 + b"\0\1" + b"\0" * 16 + struct.pack(">HH", 640, 480) + b"\0" * 50, setup)
    stbl = box(b"stbl", box(b"stsd", b"\0" * 4 + struct.pack(">I", 1), entry), box(b"stsz", b"\0" * 8 + struct.pack(">I", frames)))
    mdia = box(
        b"mdia",
        box(b"mdhd", b"\0" * 12 + struct.pack(">II", 1000, 2000) + b"\0" * 4),
        box(b"hdlr", b"\0" * 8 + b"vide" + b"\0" * 13),
        box(b"minf", stbl),
    )
    sound = box(b"trak", box(b"mdia", box(b"hdlr", b"\0" * 8 + b"soun" + b"\0" * 13)))
    return box(b"ftyp", b"isom\0\0\0\0") + box(b"mdat", media) + box(b"moov", sound, box(b"trak", mdia))


def picture(mode: str, kind: str, **options: Any) -> bytes:
    rng = np.random.default_rng(1)
    shape = (60, 81) if mode in ("L", "1", "I;16") else (60, 81, {"RGBA": 4, "CMYK": 4}.get(mode, 3))
    array = rng.integers(0, 255, shape).astype(np.uint8)
    made = (
        Image.fromarray(array.astype(np.uint16) * 200)
        if mode == "I;16"
        else Image.fromarray(array, None if mode in ("L", "RGB") else mode if mode != "1" else "L")
    )
    made = made.convert("1") if mode == "1" else made
    out = io.BytesIO()
    made.save(out, kind, **options)
    return out.getvalue()


def wrapped(kind: Any, content: bytes, folder: Path, **more: Any) -> tuple[wrap.Wrapped, pydicom.Dataset, Path]:
    path = folder / "in"
    path.write_bytes(content)
    out = io.BytesIO()
    found = wrap.wrap(kind, path, exam(**more), out)
    result = folder / "out.dcm"
    result.write_bytes(part10.file_meta_bytes(found.sop_class_uid, found.sop_instance_uid, found.transfer_syntax_uid) + out.getvalue())
    read = header.read_header(io.BytesIO(out.getvalue()), found.transfer_syntax_uid)
    assert read.warnings == ()
    return found, pydicom.dcmread(result), result


def valid(path: Path) -> None:
    """dciodvfy finds no error."""
    if shutil.which("dciodvfy") is None:
        missing("dicom3tools")
    said = subprocess.run(["dciodvfy", str(path)], capture_output=True, text=True, timeout=60).stderr
    errors = [line for line in said.splitlines() if line.startswith("Error")]
    assert not errors, errors


def test_pdf_is_kept_byte_for_byte(tmp_path: Path) -> None:
    found, ds, path = wrapped("pdf", PDF, tmp_path, DocumentTitle="Compte rendu été")
    assert found.sop_class_uid == wrap.ENCAPSULATED_PDF
    assert ds.EncapsulatedDocument[: ds.EncapsulatedDocumentLength] == PDF
    assert (str(ds.PatientName), ds.PatientID, ds.StudyInstanceUID, ds.DocumentTitle) == (
        "Durand^Zoé",
        "4711",
        "1.2.3.4",
        "Compte rendu été",
    )
    valid(path)


@pytest.mark.parametrize(
    ("mode", "options", "photometric"),
    [("RGB", {"subsampling": 2}, "YBR_FULL_422"), ("RGB", {"subsampling": 0}, "YBR_FULL_422"), ("L", {}, "MONOCHROME2")],
)
def test_baseline_jpeg_is_kept_byte_for_byte(mode: str, options: dict[str, Any], photometric: str, tmp_path: Path) -> None:
    content = picture(mode, "JPEG", **options)
    found, ds, path = wrapped("jpeg", content, tmp_path)
    assert found.transfer_syntax_uid == "1.2.840.10008.1.2.4.50"
    assert pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)[: len(content)] == content
    assert (ds.PhotometricInterpretation, ds.Rows, ds.Columns, ds.LossyImageCompression) == (photometric, 60, 81, "01")
    assert np.abs(ds.pixel_array.astype(int) - np.asarray(Image.open(io.BytesIO(content))).astype(int)).max() <= 40
    valid(path)


def test_other_jpegs_are_stored_as_what_they_show(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    for content, size in (
        (picture("RGB", "JPEG", progressive=True), (60, 81)),
        (picture("CMYK", "JPEG"), (60, 81)),
        (picture("RGB", "JPEG", exif=exif), (81, 60)),
    ):
        found, ds, path = wrapped("jpeg", content, tmp_path)
        assert found.transfer_syntax_uid == "1.2.840.10008.1.2.4.80"
        assert (ds.Rows, ds.Columns, ds.LossyImageCompression, ds.PhotometricInterpretation) == (*size, "01", "RGB")
        valid(path)


@pytest.mark.parametrize("mode", ["RGB", "L", "RGBA", "1", "I;16"])
def test_png_is_stored_without_loss(mode: str, tmp_path: Path) -> None:
    content = picture(mode, "PNG")
    _, ds, path = wrapped("png", content, tmp_path)
    shown = Image.open(io.BytesIO(content))
    if mode == "RGBA":
        shown = Image.alpha_composite(Image.new("RGBA", shown.size, "white"), shown)
    expected = np.asarray(shown) if mode == "I;16" else np.asarray(shown.convert("L" if mode in ("L", "1") else "RGB"))
    assert np.array_equal(pydicom.pixels.pixel_array(ds, decoding_plugin="pyjpegls"), expected)
    valid(path)


@pytest.mark.parametrize(
    ("options", "syntax"),
    [
        ({}, "1.2.840.10008.1.2.4.102"),
        ({"level": 42}, "1.2.840.10008.1.2.4.104"),
        ({"profile": 77, "level": 31}, "1.2.840.10008.1.2.4.102"),
        ({"codec": b"hvc1", "profile": 1, "level": 123}, "1.2.840.10008.1.2.4.107"),
        ({"codec": b"hvc1", "profile": 2, "level": 153}, "1.2.840.10008.1.2.4.108"),
    ],
)
def test_mp4_is_kept_byte_for_byte(options: dict[str, Any], syntax: str, tmp_path: Path) -> None:
    content = video(**options)
    found, ds, path = wrapped("mp4", content, tmp_path)
    assert found.transfer_syntax_uid == syntax
    assert pydicom.encaps.get_frame(ds.PixelData, 0, number_of_frames=1)[: len(content)] == content
    assert (ds.Rows, ds.Columns, ds.NumberOfFrames, ds.FrameTime, ds.CineRate) == (480, 640, 50, 40, 25)
    if syntax.endswith("102"):
        valid(path)


@pytest.mark.parametrize(
    "content", [video(level=51), video(profile=122), video(frames=0), video(codec=b"mp4v"), box(b"ftyp", b"isom") + box(b"moov")]
)
def test_videos_without_a_syntax_are_refused(content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        wrapped("mp4", content, tmp_path)
    assert caught.value.code in ("unsupported-content", "bad-content")


@pytest.mark.parametrize(
    ("kind", "content"),
    [
        ("pdf", b"hello"),
        ("pdf", PDF[:60]),
        ("jpeg", picture("L", "PNG")),
        ("jpeg", picture("RGB", "JPEG")[:300]),
        ("png", picture("RGB", "PNG")[:200]),
        ("png", b"\x89PNG\r\n\x1a\n" + b"x" * 50),
        ("mp4", video()[:400]),
        ("mp4", b"\0\0\0\x08ftyp"),
        ("pdf", b""),
    ],
)
def test_content_that_is_not_what_it_says_is_refused(kind: Any, content: bytes, tmp_path: Path) -> None:
    with pytest.raises(Invalid) as caught:
        wrapped(kind, content, tmp_path)
    assert caught.value.code in ("bad-content", "unsupported-content")


def test_a_picture_bomb_is_refused(tmp_path: Path) -> None:
    def chunk(name: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))

    bomb = (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", struct.pack(">IIBBBBB", 60000, 60000, 8, 2, 0, 0, 0))
        + chunk(b"IDAT", zlib.compress(bytes(1 << 20)))
        + chunk(b"IEND", b"")
    )
    with pytest.raises(Invalid) as caught:
        wrapped("png", bomb, tmp_path)
    assert caught.value.code == "too-large"


def test_the_same_file_in_the_same_study_is_the_same_object(tmp_path: Path) -> None:
    first, _, _ = wrapped("pdf", PDF, tmp_path)
    assert wrapped("pdf", PDF, tmp_path)[0] == first
    assert wrapped("pdf", PDF, tmp_path, StudyInstanceUID="1.2.5")[0].sop_instance_uid != first.sop_instance_uid


def test_kinds_are_found_by_content() -> None:
    assert [wrap.kind_of(one[:64]) for one in (PDF, picture("L", "JPEG"), picture("L", "PNG"), video(), b"hello", b"")] == [
        "pdf",
        "jpeg",
        "png",
        "mp4",
        None,
        None,
    ]


def test_wrapping_runs_in_a_child(tmp_path: Path) -> None:
    pool = PixelWorkers(1, 2 << 30, 30)
    try:
        path = tmp_path / "in"
        path.write_bytes(picture("RGB", "PNG"))
        found = pool.wrap("png", path, exam(), tmp_path / "out")
        assert found.study_uid == "1.2.3.4"
        assert header.read_header(io.BytesIO((tmp_path / "out").read_bytes()), found.transfer_syntax_uid).first("00100020") == "4711"
        with pytest.raises(Invalid):
            pool.wrap("jpeg", path, exam(), tmp_path / "none")
        assert not (tmp_path / "none").exists()
    finally:
        pool.close()


def test_broken_mp4_ends_in_invalid() -> None:
    rng = random.Random(4)
    stop = time.monotonic() + 1.5
    while time.monotonic() < stop:
        data = bytearray(video())
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data) - 700, len(data))] = rng.randrange(256)
        try:
            mp4.read(io.BytesIO(bytes(data)))
        except Invalid:
            pass
