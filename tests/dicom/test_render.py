"""What the server shows beside what DCMTK's dcm2pnm shows of the same object: lookup tables, windows, overlays."""

from __future__ import annotations

import io
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from PIL import Image
from pydicom.dataset import Dataset

from archipel.dicom import part10
from archipel.dicom.render import RenderRequest, render
from archipel.kit.errors import Invalid
from tests import make
from tests.dicom.samples import all_files
from tests.servers import program

# Both round: DCMTK works with tables of 8 or 16 bits, we in floating point.
TOLERANCE = 2


def ours(file: bytes, number: int = 1) -> np.ndarray:
    """Our picture, without loss."""
    source = io.BytesIO(file)
    meta = part10.split(source)
    source.seek(meta.dataset_offset)
    shown = render(source, meta.transfer_syntax_uid, RenderRequest(frame_number=number, media_type="image/png"))
    return np.asarray(Image.open(io.BytesIO(shown.data)).convert("L")).astype(int)


def theirs(path: Path, *options: str, number: int = 1) -> np.ndarray | None:
    """DCMTK's picture with 8 bits, None when it makes none."""
    target = path.with_suffix(".pgm")
    argv = [program("dcmj2pnm", peer="dcmtk"), "+opb", "+F", str(number), *options, str(path), str(target)]
    done = subprocess.run(argv, capture_output=True, timeout=60)
    if done.returncode or not target.exists():
        return None
    return np.asarray(Image.open(target).convert("L")).astype(int)


def compare(ds: Dataset, folder: Path, *options: str, number: int = 1) -> np.ndarray:
    """Both pictures are the same but for rounding; ours is given back."""
    path = folder / "image.dcm"
    path.write_bytes(make.part10(ds))
    peer = theirs(path, *options, number=number)
    assert peer is not None
    mine = ours(path.read_bytes(), number)
    assert mine.shape == peer.shape
    assert np.abs(mine - peer).max() <= TOLERANCE
    assert len(np.unique(mine)) > 1
    return mine


def image(pixels: np.ndarray, *, bits: int = 12, signed: bool = False, **attributes: Any) -> Dataset:
    """A monochrome image."""
    ds = make.instance(pydicom.uid.SecondaryCaptureImageStorage, "OT", **attributes)
    ds.SamplesPerPixel, ds.PhotometricInterpretation = 1, attributes.get("PhotometricInterpretation", "MONOCHROME2")
    ds.Rows, ds.Columns = pixels.shape[-2:]
    if pixels.ndim == 3:
        ds.NumberOfFrames = pixels.shape[0]
    ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, bits, bits - 1, int(signed)
    ds.PixelData = pixels.astype("<i2" if signed else "<u2").tobytes()
    return ds


def ramp(rows: int = 64, columns: int = 64) -> np.ndarray:
    """Every value of 12 bits once."""
    return np.arange(rows * columns).reshape(rows, columns)


def table(keyword_data: np.ndarray, first: int, bits: int, *, modality: bool, vr: str = "US") -> Dataset:
    """An item of a Modality or VOI LUT Sequence."""
    item = Dataset()
    item.add_new(0x00283002, vr, [len(keyword_data) % 65536, first, bits])
    if modality:
        item.ModalityLUTType = "OD"
    item.add_new(0x00283006, "OW", keyword_data.astype("<u2").tobytes())
    return item


def test_a_modality_lut_then_the_window(tmp_path: Path) -> None:
    ds = image(ramp())
    curve = np.round(4095 * np.sqrt(np.arange(4096) / 4095))
    ds.ModalityLUTSequence = [table(curve, 0, 12, modality=True)]
    ds.WindowCenter, ds.WindowWidth = 2048, 3000
    mine = compare(ds, tmp_path, "+Wi", "1")
    assert (np.diff(mine.ravel()) >= 0).all()


def test_a_modality_lut_that_starts_later_and_ends_sooner(tmp_path: Path) -> None:
    """PS3.3 C.11.1.1.1: values before the first and after the last entry map to these."""
    ds = image(ramp())
    ds.ModalityLUTSequence = [table(4095 - np.arange(2000), 1000, 12, modality=True)]
    ds.WindowCenter, ds.WindowWidth = 3000, 2000
    mine = compare(ds, tmp_path, "+Wi", "1")
    assert len(np.unique(mine.ravel()[:1000])) == 1


