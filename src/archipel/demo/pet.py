"""A PET-CT of the thorax: a low-dose CT and a registered FDG PET in Bq/ml, from which SUV can be computed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from math import sqrt

import numpy as np
from pydicom.dataset import Dataset
from pydicom.uid import PositronEmissionTomographyImageStorage

from archipel.demo.ct import AXIAL, Scan, scan_files
from archipel.demo.dataset import MARK, Series, Visit, add_plane, code, instance, part10, set_pixels, sibling
from archipel.demo.paint import Canvas, Pixels, ellipse, power_law_field
from archipel.demo.thorax import HEIGHT_MM, NODULES, Thorax, lung_outline
from archipel.demo.uids import generator

INJECTED_BQ = 242e6
HALF_LIFE_S = 6586.2
UPTAKE_S = 3600
FIELD_MM = 400.0

# SUV of what is painted: sketch of a normal distribution, lesions hot.
SUV = {"body": 0.7, "lung": 0.45, "blood": 1.9, "heart": 5.5, "liver": 2.6, "spleen": 2.2, "marrow": 1.6}
LESION_SUV = {"1": 6.8, "2": 3.1, "3": 12.4, "4": 1.4}


def pet_ct(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """Both series; they share the frame of reference of the visit."""
    size, count = (64, 20) if small else (256, 75)
    spacing = HEIGHT_MM / count
    series = Series("ct", 2, "CT", "TDM faible dose", "CHEST", "Phantom PET-CT")
    scan = Scan(series, size, FIELD_MM, count, spacing, "SOFT", (40, 400), 24.0, 1.0, kvp=120, ctdi_vol_mgy=3.1, mas=40)
    thorax = Thorax(visit.key)
    yield from scan_files(visit, scan, lambda z: thorax.slice(z, size, FIELD_MM))
    yield from pet_files(visit, size // 2, count, spacing)


def pet_files(visit: Visit, size: int, count: int, spacing_mm: float) -> Iterator[bytes]:
    series = Series("pet", 3, "PT", "TEP FDG corrigée", "CHEST", "Phantom PET-CT", minutes=8)
    template = instance(visit, series, PositronEmissionTomographyImageStorage, 1)
    add_pet(template, visit, count)
    # SUV 1 means the injected activity, decayed to the scan, spread evenly over the body weight.
    decayed = INJECTED_BQ * 2 ** (-UPTAKE_S / HALF_LIFE_S)
    bq_per_ml = decayed / (visit.person.weight_kg * 1000)
    rng = generator(visit.key, "pet noise")
    pixel = FIELD_MM / size
    corner = -pixel * (size - 1) / 2
    for index in range(count):
        ds = sibling(template, visit.uid("pet", index + 1), index + 1)
        ds.ImageIndex = index + 1
        depth = (index + 0.5) * spacing_mm
        add_plane(ds, pixel_mm=pixel, thickness_mm=spacing_mm, position=(corner, corner, -depth), axes=AXIAL)
        suv = pet_slice(depth, size)
        suv *= 1 + 0.10 * power_law_field(rng, size, size, 1.4)
        activity = suv.clip(0, None) * bq_per_ml
        slope = max(float(activity.max()) / 32000, 1e-3)
        ds.RescaleIntercept, ds.RescaleSlope = 0, f"{slope:.10g}"
        ds.WindowCenter, ds.WindowWidth = f"{2.5 * bq_per_ml:.6g}", f"{5 * bq_per_ml:.6g}"
        set_pixels(ds, (activity / float(ds.RescaleSlope)).astype(np.int16), bits_stored=16)
        yield part10(ds)


def add_pet(ds: Dataset, visit: Visit, count: int) -> None:
    """PET Series, Isotope and Image modules (PS3.3 C.8.9)."""
    scan_at = datetime.combine(visit.on, visit.at) + timedelta(minutes=8)
    injected_at = scan_at - timedelta(seconds=UPTAKE_S)
    ds.ImageType = ["ORIGINAL", "PRIMARY"]
    ds.ImageComments = MARK
    ds.FrameOfReferenceUID = visit.uid("frame of reference")
    ds.PositionReferenceIndicator = ""
    ds.SeriesDate, ds.SeriesTime = scan_at.strftime("%Y%m%d"), scan_at.strftime("%H%M%S")
    ds.AcquisitionDate, ds.AcquisitionTime = ds.SeriesDate, ds.SeriesTime
    ds.Units = "BQML"
    ds.CountsSource = "EMISSION"
    ds.SeriesType = ["STATIC", "IMAGE"]
    ds.NumberOfSlices = count
    ds.CorrectedImage = ["NORM", "DTIM", "ATTN", "SCAT", "DECY", "RAN"]
    ds.DecayCorrection = "START"
    ds.DecayFactor = 1
    ds.CollimatorType = "NONE"
    ds.ReconstructionMethod = "OSEM"
    ds.AttenuationCorrectionMethod = "CT"
    ds.RandomsCorrectionMethod = "DLYD"
    ds.ScatterCorrectionMethod = "CT"
    ds.FrameReferenceTime = 0
    ds.ActualFrameDuration = 150000
    ds.RadiopharmaceuticalInformationSequence = [radiopharmaceutical(injected_at)]
    ds.PatientOrientationCodeSequence = [code("102538003", "SCT", "recumbent")]
    ds.PatientOrientationCodeSequence[0].PatientOrientationModifierCodeSequence = [code("40199007", "SCT", "supine")]
    ds.PatientGantryRelationshipCodeSequence = [code("102540008", "SCT", "headfirst")]


def radiopharmaceutical(injected_at: datetime) -> Dataset:
    item = Dataset()
    item.RadionuclideCodeSequence = [code("77004003", "SCT", "^18^Fluorine")]
    item.RadiopharmaceuticalCodeSequence = [code("35321007", "SCT", "Fluorodeoxyglucose F^18^")]
    item.Radiopharmaceutical = "FDG"
    item.RadiopharmaceuticalRoute = ""
    item.RadiopharmaceuticalVolume = 2
    item.RadiopharmaceuticalStartTime = injected_at.strftime("%H%M%S")
    item.RadiopharmaceuticalStartDateTime = injected_at.strftime("%Y%m%d%H%M%S")
    item.RadionuclideTotalDose = INJECTED_BQ
    item.RadionuclideHalfLife = HALF_LIFE_S
    item.RadionuclidePositronFraction = 0.97
    return item


def pet_slice(z: float, size: int) -> Pixels:
    """SUV at depth ``z``; edges are blurred by the resolution of about 6 mm."""
    canvas = Canvas.centred(size, size, FIELD_MM / size, 0)
    blurred(canvas, 0, 3, 166, 112, SUV["body"])
    for side in (-1, 1):
        blurred(canvas, *lung_outline(z, side), SUV["lung"])
    if z > 215:
        part = sqrt((z - 215) / 85)
        blurred(canvas, -58, -8, 86 * part, 82 * part, SUV["liver"])
        blurred(canvas, 92, 42, 40 * part, 32 * part, SUV["spleen"])
    rest = 1 - ((z - 200) / 46) ** 2
    if rest > 0:
        blurred(canvas, 42, -28, 38 * sqrt(rest), 32 * sqrt(rest), SUV["heart"])
        blurred(canvas, 42, -28, 22 * sqrt(rest), 18 * sqrt(rest), SUV["blood"])
    blurred(canvas, 26, 46, 13, 13, SUV["blood"])
    blurred(canvas, 0, 70, 18, 15, SUV["marrow"])
    for nodule in NODULES:
        remaining = (nodule.radius + 2) ** 2 - (z - nodule.z) ** 2
        if remaining > 0:
            blurred(canvas, nodule.x, nodule.y, sqrt(remaining), sqrt(remaining), LESION_SUV[nodule.name])
    return canvas.pixels


def blurred(canvas: Canvas, x: float, y: float, rx: float, ry: float, value: float) -> None:
    for grow in (3.0, 1.0, -1.0, -3.0):
        ellipse(canvas, x, y, rx + grow, ry + grow, value, weight=0.55)
