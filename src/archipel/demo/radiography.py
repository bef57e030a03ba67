"""Plain radiographs: a chest projected from the demo's thorax, a hand drawn bone by bone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise

import imagecodecs
import numpy as np
from pydicom.dataset import Dataset
from pydicom.pixels.encoders.base import get_encoder
from pydicom.uid import (
    ComputedRadiographyImageStorage,
    DigitalXRayImageStorageForPresentation,
    ExplicitVRLittleEndian,
    JPEG2000Lossless,
    RLELossless,
)

from archipel.demo.dataset import MARK, Series, Visit, code, instance, part10, set_encapsulated, set_pixels
from archipel.demo.paint import Canvas, Pixels, burn, capsule, ellipse, enlarge
from archipel.demo.thorax import HEIGHT_MM, Thorax
from archipel.demo.uids import generator

MU_WATER_PER_MM = 0.0195


def chest_dx(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """A postero-anterior chest as Digital X-Ray, JPEG 2000 lossless."""
    rows, columns = (120, 160) if small else (1200, 1600)
    series = Series("pa", 1, "DX", "Thorax face", "CHEST", "Phantom DX")
    ds = instance(visit, series, DigitalXRayImageStorageForPresentation, 1)
    add_dx(ds)
    rng = generator(visit.key, "noise")
    pixels = enlarge(chest_projection(64 if small else 256), rows, columns) + rng.normal(0, 22, (rows, columns)).astype(np.float32)
    stored = pixels.clip(0, 4095).astype(np.uint16)
    burn(stored, MARK, 4000)
    ds.ImagerPixelSpacing = ds.PixelSpacing = [400.0 / columns] * 2
    set_pixels(ds, stored, bits_stored=12)
    if small:
        yield part10(ds, ExplicitVRLittleEndian)
        return
    encoded = imagecodecs.jpeg2k_encode(stored, level=0, reversible=True, codecformat="j2k", bitspersample=12, mct=False)
    set_encapsulated(ds, [bytes(encoded)])
    yield part10(ds, JPEG2000Lossless)


@lru_cache(maxsize=2)
def chest_projection(size: int) -> Pixels:
    """The thorax seen with the patient's left on the right of the picture, 300 by 400 mm, 12-bit values, bones bright."""
    thorax = Thorax("radiograph")
    depths = np.arange(0, HEIGHT_MM, 2.5)
    water = [np.clip(thorax.slice(float(z), size, 400.0) + 1000, 0, 2600) / 1000 for z in depths]
    paths = np.stack([part.sum(axis=0) for part in water]) * (400.0 / size) * MU_WATER_PER_MM
    picture = enlarge(paths.astype(np.float32), size * 3 // 4, size)
    low, high = np.percentile(picture, (12, 99.5))
    shown: Pixels = (np.clip((picture - low) / (high - low), -0.2, 1.05) * 3000 + 700).astype(np.float32)
    return shown


def add_dx(ds: Dataset) -> None:
    """DX series, image, anatomy and detector modules (PS3.3 C.8.11)."""
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.ImageComments = MARK
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality = "U"
    ds.ViewPosition = "PA"
    ds.ViewCodeSequence = [code("399348003", "SCT", "antero-posterior")]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.PatientOrientation = ["L", "F"]
    ds.AnatomicRegionSequence = [code("816094009", "SCT", "Chest")]
    ds.AcquisitionContextSequence = []
    ds.KVP, ds.ExposureTime, ds.XRayTubeCurrent = 120, 8, 250
    ds.ImageAndFluoroscopyAreaDoseProduct = "0.6"  # dGy.cm2
    ds.PositionerType = "NONE"
    ds.DetectorType = "SCINTILLATOR"
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.WindowCenter, ds.WindowWidth = 2100, 3600


def hand_cr(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """A left hand, postero-anterior and oblique, as Computed Radiography, RLE, stored inverted (MONOCHROME1)."""
    rows, columns = (150, 120) if small else (1000, 800)
    for number, (view, tilt) in enumerate((("PA", 0.0), ("LLO", 0.35)), start=1):
        series = Series("hand", 1, "CR", "Main gauche", "HAND", "Phantom CR")
        ds = instance(visit, series, ComputedRadiographyImageStorage, number)
        ds.ImageComments = MARK
        ds.ImageType = ["ORIGINAL", "PRIMARY"]
        ds.Laterality = "L"
        ds.ViewPosition = view
        ds.PatientOrientation = ["R", "F"]
        ds.KVP, ds.ExposureTime, ds.XRayTubeCurrent = 52, 12, 200
        ds.PlateType, ds.CassetteOrientation = "PHOSPHOR", "PORTRAIT"
        ds.ImagerPixelSpacing = [225.0 / rows] * 2
        ds.WindowCenter, ds.WindowWidth = 512, 1024
        picture = hand(rows, columns, tilt) + generator(visit.key, view).normal(0, 9, (rows, columns)).astype(np.float32)
        stored = (1023 - picture.clip(0, 1023)).astype(np.uint16)
        burn(stored, MARK, 40)
        set_pixels(ds, stored, bits_stored=10, photometric="MONOCHROME1")
        if small:
            yield part10(ds)
            continue
        set_encapsulated(ds, [get_encoder(RLELossless).encode(ds)])
        yield part10(ds, RLELossless)


def hand(rows: int, columns: int, tilt: float) -> Pixels:
    """Bones and soft tissue on a 225 mm high field, bones bright."""
    canvas = Canvas.centred(rows, columns, 225.0 / rows, 90)
    fingers = ((-38.0, 0.55, (42.0, 30.0, 23.0)), (-14.0, 0.14, (58, 40, 24, 18)), (2.0, 0.02, (58, 44, 28, 19)),
               (17.0, -0.12, (52, 40, 26, 18)), (31.0, -0.28, (46, 32, 20, 16)))  # fmt: skip
    squeeze = 1 - tilt
    paths = []
    for base, lean, lengths in fingers:
        x, y = base * squeeze * 0.72, 46.0
        points = [(x, y)]
        for length in lengths:
            x -= np.sin(lean) * length * (1 + tilt)
            y -= np.cos(lean) * length
            points.append((x, y))
        paths.append(points)
    for points in paths:
        for start, end in pairwise(points):
            capsule(canvas, start, end, 9.5, 330)
    ellipse(canvas, 0, 34, 40 * squeeze, 46, 360)
    capsule(canvas, (0, 60), (0, 130), 27 * squeeze, 350)
    for points in paths:
        for index, (start, end) in enumerate(pairwise(points)):
            bone(canvas, start, end, 4.6 - 0.5 * index)
    for x, y in ((-16, 54), (-5, 52), (6, 52), (16, 54), (-13, 64), (-3, 63), (8, 64), (17, 65)):
        ellipse(canvas, x * squeeze, y, 6.5, 5.5, 700)
    bone(canvas, (-10 * squeeze, 74), (-9 * squeeze, 140), 9.5)
    bone(canvas, (13 * squeeze, 76), (12 * squeeze, 140), 6.5)
    return canvas.pixels


def bone(canvas: Canvas, start: tuple[float, float], end: tuple[float, float], radius: float) -> None:
    (x0, y0), (x1, y1) = start, end
    dx, dy = (x1 - x0) * 0.09, (y1 - y0) * 0.09
    inner_start, inner_end = (x0 + dx, y0 + dy), (x1 - dx, y1 - dy)
    capsule(canvas, inner_start, inner_end, radius, 800)
    capsule(canvas, inner_start, inner_end, radius * 0.62, 600)
    for x, y in (inner_start, inner_end):
        ellipse(canvas, x, y, radius * 1.25, radius * 1.2, 690)
