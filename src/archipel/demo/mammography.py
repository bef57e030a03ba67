"""Four-view screening mammograms, simulated: half-elliptic breast, 1/f^3 glandular tissue, exponential attenuation, quantum noise.

The prior exam of a person is made from the same seed, slightly displaced, without the lesion.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import imagecodecs
import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset
from pydicom.uid import DigitalMammographyXRayImageStorageForPresentation, ExplicitVRLittleEndian, JPEGLSLossless

from archipel.demo.dataset import MARK, Series, Visit, code, instance, part10, set_encapsulated, set_pixels
from archipel.demo.paint import Canvas, Pixels, burn, ellipse, enlarge, power_law_field
from archipel.demo.uids import generator

# Linear attenuation at 20 keV, 1/cm (Johns and Yaffe 1987): fat and gland.
MU_FAT, MU_GLAND = 0.456, 0.802
PHOTONS_PER_PIXEL = 9000
PIXEL_MM = 0.094
VIEWS = (("R", "CC"), ("L", "CC"), ("R", "MLO"), ("L", "MLO"))
VIEW_CODES = {"CC": ("399162004", "cranio-caudal"), "MLO": ("399368009", "medio-lateral oblique")}
ORIENTATION = {"RCC": ["P", "L"], "LCC": ["A", "R"], "RMLO": ["P", "FL"], "LMLO": ["A", "FR"]}


@dataclass(frozen=True)
class Breast:
    """One breast of one person. ``shift`` displaces the tissue by a fraction of the image: the prior was positioned otherwise."""

    seed: str
    thickness_cm: float = 5.2
    density: float = 0.32
    lesion: bool = False
    shift: float = 0.0


def screening(visit: Visit, small: bool = False, *, seed: str = "", prior: bool = False, lesion_side: str = "L") -> Iterator[bytes]:
    """The four views in the order RCC, LCC, RMLO, LMLO, one series each as mammographs send them."""
    rows, columns = (160, 128) if small else (2600, 2048)
    for number, (side, view) in enumerate(VIEWS, start=1):
        breast = Breast(seed or visit.key, lesion=side == lesion_side and not prior, shift=0.012 if prior else 0.0)
        pixels = mammogram(breast, side, view, rows, columns, generator(visit.key, side, view, "noise"))
        ds = mammogram_header(visit, side, view, number, breast)
        burn(pixels, f"{MARK} {side}{view}", 3600, right=side == "L")
        ds.ImagerPixelSpacing = ds.PixelSpacing = [PIXEL_MM * 2600 / rows] * 2
        set_pixels(ds, pixels, bits_stored=12)
        if small:
            yield part10(ds, ExplicitVRLittleEndian)
        else:
            set_encapsulated(ds, [bytes(imagecodecs.jpegls_encode(pixels))])
            yield part10(ds, JPEGLSLossless)


def mammogram(breast: Breast, side: str, view: str, rows: int, columns: int, rng: np.random.Generator) -> NDArray[np.uint16]:
    """The presentation image, chest wall at the right edge for the right breast, glandular tissue bright."""
    thickness, gland = tissue(breast, side, view, rows // 2, columns // 2)
    thickness, gland = enlarge(thickness, rows, columns), enlarge(gland, rows, columns)
    attenuation = thickness * (MU_FAT + (MU_GLAND - MU_FAT) * gland)
    detected = PHOTONS_PER_PIXEL * np.exp(-attenuation)
    detected += np.sqrt(detected) * rng.standard_normal((rows, columns), dtype=np.float32)
    measured = np.log(PHOTONS_PER_PIXEL / np.maximum(detected, 1))
    # Peripheral equalisation: what thins towards the skin is shown as if it were as thick as the middle.
    equalised = measured + 0.92 * (breast.thickness_cm - thickness) * MU_FAT
    low, high = breast.thickness_cm * MU_FAT * 0.96, breast.thickness_cm * (MU_FAT + 0.75 * (MU_GLAND - MU_FAT))
    shown = np.clip((equalised - low) / (high - low), 0, 1) * 3300 + 380
    shown *= np.clip(thickness / 0.35, 0, 1)
    if side == "R":
        shown = shown[:, ::-1]
    return np.ascontiguousarray(shown.clip(0, 4095).astype(np.uint16))


def tissue(breast: Breast, side: str, view: str, rows: int, columns: int) -> tuple[Pixels, Pixels]:
    """Thickness in cm and glandular fraction, chest wall at column 0."""
    oblique = view == "MLO"
    centre = 0.54 if oblique else 0.5
    height, reach = (0.43, 0.70) if oblique else (0.40, 0.66)
    y = ((np.arange(rows, dtype=np.float32) / rows) - centre - breast.shift)[:, None]
    x = (np.arange(columns, dtype=np.float32) / columns)[None, :]
    radius = np.sqrt((y / height) ** 2 + (x / (reach + breast.shift)) ** 2)
    thickness = breast.thickness_cm * np.sqrt(np.clip(1 - np.clip(radius, 0, 1) ** 7, 0, 1))
    field = power_law_field(generator(breast.seed, side, "gland"), rows, columns, 3.0)
    field = np.roll(field, int(breast.shift * rows), axis=0)
    if oblique:
        field = field[:, ::-1]
    envelope = np.clip(1.15 - radius, 0, 1) * np.clip(x / 0.10, 0, 1)
    gland = np.clip(breast.density + 0.30 * field, 0, 1) * np.clip(envelope * 1.6, 0, 1) + np.clip(0.05 + 0.03 * field, 0, 0.2)
    ducts = Canvas(gland.astype(np.float32), 1.0, 0.0, 0.0)
    nipple_x, nipple_y = (reach + breast.shift) * columns, (centre + breast.shift) * rows
    ellipse(ducts, nipple_x, nipple_y, columns * 0.014, rows * 0.012, 0.5)
    ellipse(Canvas(thickness, 1.0, 0.0, 0.0), nipple_x, nipple_y, columns * 0.016, rows * 0.013, 1.2, weight=0.7)
    if oblique:
        muscle = (x / 0.30 + (y + centre) / 0.62) < 1 + 0.03 * field
        ducts.pixels[muscle & (thickness > 0.05)] = 0.55
    if breast.lesion:
        paint_lesion(ducts, breast, rows, columns)
    return thickness.astype(np.float32), ducts.pixels


def paint_lesion(gland: Canvas, breast: Breast, rows: int, columns: int) -> None:
    """A dense mass with spicules and a cluster of calcifications beside it."""
    rng = generator(breast.seed, "lesion")
    x, y, radius = columns * 0.36, rows * 0.42, columns * 0.026
    for part in (1.0, 0.8, 0.6):
        ellipse(gland, x, y, radius * part, radius * part * 0.85, 1.0, weight=0.38)
    for angle in rng.uniform(0, 2 * np.pi, 16):
        length = radius * rng.uniform(1.6, 2.8)
        ellipse(gland, x + np.cos(angle) * length / 2, y + np.sin(angle) * length / 2, length / 2, 1.1, 0.9, angle=float(angle), weight=0.3)
    for _ in range(14):
        dx, dy = rng.normal(0, radius * 0.7, 2)
        size = float(rng.uniform(0.8, 1.6))
        ellipse(gland, x + radius * 2.2 + dx, y + radius + dy, size, size, 2.6)


def mammogram_header(visit: Visit, side: str, view: str, number: int, breast: Breast) -> Dataset:
    """DX and Mammography modules (PS3.3 C.8.11)."""
    series = Series(side + view, number, "MG", f"{side} {view}", "BREAST", "Phantom MG", minutes=number)
    ds = instance(visit, series, DigitalMammographyXRayImageStorageForPresentation, number)
    ds.ImageType = ["DERIVED", "PRIMARY"]
    ds.ImageComments = MARK
    ds.PresentationIntentType = "FOR PRESENTATION"
    ds.ImageLaterality = side
    ds.ViewPosition = view
    ds.PatientOrientation = ORIENTATION[side + view]
    ds.OrganExposed = "BREAST"
    ds.AnatomicRegionSequence = [code("76752008", "SCT", "Breast")]
    ds.ViewCodeSequence = [code(VIEW_CODES[view][0], "SCT", VIEW_CODES[view][1])]
    ds.ViewCodeSequence[0].ViewModifierCodeSequence = []
    ds.AcquisitionContextSequence = []
    ds.PositionerType = "MAMMOGRAPHIC"
    ds.PositionerPrimaryAngle = 0 if view == "CC" else 45
    ds.CompressionForce = 98
    ds.BodyPartThickness = f"{breast.thickness_cm * 10:g}"
    ds.KVP, ds.ExposureTime, ds.XRayTubeCurrent = 29, 900, 95
    ds.OrganDose = "0.0131"  # dGy
    ds.EntranceDoseInmGy = "5.2"
    ds.AnodeTargetMaterial, ds.FilterMaterial = "TUNGSTEN", "RHODIUM"
    ds.DetectorType = "DIRECT"
    ds.BurnedInAnnotation = "NO"
    ds.LossyImageCompression = "00"
    ds.PixelIntensityRelationship, ds.PixelIntensityRelationshipSign = "LOG", 1
    ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = 0, 1, "US"
    ds.PresentationLUTShape = "IDENTITY"
    ds.WindowCenter, ds.WindowWidth = 2048, 4096
    return ds
