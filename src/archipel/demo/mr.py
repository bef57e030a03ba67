"""Brain MR: three contrasts of one head with two white-matter lesions, and a sagittal T1."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import sqrt

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import MRImageStorage

from archipel.demo.dataset import MARK, Series, Visit, add_plane, instance, part10, set_pixels, sibling
from archipel.demo.paint import Canvas, Pixels, ellipse, power_law_field
from archipel.demo.uids import generator

HEIGHT_MM = 150.0
FIELD_MM = 230.0


@dataclass(frozen=True)
class Contrast:
    """Signal of each tissue (arbitrary units) and the timing that would give it (ms)."""

    key: str
    number: int
    description: str
    sequence: str
    fat: int
    bone: int
    fluid: int
    grey: int
    white: int
    lesion: int
    echo_ms: float
    repetition_ms: float
    inversion_ms: float = 0.0


CONTRASTS = (
    Contrast("t1", 2, "T1 SE axial", "SE", 950, 40, 130, 380, 520, 330, 12, 550),
    Contrast("t2", 3, "T2 TSE axial", "SE", 620, 30, 1050, 520, 380, 830, 98, 4800),
    Contrast("flair", 4, "T2 FLAIR axial", "IR", 560, 30, 60, 520, 390, 960, 120, 9000, 2500),
)


def brain_mr(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """Every series of the exam as Part 10 files."""
    size, count = (64, 6) if small else (256, 30)
    for contrast in CONTRASTS:
        yield from axial_files(visit, contrast, size, count)
    yield from sagittal_files(visit, CONTRASTS[0], size, count)


def axial_files(visit: Visit, contrast: Contrast, size: int, count: int) -> Iterator[bytes]:
    series = Series(contrast.key, contrast.number, "MR", contrast.description, "BRAIN", "Phantom MR", minutes=contrast.number * 4)
    spacing = HEIGHT_MM / count
    volume = [brain_slice((index + 0.5) * spacing, contrast, size, visit.key) for index in range(count)]
    corner = -FIELD_MM / size * (size - 1) / 2
    positions = [(corner, corner, -(index + 0.5) * spacing) for index in range(count)]
    yield from files_of(visit, series, contrast, volume, positions, spacing, (1, 0, 0, 0, 1, 0))


def sagittal_files(visit: Visit, contrast: Contrast, size: int, count: int) -> Iterator[bytes]:
    """The same head cut along its length: painted finely in the axial plane, then read the other way."""
    series = Series("sag", 5, "MR", "T1 SE sagittal", "BRAIN", "Phantom MR", minutes=24)
    pixel = FIELD_MM / size
    fine = np.stack([brain_slice(row * pixel, contrast, size, visit.key) for row in range(size)])
    step = max(1, size // (2 * count))
    columns = range(size // 2 - step * (count // 2), size // 2 + step * (count // 2), step)
    corner = -pixel * (size - 1) / 2
    volume = [fine[:, :, column] for column in columns]
    positions = [(corner + column * pixel, corner, 0.0) for column in columns]
    yield from files_of(visit, series, contrast, volume, positions, step * pixel, (0, 1, 0, 0, 0, -1))


def files_of(
    visit: Visit,
    series: Series,
    contrast: Contrast,
    volume: list[Pixels],
    positions: list[tuple[float, float, float]],
    spacing_mm: float,
    axes: tuple[int, ...],
) -> Iterator[bytes]:
    template = instance(visit, series, MRImageStorage, 1)
    add_mr(template, visit, contrast, spacing_mm)
    rng = generator(visit.key, series.key, "noise")
    for index, (pixels, position) in enumerate(zip(volume, positions, strict=True)):
        ds = sibling(template, visit.uid(series.key, index + 1), index + 1)
        add_plane(ds, pixel_mm=FIELD_MM / pixels.shape[1], thickness_mm=spacing_mm * 0.9, position=position, axes=axes)
        noise = rng.normal(0, 14, (2, *pixels.shape)).astype(np.float32)
        set_pixels(ds, np.hypot(pixels + noise[0], noise[1]).clip(0, 4095).astype(np.uint16), bits_stored=12)
        yield part10(ds)


def add_mr(ds: Dataset, visit: Visit, contrast: Contrast, spacing_mm: float) -> None:
    """MR Image module (PS3.3 C.8.3.1)."""
    values = {
        "ImageType": ["ORIGINAL", "PRIMARY", "OTHER"],
        "ImageComments": MARK,
        "FrameOfReferenceUID": visit.uid("frame of reference"),
        "PositionReferenceIndicator": "",
        "PatientPosition": "HFS",
        "AcquisitionNumber": 1,
        "ScanningSequence": contrast.sequence,
        "SequenceVariant": "SK",
        "ScanOptions": "",
        "MRAcquisitionType": "2D",
        "EchoTime": contrast.echo_ms,
        "RepetitionTime": contrast.repetition_ms,
        "InversionTime": contrast.inversion_ms or None,
        "EchoTrainLength": 1,
        "MagneticFieldStrength": 1.5,
        "FlipAngle": 90,
        "SpacingBetweenSlices": f"{spacing_mm:g}",
        "ProtocolName": contrast.description,
        "WindowCenter": 480,
        "WindowWidth": 960,
    }
    for keyword, value in values.items():
        if value is not None:
            setattr(ds, keyword, value)


def brain_slice(depth: float, contrast: Contrast, size: int, seed: str) -> Pixels:
    """Signal at ``depth`` mm below the vertex."""
    canvas = Canvas.centred(size, size, FIELD_MM / size, 0)
    rest = 1 - ((depth - 96) / 90) ** 2
    if rest <= 0.01:
        return canvas.pixels
    fullness = sqrt(rest)
    rx, ry = 68 * fullness, 86 * fullness
    for grow, signal in ((10, contrast.fat), (6, contrast.bone), (1, contrast.fluid), (-2, contrast.grey)):
        ellipse(canvas, 0, 0, rx + grow, ry + grow, signal)
    paint_white_matter(canvas, depth, rx, ry, contrast, seed)
    if 40 < depth < 100:
        paint_ventricles(canvas, sqrt(1 - ((depth - 70) / 30) ** 2), contrast)
    for x, y, z, radius in ((-24.0, -8.0, 58.0, 5.5), (20.0, 20.0, 54.0, 4.0), (30.0, -22.0, 66.0, 3.2)):
        remaining = radius**2 - ((depth - z) / 1.5) ** 2
        if remaining > 0:
            ellipse(canvas, x, y, sqrt(remaining), sqrt(remaining) * 1.4, contrast.lesion)
    if depth > 112:
        for side in (-1, 1):
            ellipse(canvas, side * 28, -76 * fullness, 13, 13, contrast.fluid)
            ellipse(canvas, side * 22, 42, 26 * fullness, 22 * fullness, contrast.grey)
        ellipse(canvas, 0, 16, 12, 14, contrast.white)
    return canvas.pixels


def paint_white_matter(canvas: Canvas, depth: float, rx: float, ry: float, contrast: Contrast, seed: str) -> None:
    """White matter with a folded border: the radius is pushed in and out by a smooth random field that depends on direction and depth."""
    found = canvas.window(0, 0, max(rx, 2), max(ry, 2))
    if found is None:
        return
    part, dx, dy = found
    folds = power_law_field(generator(seed, "folds"), 64, 1024, 2.0)
    angle = ((np.arctan2(dy, dx) / (2 * np.pi) + 0.5) * 1023).astype(np.int64)
    radius = np.sqrt((dx / max(rx, 1)) ** 2 + (dy / max(ry, 1)) ** 2)
    limit = 0.80 + 0.055 * folds[int(depth / 3) % 64][angle]
    inside = (radius < limit) & (np.abs(dx) > 1.6)
    part[inside] = contrast.white
    part[(np.abs(dx) <= 1.2) & (radius < 0.96)] = contrast.fluid


def paint_ventricles(canvas: Canvas, size: float, contrast: Contrast) -> None:
    for side in (-1, 1):
        ellipse(canvas, side * 25, 2, 13 * size, 22 * size, contrast.grey, angle=side * 0.2)
        ellipse(canvas, side * 8, -18, 5 * size, 17 * size, contrast.fluid, angle=side * -0.25)
        ellipse(canvas, side * 17, 28, 5 * size, 15 * size, contrast.fluid, angle=side * 0.45)
    ellipse(canvas, 0, 4, 2 * size, 12 * size, contrast.fluid)
