"""From stored samples to grey or colour on a screen (PS3.3 C.7.6.3, C.7.9, C.11.1, C.11.2)."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from archipel.dicom.codecs import Array
from archipel.dicom.frames import PixelInfo
from archipel.dicom.jsonmodel import Json
from archipel.kit.errors import Invalid

LUT_ENTRIES_MAX = 1 << 16


@dataclass(frozen=True, slots=True)
class Window:
    """Center and width in modality units; ``function``: LINEAR, LINEAR_EXACT or SIGMOID (PS3.3 C.11.2.1.2)."""

    center: float
    width: float
    function: str = "LINEAR"


def values_of(row: Json, path: str) -> list[Any]:
    """Values of an attribute of the first level, [] when it is absent or empty."""
    found = row.get(path, {}).get("Value", [])
    return found if isinstance(found, list) else []


def numbers_of(row: Json, path: str) -> list[float]:
    """Values that are numbers."""
    out = []
    for one in values_of(row, path):
        try:
            out.append(float(one))
        except (TypeError, ValueError):
            continue
    return out


def text_of(row: Json, path: str) -> str:
    """The first value as text."""
    found = values_of(row, path)
    if found and isinstance(found[0], dict):
        return str(found[0].get("Alphabetic") or found[0].get("Ideographic") or "")
    return str(found[0]) if found and found[0] is not None else ""


def groups_of(row: Json, number: int) -> Iterator[Json]:
    """Where attributes of a frame (from 1) may stand: its functional groups, the shared ones, the dataset itself."""
    per_frame = values_of(row, "52009230")
    if number <= len(per_frame):
        yield per_frame[number - 1]
    yield from values_of(row, "52009229")[:1]


def macro(row: Json, number: int, sequence: str) -> Json:
    """The functional group macro of a frame, or the dataset where it has none."""
    for group in groups_of(row, number):
        found = values_of(group, sequence)
        if found and isinstance(found[0], dict):
            return dict(found[0])
    return row


def stored_values(array: Array, info: PixelInfo) -> Array:
    """Samples without the bits above those stored: old overlays hide there."""
    if info.kind != "int" or info.bits_stored >= info.bits_allocated:
        return array
    if info.signed:
        shift = info.bits_allocated - info.bits_stored
        return (array << shift) >> shift
    return array & ((1 << info.bits_stored) - 1)


def lut_of(item: Json, descriptor: str, data: str, signed: bool) -> tuple[Array, int, int] | None:
    """Entries, first value mapped and bits of a lookup table; None when there is none (PS3.3 C.11.1.1.1)."""
    found = numbers_of(item, descriptor)
    if len(found) != 3:
        return None
    count, first, bits = (int(one) for one in found)
    count = count % 65536 or 65536
    if signed and first >= 32768:
        first -= 65536
    raw = lut_bytes(item, data)
    entries = np.frombuffer(raw[: len(raw) // 2 * 2], "<u2")
    if entries.size < count <= len(raw):  # entries of 8 bits, a byte each
        entries = np.frombuffer(raw, np.uint8).astype("<u2")
    if entries.size < count:
        return None
    return entries[:count], first, max(1, min(bits, 16))


def lut_bytes(item: Json, data: str) -> bytes:
    """The table's data, whether it was sent as numbers or as words."""
    element = item.get(data, {})
    if "InlineBinary" in element:
        return base64.b64decode(element["InlineBinary"])
    return np.asarray([int(one) & 0xFFFF for one in numbers_of(item, data)], "<u2").tobytes()


def modality_values(array: Array, info: PixelInfo, row: Json, number: int) -> Array:
    """Stored values in the units of the modality: lookup table, or slope and intercept (PS3.3 C.11.1)."""
    item = macro(row, number, "00289145")
    sequence = values_of(row, "00283000")
    if sequence:
        table = lut_of(sequence[0], "00283002", "00283006", info.signed)
        if table is not None:
            entries, first, _ = table
            return entries[np.clip(array.astype(np.int64) - first, 0, entries.size - 1)].astype(np.float64)
    slope, intercept = (numbers_of(item, "00281053") or [1.0])[0], (numbers_of(item, "00281052") or [0.0])[0]
    scaling = (numbers_of(row, "3004000E") or [1.0])[0]  # dose grid scaling
    return array.astype(np.float64) * (slope or 1.0) * (scaling or 1.0) + intercept


def grey(values: Array, row: Json, number: int, info: PixelInfo, asked: Window | None) -> Array:
    """Modality values as bytes of grey, white highest; MONOCHROME1 is turned over."""
    window = asked or stored_window(row, number)
    table = None
    if asked is None and values_of(row, "00283010"):
        table = lut_of(values_of(row, "00283010")[0], "00283002", "00283006", bool(values.min() < 0))
    if table is not None and (window is None or not numbers_of(row, "00281050")):
        entries, first, bits = table
        shown = entries[np.clip(values.astype(np.int64) - first, 0, entries.size - 1)] * (255.0 / ((1 << bits) - 1))
    else:
        shown = windowed(values, window or fitting_window(values, row))
    out = np.clip(shown + 0.5, 0, 255).astype(np.uint8)
    return 255 - out if info.photometric == "MONOCHROME1" else out


