"""An abdominal ultrasound: a colour cine of a beating vessel and a still, JPEG baseline."""

from __future__ import annotations

import io
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from pydicom.dataset import Dataset
from pydicom.tag import Tag
from pydicom.uid import JPEGBaseline8Bit, UltrasoundImageStorage, UltrasoundMultiFrameImageStorage

from archipel.demo.dataset import MARK, Series, Visit, instance, part10, set_encapsulated, set_pixels
from archipel.demo.paint import Canvas, burn, ellipse, power_law_field
from archipel.demo.uids import generator

FRAME_MS = 50
DEPTH_MM = 150.0

Picture = NDArray[np.uint8]


def ultrasound(visit: Visit, small: bool = False) -> Iterator[bytes]:
    """One cine (multi-frame, RGB acquired, stored as YBR_FULL_422) and one still."""
    rows, columns, count = (96, 128, 4) if small else (480, 640, 40)
    series = Series("us", 1, "US", "Abdomen, aorte", "ABDOMEN", "Phantom US")
    frames = list(cine(visit.key, rows, columns, count))
    takes = ((UltrasoundMultiFrameImageStorage, frames), (UltrasoundImageStorage, frames[:1]))
    for number, (sop_class_uid, chosen) in enumerate(takes, start=1):
        ds = instance(visit, series, sop_class_uid, number)
        ds.ImageType = ["ORIGINAL", "PRIMARY", "ABDOMINAL", "0011"]
        ds.ImageComments = MARK
        ds.PatientOrientation = ""
        ds.LossyImageCompression = "01"
        ds.LossyImageCompressionMethod = "ISO_10918_1"
        ds.LossyImageCompressionRatio = "8"
        ds.SequenceOfUltrasoundRegions = [region(rows, columns)]
        set_pixels(ds, np.stack(chosen) if len(chosen) > 1 else chosen[0], bits_stored=8, photometric="RGB")
        ds.PhotometricInterpretation = "YBR_FULL_422"
        if len(chosen) > 1:
            ds.FrameTime = FRAME_MS
            ds.FrameIncrementPointer = Tag("FrameTime")
            ds.CineRate = ds.RecommendedDisplayFrameRate = 1000 // FRAME_MS
            ds.StartTrim, ds.StopTrim = 1, len(chosen)
        set_encapsulated(ds, [jpeg(frame) for frame in chosen])
        yield part10(ds, JPEGBaseline8Bit)


def cine(seed: str, rows: int, columns: int, count: int) -> Iterator[Picture]:
    """Frames of a sector scan: speckle that drifts with breathing, a pulsing vessel with colour flow."""
    rng = generator(seed, "speckle")
    speckle = np.abs(power_law_field(rng, rows, columns, 1.2)) * 46
    layers = power_law_field(rng, rows, columns, 3.0) * 16
    y = np.arange(rows, dtype=np.float32)[:, None] + rows * 0.08
    x = np.arange(columns, dtype=np.float32)[None, :] - columns / 2
    radius, angle = np.hypot(x, y), np.arctan2(x, y)
    sector = (np.abs(angle) < 0.62) & (radius > rows * 0.14) & (radius < rows * 1.02)
    for index in range(count):
        phase = 2 * np.pi * index / 20
        pulse = 0.5 + 0.5 * np.sin(phase)
        canvas = Canvas((np.roll(speckle, int(3 * np.sin(phase / 2)), axis=0) + layers + 42).astype(np.float32), 1.0, 0.0, 0.0)
        for depth, bright in ((0.25, 120.0), (0.30, 90.0), (0.86, 190.0)):
            ellipse(canvas, columns / 2, rows * depth, columns * 0.5, rows * 0.006, bright, weight=0.5)
        vessel = (columns * 0.53, rows * 0.55, columns * (0.095 + 0.012 * pulse), rows * (0.115 + 0.016 * pulse))
        ellipse(canvas, *vessel, 205)
        ellipse(canvas, vessel[0], vessel[1], vessel[2] * 0.86, vessel[3] * 0.86, 8)
        grey = np.where(sector, canvas.pixels * np.clip(1.25 - radius / (rows * 1.6), 0.2, 1), 0).clip(0, 255)
        yield coloured(grey, vessel, pulse, rows, columns)


def coloured(grey: NDArray[np.float32], vessel: tuple[float, float, float, float], pulse: float, rows: int, columns: int) -> Picture:
    frame = np.repeat(grey.astype(np.uint8)[:, :, None], 3, axis=2)
    dx = (np.arange(columns)[None, :] - vessel[0]) / (vessel[2] * 0.8)
    dy = (np.arange(rows)[:, None] - vessel[1]) / (vessel[3] * 0.8)
    speed = np.clip(1 - dx**2 - dy**2, 0, 1) * pulse
    flowing = speed > 0.08
    colours = np.stack([70 + 180 * speed, 150 * speed**2, 20 * speed], axis=-1)
    frame[flowing] = colours[flowing]
    bar = np.linspace(-1, 1, rows // 3)
    left = columns - columns // 24
    top = rows // 8
    frame[top : top + len(bar), left : left + columns // 50] = np.stack(
        [np.clip(-bar, 0, 1) * 230 + 20, np.abs(bar) ** 2 * 90, np.clip(bar, 0, 1) * 230 + 20], axis=-1
    ).astype(np.uint8)[:, None, :]
    burn(frame, MARK, (255, 220, 90))
    return frame


def region(rows: int, columns: int) -> Dataset:
    """US Region Calibration (PS3.3 C.8.5.5): one 2D region, pixels measured in cm."""
    item = Dataset()
    item.RegionSpatialFormat, item.RegionDataType, item.RegionFlags = 1, 1, 0
    item.RegionLocationMinX0, item.RegionLocationMinY0 = 0, 0
    item.RegionLocationMaxX1, item.RegionLocationMaxY1 = columns - 1, rows - 1
    item.PhysicalUnitsXDirection = item.PhysicalUnitsYDirection = 3
    item.PhysicalDeltaX = item.PhysicalDeltaY = DEPTH_MM / 10 / rows
    return item


def jpeg(frame: Picture) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(frame).save(buffer, "JPEG", quality=85, subsampling="4:2:2")
    data = buffer.getvalue()
    return data + b"\0" * (len(data) % 2)