def test_a_modality_lut_of_signed_samples(tmp_path: Path) -> None:
    ds = image(ramp() - 2048, signed=True)
    ds.ModalityLUTSequence = [table(np.arange(4096) // 2, -2048, 12, modality=True, vr="SS")]
    ds.WindowCenter, ds.WindowWidth = 1024, 2048
    compare(ds, tmp_path, "+Wi", "1")


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_a_voi_lut(bits: int, tmp_path: Path) -> None:
    ds = image(ramp())
    ds.VOILUTSequence = [table(np.round(((1 << bits) - 1) * (np.arange(4096) / 4095) ** 2), 0, bits, modality=False)]
    compare(ds, tmp_path, "+Wl", "1")


def test_a_voi_lut_after_rescaling_to_negative_values(tmp_path: Path) -> None:
    """Its first value is a modality value, here -1024, thus of VR SS."""
    ds = image(ramp(), RescaleIntercept=-1024, RescaleSlope=1)
    ds.VOILUTSequence = [table(np.arange(3000) * 65535 // 2999, -1024, 16, modality=False, vr="SS")]
    compare(ds, tmp_path, "+Wl", "1")


@pytest.mark.parametrize("photometric", ["MONOCHROME1", "MONOCHROME2"])
@pytest.mark.parametrize("function", ["LINEAR", "SIGMOID"])
def test_a_window(photometric: str, function: str, tmp_path: Path) -> None:
    ds = image(ramp(), PhotometricInterpretation=photometric, RescaleIntercept=-1024, RescaleSlope=1)
    ds.WindowCenter, ds.WindowWidth, ds.VOILUTFunction = 300, 1500, function
    compare(ds, tmp_path, "+Wi", "1", "+Wfs" if function == "SIGMOID" else "+Wfl")


def overlaid(rows: int, columns: int, origin: tuple[int, int], *, kind: str = "G", frames: int = 0, first: int = 1) -> Dataset:
    """A dark image with a plane whose bits form rings."""
    ds = image(np.stack([ramp() // 4] * 3) if frames else ramp() // 4)
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    y, x = np.mgrid[:rows, :columns]
    planes = [((y * y + x * x) // (40 + 30 * frame)) % 3 == 0 for frame in range(max(1, frames))]
    bits = np.packbits(np.stack(planes).ravel(), bitorder="little").tobytes()
    for element, vr, value in (
        (0x0010, "US", rows), (0x0011, "US", columns), (0x0040, "CS", kind), (0x0050, "SS", list(origin)), (0x0100, "US", 1),
        (0x0102, "US", 0), (0x3000, "OW", bits + b"\0" * (len(bits) % 2)),
    ):  # fmt: skip
        ds.add_new((0x6000 << 16) + element, vr, value)
    if frames:
        ds.add_new(0x60000015, "IS", frames)
        ds.add_new(0x60000051, "US", first)
    return ds


@pytest.mark.parametrize(("size", "origin"), [((64, 64), (1, 1)), ((20, 31), (10, 15)), ((40, 40), (-5, -9)), ((50, 50), (40, 30))])
def test_an_overlay_is_burnt_in_where_it_lies(size: tuple[int, int], origin: tuple[int, int], tmp_path: Path) -> None:
    ds = overlaid(*size, origin)
    mine = compare(ds, tmp_path, "+Wi", "1")
    assert (mine == 255).sum() > 50


def test_an_overlay_of_several_frames(tmp_path: Path) -> None:
    """Two planes from frame 2 on: each frame has its own, the first has none."""
    ds = overlaid(30, 30, (5, 5), frames=2, first=2)
    counts = [(compare(ds, tmp_path, "+Wi", "1", number=number) == 255).sum() for number in (1, 2, 3)]
    assert counts[0] == 0
    assert counts[1] != counts[2] != 0


def test_an_old_overlay_in_unused_bits(tmp_path: Path) -> None:
    """PS3.5 8.1.2, retired: bit 12 of samples that have 12."""
    y, x = np.mgrid[:64, :64]
    rings = (y * y + x * x) // 90 % 3 == 0
    ds = image((ramp() // 4) | (rings.astype(int) << 12))
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    for element, vr, value in ((0x0010, "US", 64), (0x0011, "US", 64), (0x0040, "CS", "G"), (0x0050, "SS", [1, 1]), (0x0100, "US", 16),
                               (0x0102, "US", 12)):  # fmt: skip
        ds.add_new((0x6000 << 16) + element, vr, value)
    mine = compare(ds, tmp_path, "+Wi", "1")
    assert ((mine == 255) == rings).all()


def test_a_region_is_not_drawn_and_a_broken_plane_breaks_nothing(tmp_path: Path) -> None:
    plain = overlaid(64, 64, (1, 1))
    del plain[0x60003000]
    expected = ours(make.part10(plain))
    region, cut, empty, none = (overlaid(64, 64, (1, 1), kind=kind) for kind in "RGGG")
    cut[0x60003000].value = b"\xff\xff"
    empty[0x60000010].value = 0
    none[0x60000050].value = None
    for ds in (region, cut, empty):
        assert (ours(make.part10(ds)) == expected).all()
    assert (ours(make.part10(none)) == 255).any()


def with_tables() -> list[Path]:
    """Samples that have overlays or lookup tables."""
    found = []
    for path in all_files():
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True)
            monochrome = (
                str(ds.get("PhotometricInterpretation", "")).startswith("MONOCHROME") and int(ds.Rows) * int(ds.Columns) < 5_000_000
            )
        except Exception:  # some samples are broken on purpose
            continue
        if monochrome and ({0x00283000, 0x00283010} & set(ds.keys()) or any(0x6000 <= tag >> 16 < 0x6020 for tag in set(ds.keys()))):
            found.append(path)
    return found


def test_real_objects_with_tables_and_overlays(tmp_path: Path) -> None:
    """Those of pydicom, of the tree and beside it, as far as both readers take them."""
    count, different = 0, []
    for path in with_tables():
        copy = tmp_path / "image.dcm"
        copy.write_bytes(path.read_bytes())
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        window = ["+Wi", "1"] if ds.get("WindowCenter") not in (None, "") else ["+Wl", "1"] if "VOILUTSequence" in ds else []
        if not window:
            continue  # without either each makes up a window of its own
        (tmp_path / "image.pgm").unlink(missing_ok=True)
        peer = theirs(copy, *window)
        try:
            mine = ours(copy.read_bytes())
        except Invalid:
            continue
        if peer is None or peer.shape != mine.shape:
            continue
        count += 1
        share = float((np.abs(mine - peer) > TOLERANCE).mean())
        if share > 0.001:
            different.append((path.name, share))
    assert different == []
    assert count > 0
