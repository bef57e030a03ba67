"""CT series: a chest with nodules in two kernels, a head with a subdural haematoma."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from math import sqrt

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import CTImageStorage

from archipel.demo.dataset import MARK, Series, Visit, add_plane, code, instance, part10, set_pixels, sibling
from archipel.demo.paint import Canvas, Pixels, ellipse, power_law_field
from archipel.demo.thorax import HEIGHT_MM, Thorax
from archipel.demo.uids import generator

RESCALE_INTERCEPT = -1024
AXIAL = (1, 0, 0, 0, 1, 0)
BODY_PHANTOM = ("113691", "IEC Body Dosimetry Phantom")
HEAD_PHANTOM = ("113690", "IEC Head Dosimetry Phantom")


@dataclass(frozen=True)
class Scan:
    """How a CT series is reconstructed and acquired; lengths in mm, dose in mGy."""

    series: Series
    size: int
    field_mm: float
    count: int
    spacing_mm: float
    kernel: str
    window: tuple[int, int]
    noise_hu: float
    grain: float
    kvp: int = 110
    ctdi_vol_mgy: float = 5.8
    pitch: float = 1.1
    mas: int = 96
    phantom: tuple[str, str] = BODY_PHANTOM

    @property
    def length_mm(self) -> float:
        return self.count * self.spacing_mm


def chest_scans(small: bool = False) -> tuple[Scan, Scan]:
    """Lung and soft-tissue reconstructions of one helical acquisition."""
    size, count = (64, 40) if small else (512, 120)
    spacing = HEIGHT_MM / count
    lung = Series("lung", 2, "CT", "Thorax poumon 2,5 mm", "CHEST", "Phantom CT")
    soft = Series("soft", 3, "CT", "Thorax mediastin 5 mm", "CHEST", "Phantom CT", minutes=1)
    return (
        Scan(lung, size, 400.0, count, spacing, "LUNG", (-600, 1500), 42.0, 0.6),
        Scan(soft, size, 400.0, count // 2, spacing * 2, "SOFT", (40, 400), 11.0, 1.4),
    )


def head_scan(small: bool = False) -> Scan:
    size, count = (64, 8) if small else (512, 36)
    series = Series("head", 2, "CT", "Crâne sans injection", "HEAD", "Phantom CT")
    dose = {"kvp": 120, "ctdi_vol_mgy": 48.0, "pitch": 0.55, "mas": 280, "phantom": HEAD_PHANTOM}
    return Scan(series, size, 240.0, count, 160.0 / count, "BRAIN", (40, 80), 4.5, 1.0, **dose)  # type: ignore[arg-type]


def chest_ct(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """Both chest series as Part 10 files."""
    thorax = Thorax(visit.key)
    for scan in chest_scans(small):
        yield from scan_files(visit, scan, partial(thorax.slice, size=scan.size, field_mm=scan.field_mm))


def head_ct(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """A head without contrast, with a crescent of blood on the left."""
    scan = head_scan(small)
    texture = power_law_field(generator(visit.key, "brain"), scan.size, scan.size, 2.6)
    yield from scan_files(visit, scan, lambda z: head_slice(z, scan, texture))


def scan_files(visit: Visit, scan: Scan, hounsfield: Callable[[float], Pixels]) -> Iterator[bytes]:
    rng = generator(visit.key, scan.series.key, "noise")
    bank = [power_law_field(rng, scan.size, scan.size, scan.grain) * np.float32(scan.noise_hu) for _ in range(6)]
    for ds, depth in scan_headers(visit, scan):
        row, column = (int(shift) for shift in rng.integers(0, scan.size, 2))
        noise = np.roll(bank[int(rng.integers(len(bank)))], (row, column), axis=(0, 1))
        stored = np.clip(hounsfield(depth) + noise - RESCALE_INTERCEPT, 0, 4095).astype(np.uint16)
        set_pixels(ds, stored, bits_stored=12)
        yield part10(ds)


def scan_headers(visit: Visit, scan: Scan) -> Iterator[tuple[Dataset, float]]:
    """Every instance of the series without its pixels, and the depth of its slice in mm below the first."""
    template = instance(visit, scan.series, CTImageStorage, 1)
    add_ct(template, visit, scan)
    pixel = scan.field_mm / scan.size
    corner = -pixel * (scan.size - 1) / 2
    for index in range(scan.count):
        ds = sibling(template, visit.uid(scan.series.key, index + 1), index + 1)
        depth = (index + 0.5) * scan.spacing_mm
        add_plane(ds, pixel_mm=pixel, thickness_mm=scan.spacing_mm, position=(corner, corner, -depth), axes=AXIAL)
        ds.Rows = ds.Columns = scan.size
        yield ds, depth


def add_ct(ds: Dataset, visit: Visit, scan: Scan) -> None:
    """CT Image module (PS3.3 C.8.2.1) and the frame of reference of the visit."""
    ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL"]
    ds.ImageComments = MARK
    ds.FrameOfReferenceUID = visit.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.PatientPosition = "HFS"
    ds.AcquisitionNumber = 1
    ds.AcquisitionDate, ds.AcquisitionTime = ds.StudyDate, ds.StudyTime
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = RESCALE_INTERCEPT, 1, "HU"
    ds.WindowCenter, ds.WindowWidth = scan.window
    ds.ConvolutionKernel = scan.kernel
    ds.KVP = scan.kvp
    ds.XRayTubeCurrent = scan.mas * 2
    ds.ExposureTime = 500
    ds.Exposure = scan.mas
    ds.SpiralPitchFactor = scan.pitch
    ds.CTDIvol = scan.ctdi_vol_mgy
    ds.CTDIPhantomTypeCodeSequence = [code(scan.phantom[0], "DCM", scan.phantom[1])]
    ds.ReconstructionDiameter = scan.field_mm
    ds.ProtocolName = scan.series.description
    ds.IrradiationEventUID = visit.uid("irradiation event")


def head_slice(depth: float, scan: Scan, texture: Pixels) -> Pixels:
    """An axial slice of a head at ``depth`` mm below the vertex."""
    canvas = Canvas.centred(scan.size, scan.size, scan.field_mm / scan.size, -1000)
    fullness = sqrt(max(1 - ((depth - 92) / 96) ** 2, 0.02))
    rx, ry = 74 * fullness, 92 * fullness
    ellipse(canvas, 0, 0, rx + 9, ry + 9, 35)
    ellipse(canvas, 0, 0, rx + 5, ry + 5, 1100)
    ellipse(canvas, 0, 0, rx - 1.5, ry - 1.5, 6)
    ellipse(canvas, 0, 0, rx - 4, ry - 4, 37)
    ellipse(canvas, 0, 0, rx - 12, ry - 12, 29, weight=0.9)
    ellipse(canvas, 0, 0, 0.9, ry - 5, 52)
    if 48 < depth < 104:
        paint_deep_brain(canvas, depth)
    if 40 < depth < 110:
        paint_haematoma(canvas, rx, ry, sqrt(1 - ((depth - 75) / 36) ** 2))
    if depth > 118:
        paint_skull_base(canvas, depth)
    brain = (canvas.pixels > 20) & (canvas.pixels < 46)
    canvas.pixels[brain] += 1.6 * texture[brain]
    return canvas.pixels


def paint_deep_brain(canvas: Canvas, depth: float) -> None:
    size = sqrt(1 - ((depth - 76) / 30) ** 2)
    for side in (-1, 1):
        ellipse(canvas, side * 22, 2, 14 * size, 24 * size, 36, angle=side * 0.2)
        ellipse(canvas, side * 9, -20, 5 * size, 15 * size, 5, angle=side * -0.25)
        ellipse(canvas, side * 18, 30, 5.5 * size, 15 * size, 5, angle=side * 0.45)
        if depth > 78:
            ellipse(canvas, side * 22, 34, 2.4, 3.2, 120)
    ellipse(canvas, 0, 4, 2.2 * size, 11 * size, 6)


def paint_haematoma(canvas: Canvas, rx: float, ry: float, amount: float) -> None:
    inner = Canvas(canvas.pixels.copy(), canvas.pixel_mm, canvas.left_mm, canvas.top_mm)
    ellipse(inner, 0, 0, rx - 2, ry - 2, 66)
    ellipse(inner, -9 * amount - 2, 0, rx - 3.5, ry - 3, -5000)
    blood = (inner.pixels > 50) & (inner.pixels < 80) & (canvas.pixels < 60)
    left_half = np.arange(canvas.pixels.shape[1])[None, :] > canvas.pixels.shape[1] // 2
    canvas.pixels[blood & left_half] = 66


def paint_skull_base(canvas: Canvas, depth: float) -> None:
    for side in (-1, 1):
        ellipse(canvas, side * 46, 22, 26, 7, 900, angle=side * 0.55)
        ellipse(canvas, side * 54, 32, 8, 7, -700)
        if depth > 130:
            ellipse(canvas, side * 32, -66, 16, 14, 20)
            ellipse(canvas, side * 10, -52, 7, 13, -900)
    ellipse(canvas, 0, 34, 9, 12, 36)
