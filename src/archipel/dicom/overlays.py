"""Overlay planes: graphics that lie over an image, in groups 6000 to 601E or (retired) in unused bits of the samples (PS3.3 C.9.2)."""

from __future__ import annotations

import numpy as np

from archipel.dicom.codecs import Array
from archipel.dicom.jsonmodel import Json
from archipel.dicom.voi import lut_bytes, numbers_of, text_of

WHITE = 255
_SIDE_MAX = 65535


def burn(shown: Array, samples: Array, row: Json, number: int) -> Array:
    """The picture of a frame (from 1) with its graphics in white; ``samples`` are the frame's own, unused bits included.

    Planes of type ROI mark a region for measuring and are not drawn (C.9.2.1.3). A plane that is cut off is left out.
    """
    planes = [one for group in range(0x6000, 0x6020, 2) if (one := _plane(row, f"{group:04X}", samples, number)) is not None]
    if not planes:
        return shown
    out = shown.copy()
    for bits, top, left in planes:
        rows, columns = slice(max(0, top), top + bits.shape[0]), slice(max(0, left), left + bits.shape[1])
        target = out[rows, columns]
        part = bits[max(0, -top) :, max(0, -left) :][: target.shape[0], : target.shape[1]]
        target[: part.shape[0], : part.shape[1]][part] = WHITE
    return out


def _plane(row: Json, group: str, samples: Array, number: int) -> tuple[Array, int, int] | None:
    """The plane's bits and the place of its first one in the image, from 0; None when it says nothing about this frame."""
    if text_of(row, group + "0040").strip().upper() == "R" or not any(group + one in row for one in ("3000", "0102")):
        return None
    origin = numbers_of(row, group + "0050")
    top, left = map(int, origin[:2] if len(origin) > 1 else (1, 1))
    found = _own_bits(row, group, number) if group + "3000" in row else _unused_bits(row, group, samples)
    return None if found is None else (found, top - 1, left - 1)


def _own_bits(row: Json, group: str, number: int) -> Array | None:
    rows, columns = (_number(row, group + one, 0) for one in ("0010", "0011"))
    if not (0 < rows <= _SIDE_MAX and 0 < columns <= _SIDE_MAX):
        return None
    at = 0
    if group + "0015" in row:  # frames of its own; without, it lies over every frame
        at = number - _number(row, group + "0051", 1)
        if not 0 <= at < _number(row, group + "0015", 1):
            return None
    size, start = rows * columns, at * rows * columns
    raw = np.frombuffer(lut_bytes(row, group + "3000"), np.uint8)
    first = start // 8
    bits = np.unpackbits(raw[first : (start + size + 7) // 8], bitorder="little")[start - 8 * first :][:size]
    return bits.reshape(rows, columns).astype(bool) if bits.size == size else None


def _unused_bits(row: Json, group: str, samples: Array) -> Array | None:
    position = _number(row, group + "0102", -1)
    stored = _number(row, "00280102", 15)
    if samples.ndim != 2 or samples.dtype.kind not in "iu" or not stored < position < samples.dtype.itemsize * 8:
        return None
    return (samples.view(samples.dtype.str.replace("i", "u")) >> position & 1).astype(bool)


def _number(row: Json, path: str, otherwise: int) -> int:
    return int((numbers_of(row, path) or [float(otherwise)])[0])
