"""Tables of where frames are, remembered; and frames cut out of bytes that are not stored as they are given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np

from archipel import archive
from archipel.dicom import frames, uids, values, walk
from archipel.dicomweb.accept import NotAcceptable
from archipel.dicomweb.parts import Parts
from archipel.dicomweb.stored import open_dataset
from archipel.kit.errors import Invalid, NotFound

CELL_BYTES = 120


@dataclass(frozen=True)
class Table:
    """Where the frames of one instance are: ranges of its stored dataset, or () when they must be cut out of read bytes."""

    frame_count: int
    ranges: tuple[tuple[tuple[int, int], ...], ...]
    info: frames.PixelInfo
    value_offset: int
    frame_bytes: int

    def ranges_of(self, number: int) -> list[tuple[int, int]]:
        """The ranges of a frame, from 0."""
        return list(self.ranges[number])


def part_of(ranges: Sequence[tuple[int, int]], start: int, length: int) -> list[tuple[int, int]]:
    """The ranges that hold ``length`` bytes from ``start`` of what the ranges hold together."""
    found, at = [], 0
    for offset, size in ranges:
        low, high = max(start, at), min(start + length, at + size)
        if low < high:
            found.append((offset + low - at, high - low))
        at += size
    return found


def table_of(parts: Parts, ref: archive.InstanceRef) -> Table:
    """The table of an instance, remembered. Raises NotFound without pixel data, NotAcceptable when frames cannot be told apart."""
    key = (ref.blob_key, ref.offset, ref.transfer_syntax_uid)  # the place, not the content: bytes may be written anew elsewhere
    found: Table | None = parts.tables.get(key)
    if found is None:
        found = _read_table(parts, ref)
        parts.tables.put(key, found, 200 + CELL_BYTES * sum(map(len, found.ranges)))
    return found


def _read_table(parts: Parts, ref: archive.InstanceRef) -> Table:
    source, syntax = open_dataset(parts.blobs, ref)
    with source:
        try:
            pixels = frames.read_pixel_data(source, syntax)
        except Invalid as error:
            raise NotFound("The instance has no frames.", code="no-pixels", detail=str(error)) from error
        if pixels.value_offset is None:
            raise NotFound("The instance has no frames.", code="no-pixels")
        ranges = _ranges(source, syntax, pixels) if syntax == ref.transfer_syntax_uid and syntax != uids.EXPLICIT_BIG else ()
    info = pixels.info
    count = 1 if uids.is_video(syntax) else info.frames
    return Table(count, ranges, info, pixels.value_offset, info.frame_bytes)


def _ranges(source: BinaryIO, syntax: str, pixels: frames.PixelData) -> tuple[tuple[tuple[int, int], ...], ...]:
    assert pixels.value_offset is not None
    info = pixels.info
    try:
        if uids.is_encapsulated(syntax):
            source.seek(0)
            found = frames.encapsulated_ranges(walk.Window(source), pixels.value_offset, syntax, info.frames, pixels.extended_offsets)
        else:
            found = frames.native_ranges(pixels.value_offset, pixels.length, info.frames, info.stored_bits_per_frame)
    except Invalid as error:
        if error.code == "not-aligned":
            return ()
        raise NotAcceptable(error.public, code=error.code, detail=error.detail) from error
    return tuple(tuple(one) for one in found)


def cut_out(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int]) -> Iterator[bytes]:
    """Uncompressed frames that are not bytes of the stored dataset: deflated, big endian, or bits that start within a byte."""
    source, syntax = open_dataset(parts.blobs, ref)
    with source:
        pixels = frames.read_pixel_data(source, syntax)
        source.seek(0)
        window = walk.Window(source)
        for number in wanted:
            data, skip_bits = frames.read_native(window, pixels, number - 1)
            if syntax == uids.EXPLICIT_BIG and pixels.info.bits_allocated > 8:
                data = values.swapped(data, pixels.info.bits_allocated // 8)
            if skip_bits or pixels.info.bits_allocated == 1:
                bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
                data = np.packbits(bits[skip_bits : skip_bits + pixels.info.stored_bits_per_frame], bitorder="little").tobytes()
            yield data
