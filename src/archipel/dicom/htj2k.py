"""Native frames as lossless HTJ2K codestreams and back, sample for sample (ISO/IEC 15444-15; PS3.5 8.2.4).

Only samples that we hold in native form are written, and only codestreams that we wrote are read: what comes from elsewhere is decoded
in child processes (``pixels``).
"""

from __future__ import annotations

from typing import Any, NamedTuple

import imagecodecs
import numpy as np

from archipel.dicom import uids
from archipel.dicom.frames import PixelData

# Below it a codestream saves nothing that is worth its reading.
FRAME_BYTES_MIN = 4096
FRAME_BYTES_MAX = 64 << 20  # coding takes twice as much again
_ERRORS = (RuntimeError, ValueError, TypeError, OverflowError)


class Samples(NamedTuple):
    """How the samples of a native frame lie: their type as numpy writes it, and the shape of the frame.

    Colours other than RGB have no transform that would gain from seeing them together: their planes are coded below each other.
    """

    kind: str
    rows: int
    columns: int
    samples: int
    rgb: bool

    @property
    def frame_bytes(self) -> int:
        """Bytes of a frame."""
        return self.rows * self.columns * self.samples * np.dtype(self.kind).itemsize


def samples_of(pixels: PixelData) -> Samples | None:
    """How the frames of an uncompressed image lie; None when they have no plain form here (single bits, 32 bits, shared chrominance)."""
    info = pixels.info
    if (
        pixels.transfer_syntax_uid not in (uids.IMPLICIT_LITTLE, uids.EXPLICIT_LITTLE, uids.EXPLICIT_BIG)
        or info.kind != "int"
        or info.bits_allocated not in (8, 16)
        or info.stored_bits_per_frame != info.frame_bytes * 8
        or pixels.swapped
        or info.samples not in (1, 3)
    ):
        return None
    order = ">" if pixels.transfer_syntax_uid == uids.EXPLICIT_BIG else "<"
    kind = "|u1" if info.bits_allocated == 8 else f"{order}{'i' if info.signed else 'u'}2"
    if info.planar:  # its planes lie below each other as it is
        return Samples(kind, info.rows * info.samples, info.columns, 1, False)
    return Samples(kind, info.rows, info.columns, info.samples, info.samples == 3 and info.photometric == "RGB")


def pack(frame: bytes, samples: Samples) -> bytes | None:
    """The frame as a codestream that is smaller and was decoded to the same bytes; None when there is no such."""
    if not FRAME_BYTES_MIN <= len(frame) <= FRAME_BYTES_MAX:
        return None
    array = _array(frame, samples)
    if samples.samples > 1 and not samples.rgb:
        array = np.ascontiguousarray(array.transpose(2, 0, 1)).reshape(-1, samples.columns)
    try:
        coded = bytes(imagecodecs.htj2k_encode(array.astype(array.dtype.newbyteorder("="), copy=False), reversible=True, rgb=samples.rgb))
    except _ERRORS:
        return None
    return coded if len(coded) < len(frame) and unpack(coded, samples) == frame else None


def unpack(coded: bytes, samples: Samples) -> bytes | None:
    """The bytes of the frame; None when the codestream does not hold such a frame."""
    try:
        array = imagecodecs.htj2k_decode(coded)
    except _ERRORS:
        return None
    kind = np.dtype(samples.kind)
    if array.size * array.dtype.itemsize != samples.frame_bytes or array.dtype.itemsize != kind.itemsize:
        return None
    if samples.samples > 1 and not samples.rgb:
        array = array.reshape(samples.samples, samples.rows, samples.columns).transpose(1, 2, 0)
    return bytes(array.astype(kind, copy=False).tobytes())


def _array(frame: bytes, samples: Samples) -> Any:
    shape = (samples.rows, samples.columns) if samples.samples == 1 else (samples.rows, samples.columns, samples.samples)
    return np.frombuffer(frame, samples.kind).reshape(shape)
