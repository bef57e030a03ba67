"""Packing: the pixels of an instance as HTJ2K codestreams, and its bytes as they were received out of them again.

A packed instance is what stood before its pixels, a codestream for each frame, and what stood behind, back to back. Everything
else in the archive, digests and offsets included, speaks of the bytes as received: only this module knows that others are stored.
"""

from __future__ import annotations

import io
import json
import threading
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache

from archipel.archive.model import Place
from archipel.dicom import frames, htj2k
from archipel.kit.blobs import BLOB_UNREADABLE, CHUNK_BYTES, Blobs
from archipel.kit.errors import ArchipelError, Invalid, Unavailable

FORM = 1
HEADER_BYTES_MAX = 16 << 20
# Decoded frames at hand, for a frame that is read in pieces.
KEPT_BYTES_MAX = 64 << 20


@dataclass(frozen=True)
class Packed:
    """How an instance is packed. ``frames`` has length and CRC-32 of each codestream; 0 for a frame that is stored as it was."""

    before: int
    after: int
    samples: htj2k.Samples
    frames: tuple[tuple[int, int], ...]
    starts: tuple[int, ...] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        starts, at = [], self.before
        for length, _ in self.frames:
            starts.append(at)
            at += length
        object.__setattr__(self, "starts", (*starts, at))

    @property
    def stored_bytes(self) -> int:
        """Bytes that are stored."""
        return self.starts[-1] + self.after

    def text(self) -> str:
        """As it stands in the index."""
        return json.dumps([FORM, self.before, self.after, *self.samples, self.frames], separators=(",", ":"))


@lru_cache(maxsize=1024)
def read(text: str) -> Packed:
    """The packing that a text of the index describes."""
    form, before, after, kind, rows, columns, samples, rgb, lengths = json.loads(text)
    if form != FORM:
        raise ValueError(f"a packing of form {form} is of a later version")
    return Packed(before, after, htj2k.Samples(kind, rows, columns, samples, rgb), tuple((n, crc) for n, crc in lengths))


def stored_bytes(place: Place) -> int:
    """Bytes that an instance takes in its object."""
    return read(place.packed).stored_bytes if place.packed else place.length_bytes


def stream(blobs: Blobs, place: Place, start: int, length: int, chunk_bytes: int = CHUNK_BYTES, *, fresh: bool = False) -> Iterator[bytes]:
    """``length`` bytes of an instance as received, from ``start`` on, in chunks. Unavailable when packed bytes are damaged.

    ``fresh`` reads what is stored now, and no frame that was decoded before.
    """
    if not place.packed:
        yield from blobs.stream(place.blob_key, place.offset + start, length, chunk_bytes)
        return
    for piece in _pieces(blobs, place, start, length, chunk_bytes, fresh):
        for at in range(0, len(piece), chunk_bytes):
            yield bytes(piece[at : at + chunk_bytes])


def get(blobs: Blobs, place: Place, start: int, length: int) -> bytes:
    """The same at once."""
    if not place.packed:
        return blobs.read(place.blob_key, place.offset + start, length)
    return b"".join(_pieces(blobs, place, start, length, CHUNK_BYTES, False))


def codestream(blobs: Blobs, place: Place, number: int) -> bytes | None:
    """The codestream of a frame, from 0; None when this one is stored as it was received, or the instance is not packed."""
    packed = read(place.packed) if place.packed else None
    if packed is None or not 0 <= number < len(packed.frames) or not packed.frames[number][1]:
        return None
    return _coded(blobs, place, packed, number)


def codestream_lengths(place: Place) -> tuple[int, ...]:
    """Lengths of the codestreams of an instance; empty unless every frame is one."""
    found = read(place.packed).frames if place.packed else ()
    return tuple(length for length, _ in found) if all(crc for _, crc in found) else ()