def stored_window(row: Json, number: int) -> Window | None:
    """The first window that the object itself proposes."""
    item = macro(row, number, "00289132")
    center, width = numbers_of(item, "00281050"), numbers_of(item, "00281051")
    if not center or not width or not np.isfinite(center[0]) or not 0 < width[0] < 1e12:
        return None
    function = text_of(item, "00281056").strip() or "LINEAR"
    return Window(center[0], width[0], function if function in ("LINEAR", "LINEAR_EXACT", "SIGMOID") else "LINEAR")


def fitting_window(values: Array, row: Json) -> Window:
    """A window over nearly all values, padding left out."""
    padding = numbers_of(row, "00280120")
    sample = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if padding and (sample != padding[0]).any():
        sample = sample[sample != padding[0]]
    if not sample.size:
        return Window(0.5, 1, "LINEAR_EXACT")
    low, high = np.percentile(sample, (0.5, 99.5)) if sample.size > 4096 else (sample.min(), sample.max())
    if high <= low:
        low, high = sample.min(), max(sample.max(), sample.min() + 1)
    return Window(float(low + high) / 2, float(high - low), "LINEAR_EXACT")


def windowed(values: Array, window: Window) -> Array:
    """Values in 0 to 255 (PS3.3 C.11.2.1.2.1 and .3)."""
    values = np.nan_to_num(values)
    if window.function == "SIGMOID":
        return np.asarray(255.0 / (1.0 + np.exp(np.clip(-4.0 * (values - window.center) / window.width, -700, 700))))
    if window.function == "LINEAR_EXACT":
        return np.asarray(np.clip((values - window.center) / window.width + 0.5, 0, 1) * 255.0)
    width = max(window.width, 1.0)
    if width == 1.0:
        return np.where(values > window.center - 0.5, 255.0, 0.0)
    return np.asarray(np.clip((values - (window.center - 0.5)) / (width - 1) + 0.5, 0, 1) * 255.0)


def palette(array: Array, row: Json, signed: bool) -> Array:
    """Colours of indices by the palette of the dataset (PS3.3 C.7.9); raises Invalid when it is missing."""
    planes = []
    for colour in range(3):
        table = lut_of(row, f"0028110{colour + 1}", f"0028120{colour + 1}", signed) or _segmented(row, colour, signed)
        if table is None:
            raise Invalid("The image names a palette and holds none", code="undecodable")
        entries, first, bits = table
        found = entries[np.clip(array.astype(np.int64) - first, 0, entries.size - 1)]
        planes.append((found >> 8 if bits > 8 and entries.max() > 255 else found).astype(np.uint8))
    return np.stack(planes, axis=-1)


def _segmented(row: Json, colour: int, signed: bool) -> tuple[Array, int, int] | None:
    """A palette in segments, opened (PS3.3 C.7.9.2)."""
    found, raw = numbers_of(row, f"0028110{colour + 1}"), lut_bytes(row, f"0028122{colour + 1}")
    if len(found) != 3 or not raw:
        return None
    words = np.frombuffer(raw[: len(raw) // 2 * 2], "<u2").astype(int).tolist()
    count = int(found[0]) % 65536 or 65536
    out: list[int] = []
    at = 0
    while at + 1 < len(words) and len(out) < count:
        kind, size = words[at], words[at + 1]
        if kind == 0:
            out += words[at + 2 : at + 2 + size]
            at += 2 + size
        elif kind == 1 and out and at + 2 < len(words):
            out += np.linspace(out[-1], words[at + 2], size + 1)[1:].round().astype(int).tolist()
            at += 3
        else:
            return None
    if len(out) < count:
        return None
    first = int(found[1])
    return np.asarray(out[:count], "<u2"), first - 65536 if signed and first >= 32768 else first, int(found[2])


def rgb(array: Array, info: PixelInfo) -> Array:
    """Colour samples as bytes of red, green and blue."""
    if info.bits_allocated > 8:
        top = max(8, info.bits_stored)
        array = (array.astype(np.uint64) >> (top - 8)).clip(0, 255)
    array = array[..., :3].astype(np.uint8)
    if not info.photometric.startswith("YBR"):
        return array
    luma, blue, red = (array[..., at].astype(np.float32) for at in range(3))
    blue, red = blue - 128, red - 128
    planes = luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue
    return np.clip(np.stack(planes, axis=-1) + 0.5, 0, 255).astype(np.uint8)


def shown(array: Array, info: PixelInfo, row: Json, number: int, asked: Window | None) -> Array:
    """A frame (from 1) as bytes: (rows, columns) of grey or (rows, columns, 3) of colour."""
    if info.samples > 1:
        return rgb(array, info)
    if info.bits_allocated == 1:
        return (array > 0).astype(np.uint8) * 255
    values = stored_values(array, info)
    if info.photometric == "PALETTE COLOR":
        return palette(values, row, info.signed)
    fractional = numbers_of(row, "0062000E")
    if fractional and text_of(row, "00080060") == "SEG":
        asked = asked or Window(fractional[0] / 2, max(1.0, fractional[0]), "LINEAR_EXACT")
    return grey(modality_values(values, info, row, number), row, number, info, asked)
