"""Real objects of many makers through the DICOMweb door: byte for byte in and out, and pixel for pixel in every form."""

from __future__ import annotations

import csv
import io
import warnings
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pydicom
import pytest
from pydicom.encaps import generate_frames

from archipel.dicom import part10
from tests.dicom.samples import all_files
from tests.dicomweb.answers import parts
from tests.dicomweb.region import Region, running
from tests.servers import Backend

STORED = 'multipart/related; type="application/dicom"; transfer-syntax=*'
LE = "1.2.840.10008.1.2.1"
RELATED = 'multipart/related; type="application/dicom"; boundary=x7'
FILE_BYTES_MAX = 40 << 20


@pytest.fixture
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """An empty archive."""
    folder = tmp_path_factory.mktemp("samples")
    with running(folder, Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")) as made:
        yield made


def dataset_of(data: bytes) -> bytes:
    """The dataset of a file, as the archive's own reader finds its start; the part behind it is compared."""
    return data[part10.split(io.BytesIO(data)).dataset_offset :]


@pytest.mark.timeout(400)
def test_everything_that_is_stored_comes_back_byte_for_byte(region: Region) -> None:
    """Each file alone by STOW-RS; what the door says is stored is retrieved and compared."""
    stored = again = refused = 0
    with region.client() as client:
        for path in all_files():
            data = path.read_bytes()
            if len(data) > FILE_BYTES_MAX:
                continue
            body = b"--x7\r\nContent-Type: application/dicom\r\n\r\n" + data + b"\r\n--x7--\r\n"
            answer = client.post("/studies", content=body, headers={"Content-Type": RELATED, "Accept": "application/dicom+json"})
            assert answer.status_code in (200, 202, 409), f"{path}: {answer.status_code} {answer.text[:200]}"
            if answer.status_code == 409:
                assert answer.json()["00081198"]["Value"][0]["00000902"]["Value"][0], path
                refused += 1
                continue
            if answer.status_code == 202:
                again += 1  # another content under a UID that an earlier file has
                continue
            url = answer.json()["00081199"]["Value"][0]["00081190"]["Value"][0]
            back = parts(client.get(url, headers={"Accept": STORED}))
            assert len(back) == 1
            assert dataset_of(back[0].content) == dataset_of(data), path
            metadata = client.get(url + "/metadata", headers={"Accept": "application/dicom+json"})
            assert metadata.status_code == 200, path
            assert metadata.json()[0]["00080018"]["Value"] == [url.rpartition("/")[2]], path
            stored += 1
    assert stored > 60, f"stored {stored}, kept aside {again}, refused {refused}"
    assert region.spool.used_bytes == 0
    assert list(region.spool.folder.iterdir()) == []


def smallest_of_each_syntax(shared: Path) -> dict[str, Path]:
    """The smallest file of each transfer syntax whose pixels pydicom can read; no two share a UID."""
    with (shared / "index.csv").open() as table:
        rows = [row for row in csv.DictReader(table) if row["pixel_check"] == "ok" and row["opens"] == "pydicom" and row["study_uid"]]
    found: dict[str, Path] = {}
    used: set[str] = set()
    for row in sorted(rows, key=lambda row: int(row["bytes"])):
        syntax, uid = row["transfer_syntax_uid"], row["instance_uid"]
        if syntax not in found and uid not in used and int(row["bytes"]) < 5 << 20:
            found[syntax] = shared / row["path"]
            used.add(uid)
    return found


@pytest.mark.timeout(300)
def test_frames_of_every_stored_syntax_in_every_form(region: Region, shared_data: Path) -> None:
    chosen = smallest_of_each_syntax(shared_data / "dicom")
    assert len(chosen) >= 12
    compared = 0
    for syntax, path in sorted(chosen.items()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = pydicom.dcmread(path, force=True)
            native = frames_of(ds)
            compared += bool(native)
        region.put([path])
        url = f"/studies/{ds.StudyInstanceUID}/series/{ds.SeriesInstanceUID}/instances/{ds.SOPInstanceUID}"
        with region.client() as client:
            for accept in ("", "*/*", "application/octet-stream", 'multipart/related; type="application/octet-stream"'):
                answer = client.get(f"{url}/frames/1", headers={"Accept": accept})
                assert answer.status_code == 200, f"{path} {accept}: {answer.text}"
                part = parts(answer)[0]
                assert (part.media, part.transfer_syntax_uid) == ("application/octet-stream", LE), f"{path} {accept}"
                assert same_pixels(part.content, native, ds), f"{path} {accept}"
            for media in ("image/jls", "image/jp2", "image/jphc", "image/dicom-rle", "image/jpeg"):
                answer = client.get(f"{url}/frames/1", headers={"Accept": media})
                assert answer.status_code in (200, 406), f"{path} {media}: {answer.text}"
            as_stored = parts(
                client.get(f"{url}/frames/1", headers={"Accept": "multipart/related; type=application/octet-stream; transfer-syntax=*"})
            )
            if ds.file_meta.TransferSyntaxUID.is_encapsulated:
                assert as_stored[0].transfer_syntax_uid == syntax
                count = int(ds.get("NumberOfFrames", 1) or 1)
                assert as_stored[0].content == next(generate_frames(ds.PixelData, number_of_frames=count)), path
            for accept in ("", "*/*", "application/dicom", 'multipart/related; type="application/dicom"'):
                answer = client.get(url, headers={"Accept": accept})
                assert answer.status_code == 200, f"{path} {accept}: {answer.text}"
                back = pydicom.dcmread(io.BytesIO(parts(answer)[0].content))
                assert back.file_meta.TransferSyntaxUID == LE, path
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")
                    assert same_pixels(back.PixelData, native, back), f"{path} {accept}"
            rendered = client.get(f"{url}/rendered", headers={"Accept": "image/jpeg"})
            assert (rendered.status_code, rendered.content[:2]) == (200, b"\xff\xd8"), path
    assert compared >= 10


def frames_of(ds: pydicom.Dataset) -> list[np.ndarray]:
    """The first frame as pydicom decodes it, as it stands and in RGB: colour that JPEG kept as YBR is given in RGB."""
    try:
        return [np.asarray(next(pydicom.pixels.iter_pixels(ds, raw=raw))) for raw in (True, False)]
    except RuntimeError:  # no decoder of pydicom takes it: then nobody is asked
        return []


def same_pixels(content: bytes, decoded: list[np.ndarray], ds: pydicom.Dataset) -> bool:
    """Whether bytes hold the samples of the first frame; lossy decoders may differ by a few levels."""
    return not decoded or any(_same(content, native, ds) for native in decoded)


def _same(content: bytes, native: np.ndarray, ds: pydicom.Dataset) -> bool:
    if ds.BitsAllocated == 1:
        got = np.unpackbits(np.frombuffer(content, np.uint8), bitorder="little")[: native.size]
    else:
        kind = f"{'f' if 'PixelData' not in ds else 'i' if ds.PixelRepresentation else 'u'}{ds.BitsAllocated // 8}"
        got = np.frombuffer(content, "<" + kind)[: native.size]
    if got.size != native.size:
        return False
    options = [got.reshape(native.shape)]
    if native.ndim == 3:
        planar = got.reshape(native.shape[2], *native.shape[:2]).transpose(1, 2, 0)
        options.append(planar)
    wanted = native.astype(np.int64)
    return any(int(np.abs(one.astype(np.int64) - wanted).max()) <= 4 for one in options)