def _pieces(blobs: Blobs, place: Place, start: int, length: int, chunk_bytes: int, fresh: bool) -> Iterator[memoryview | bytes]:
    """A range of the bytes as received, cut where the packing has its seams."""
    packed = read(place.packed)
    size, end = packed.samples.frame_bytes, min(start + length, place.length_bytes)
    pixels_end = packed.before + size * len(packed.frames)
    if start < packed.before:
        yield from blobs.stream(place.blob_key, place.offset + start, min(end, packed.before) - start, chunk_bytes)
    first, last = max(start, packed.before), min(end, pixels_end)
    for number in range((first - packed.before) // size, -((packed.before - last) // size)) if first < last else ():
        at = packed.before + number * size
        yield memoryview(_frame(blobs, place, packed, number, fresh))[max(0, first - at) : min(size, last - at)]
    if end > pixels_end:
        behind = max(start, pixels_end) - pixels_end
        yield from blobs.stream(
            place.blob_key, place.offset + packed.starts[-1] + behind, end - pixels_end - behind, chunk_bytes
        )  # fmt: skip


def _frame(blobs: Blobs, place: Place, packed: Packed, number: int, fresh: bool) -> bytes:
    """A frame as received, of those at hand if it is one."""
    key = (place.blob_key, place.offset, number)
    found = None if fresh else _kept.get(key)
    if found is not None:
        return found
    length, crc = packed.frames[number]
    if not crc:
        return blobs.read(place.blob_key, place.offset + packed.starts[number], length)
    frame = htj2k.unpack(_coded(blobs, place, packed, number), packed.samples)
    if frame is None:
        raise _damaged(place, "a codestream cannot be decoded")
    if not fresh:
        _kept.put(key, frame)
    return frame


def _coded(blobs: Blobs, place: Place, packed: Packed, number: int) -> bytes:
    length, crc = packed.frames[number]
    coded = blobs.read(place.blob_key, place.offset + packed.starts[number], length)
    if (zlib.crc32(coded) or 1) != crc:  # before a decoder sees it
        raise _damaged(place, "a codestream differs from what was written")
    return coded


def _damaged(place: Place, reason: str) -> ArchipelError:
    return Unavailable("The stored bytes are damaged.", code=BLOB_UNREADABLE, detail=f"{place.blob_key} at {place.offset}: {reason}")


class _Kept:
    """The frames that were decoded last."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._frames: OrderedDict[tuple[str, int, int], bytes] = OrderedDict()
        self._bytes = 0

    def get(self, key: tuple[str, int, int]) -> bytes | None:
        with self._lock:
            found = self._frames.get(key)
            if found is not None:
                self._frames.move_to_end(key)
            return found

    def put(self, key: tuple[str, int, int], frame: bytes) -> None:
        if len(frame) > KEPT_BYTES_MAX // 4:
            return
        with self._lock:
            self._bytes -= len(self._frames.pop(key, b""))
            self._frames[key] = frame
            self._bytes += len(frame)
            while self._bytes > KEPT_BYTES_MAX:
                self._bytes -= len(self._frames.popitem(last=False)[1])


_kept = _Kept()


class Writing:
    """The bytes of one instance on their way into an object, packed when that can be done. ``place`` is for what is read."""

    def __init__(self, blobs: Blobs, place: Place, transfer_syntax_uid: str, pixel_data_offset: int | None, *, packs: bool) -> None:
        self._blobs, self._place = blobs, place
        self._syntax, self._pixels = transfer_syntax_uid, pixel_data_offset
        self._packs = packs and not place.packed and pixel_data_offset is not None
        self.packed = place.packed
        self.stored_bytes = 0

    def pieces(self) -> Iterator[tuple[bytes, bytes]]:
        """Pairs of bytes to store, and of those as received that they stand for. ``packed`` and ``stored_bytes`` are known at the end."""
        for stored, received in self._all():
            self.stored_bytes += len(stored)
            yield stored, received

    def _all(self) -> Iterator[tuple[bytes, bytes]]:
        if self._place.packed:
            yield from self._packed_already()
            return
        plan = self._plan() if self._packs else None
        if plan is None:
            for chunk in self._blobs.stream(self._place.blob_key, self._place.offset, self._place.length_bytes, 1 << 20):
                yield chunk, chunk
        else:
            yield from self._packing(*plan)

    def _plan(self) -> tuple[int, htj2k.Samples, int] | None:
        """Where the pixels start, how they lie, and how many frames there are; None when they are to stay as they are."""
        assert self._pixels is not None
        start = self._place.dataset_offset
        if self._pixels > HEADER_BYTES_MAX:
            return None
        head = get(self._blobs, self._place, start, min(self._pixels + 16, self._place.length_bytes - start))
        try:
            pixels = frames.read_pixel_data(io.BytesIO(head), self._syntax)
        except Invalid:  # no image, or one that makes no sense: kept as it came
            return None
        samples = htj2k.samples_of(pixels)
        if samples is None or pixels.value_offset is None or samples.frame_bytes < htj2k.FRAME_BYTES_MIN:
            return None
        before, count = start + pixels.value_offset, pixels.info.frames
        if before + count * samples.frame_bytes > self._place.length_bytes or samples.frame_bytes > htj2k.FRAME_BYTES_MAX:
            return None
        return before, samples, count

    def _packing(self, before: int, samples: htj2k.Samples, count: int) -> Iterator[tuple[bytes, bytes]]:
        place, size, lengths = self._place, samples.frame_bytes, []
        for chunk in self._blobs.stream(place.blob_key, place.offset, before, 1 << 20):
            yield chunk, chunk
        for number in range(count):
            frame = self._blobs.read(place.blob_key, place.offset + before + number * size, size)
            coded = htj2k.pack(frame, samples)
            lengths.append((len(frame), 0) if coded is None else (len(coded), zlib.crc32(coded) or 1))
            yield frame if coded is None else coded, frame
        after = before + count * size
        for chunk in self._blobs.stream(place.blob_key, place.offset + after, place.length_bytes - after, 1 << 20):
            yield chunk, chunk
        if any(crc for _, crc in lengths):
            self.packed = Packed(before, place.length_bytes - after, samples, tuple(lengths)).text()

    def _packed_already(self) -> Iterator[tuple[bytes, bytes]]:
        place, packed = self._place, read(self._place.packed)
        for chunk in self._blobs.stream(place.blob_key, place.offset, packed.before, 1 << 20):
            yield chunk, chunk
        for number, (length, crc) in enumerate(packed.frames):
            stored = _coded(self._blobs, place, packed, number) if crc else self._blobs.read(
                place.blob_key, place.offset + packed.starts[number], length
            )  # fmt: skip
            yield stored, htj2k.unpack(stored, packed.samples) or b"" if crc else stored
        for chunk in self._blobs.stream(place.blob_key, place.offset + packed.starts[-1], packed.after, 1 << 20):
            yield chunk, chunk
