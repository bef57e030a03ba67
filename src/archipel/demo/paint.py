"""Painting of phantoms: soft-edged ellipses and capsules on float32 arrays, power-law fields, burned-in words.

Canvases are (rows, columns) with a pixel size in millimetres and an origin; positions are (x, y) in millimetres, x to the right of
the image, y down. In axial slices this is the patient's left and back (LPS).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

Pixels = NDArray[np.float32]


@dataclass(frozen=True)
class Canvas:
    """Pixels with their geometry: ``left_mm`` and ``top_mm`` are the centre of the first pixel."""

    pixels: Pixels
    pixel_mm: float
    left_mm: float
    top_mm: float

    @classmethod
    def centred(cls, rows: int, columns: int, pixel_mm: float, value: float) -> Canvas:
        pixels = np.full((rows, columns), value, dtype=np.float32)
        return cls(pixels, pixel_mm, -pixel_mm * (columns - 1) / 2, -pixel_mm * (rows - 1) / 2)

    def window(self, x: float, y: float, reach_x: float, reach_y: float) -> tuple[Pixels, Pixels, Pixels] | None:
        """The part of the canvas within reach of (x, y) and the distances of its columns and rows to that point, or None when outside."""
        rows, columns = self.pixels.shape
        edge = 2 * self.pixel_mm
        first_column, last_column = self._span(x - reach_x - edge - self.left_mm, x + reach_x + edge - self.left_mm, columns)
        first_row, last_row = self._span(y - reach_y - edge - self.top_mm, y + reach_y + edge - self.top_mm, rows)
        if first_column >= last_column or first_row >= last_row:
            return None
        dx = (np.arange(first_column, last_column, dtype=np.float32) * self.pixel_mm + self.left_mm - x)[None, :]
        dy = (np.arange(first_row, last_row, dtype=np.float32) * self.pixel_mm + self.top_mm - y)[:, None]
        return self.pixels[first_row:last_row, first_column:last_column], dx, dy

    def _span(self, low_mm: float, high_mm: float, count: int) -> tuple[int, int]:
        return max(0, int(low_mm / self.pixel_mm)), min(count, int(high_mm / self.pixel_mm) + 2)


def ellipse(canvas: Canvas, x: float, y: float, rx: float, ry: float, value: float, *, angle: float = 0.0, weight: float = 1.0) -> None:
    """Fill an ellipse with ``value``, blended over one pixel at its edge; ``angle`` in radians; ``weight`` below 1 is translucent."""
    if rx <= 0 or ry <= 0:
        return
    reach = max(rx, ry) if angle else 0.0
    found = canvas.window(x, y, reach or rx, reach or ry)
    if found is None:
        return
    part, dx, dy = found
    if angle:
        u = dx * np.cos(angle) + dy * np.sin(angle)
        v = -dx * np.sin(angle) + dy * np.cos(angle)
    else:
        u, v = dx, dy
    distance = np.sqrt((u / rx) ** 2 + (v / ry) ** 2)
    blend(part, (1 - distance) * (min(rx, ry) / canvas.pixel_mm) + 0.5, value, weight)


def capsule(
    canvas: Canvas, start: tuple[float, float], end: tuple[float, float], radius: float, value: float, *, weight: float = 1.0
) -> None:
    """Fill a line with round ends."""
    (x0, y0), (x1, y1) = start, end
    found = canvas.window((x0 + x1) / 2, (y0 + y1) / 2, abs(x1 - x0) / 2 + radius, abs(y1 - y0) / 2 + radius)
    if found is None:
        return
    part, dx, dy = found
    ax, ay = (x1 - x0) / 2, (y1 - y0) / 2
    along = np.clip((dx * ax + dy * ay) / max(ax * ax + ay * ay, 1e-6), -1, 1)
    distance = np.hypot(dx - along * ax, dy - along * ay)
    blend(part, (radius - distance) / canvas.pixel_mm + 0.5, value, weight)


def blend(part: Pixels, cover: NDArray[np.floating[Any]], value: float, weight: float) -> None:
    part += np.clip(cover, 0, 1).astype(np.float32) * np.float32(weight) * (np.float32(value) - part)


def power_law_field(rng: np.random.Generator, rows: int, columns: int, slope: float) -> Pixels:
    """A random field whose power falls as 1/f^slope, mean 0, standard deviation 1 (tissue texture: slope 3, Burgess 2001)."""
    white = np.fft.rfft2(rng.standard_normal((rows, columns), dtype=np.float32))
    frequency = np.hypot(np.fft.fftfreq(rows)[:, None] * rows, np.fft.rfftfreq(columns)[None, :] * rows)
    frequency[0, 0] = 1
    white *= frequency ** (-slope / 2)
    white[0, 0] = 0
    field = np.fft.irfft2(white, s=(rows, columns)).astype(np.float32)
    return field / np.float32(field.std())


def enlarge(pixels: Pixels, rows: int, columns: int) -> Pixels:
    """Bilinear resampling to another size."""
    picture = Image.fromarray(pixels, mode="F").resize((columns, rows), Image.Resampling.BILINEAR)
    return np.asarray(picture, dtype=np.float32).copy()


@lru_cache(maxsize=32)
def word_mask(text: str, height: int) -> NDArray[np.bool_]:
    """The letters of ``text``, ``height`` pixels tall, as a mask."""
    font = ImageFont.load_default(size=height)
    left, top, right, bottom = font.getbbox(text)
    picture = Image.new("L", (int(right - left) + 2, int(bottom - top) + 2))
    ImageDraw.Draw(picture).text((-left + 1, -top + 1), text, fill=255, font=font)
    return np.asarray(picture) > 127


def burn(pixels: NDArray[Any], text: str, value: float | tuple[int, int, int], *, right: bool = False) -> None:
    """Write ``text`` near the top of the picture (rows, columns[, samples]) in place; pictures too small for it stay as they are."""
    rows, columns = pixels.shape[:2]
    height = max(9, rows // 50)
    mask = word_mask(text, height)
    top = rows // 40 + 1
    left = columns - mask.shape[1] - columns // 40 - 1 if right else columns // 40 + 1
    if left < 0 or left + mask.shape[1] > columns or top + mask.shape[0] > rows:
        return
    pixels[top : top + mask.shape[0], left : left + mask.shape[1]][mask] = value
