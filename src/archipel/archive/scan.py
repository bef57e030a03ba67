"""Scan: the instances in an object of ``received/``, found by their own bytes: Part 10 files of ours, back to back (PS3.10 7.1).

A file begins with our preamble and file meta, and counts only when its dataset ends exactly where another begins, or the object does.
"""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass
from typing import BinaryIO

from archipel.archive.arrival import Arrival, understand
from archipel.archive.model import Incoming, Place, Source
from archipel.dicom import header, part10, uids, walk
from archipel.kit.blobs import Blobs
from archipel.kit.errors import ArchipelError, Invalid
from archipel.kit.spool import Spool, Spooled

MARK = b"DICM\x02\0\0\0UL\x04\0"
PREAMBLE = bytes(128)
HEAD_BYTES = 64 << 10
CHUNK_BYTES = 4 << 20
# Files of ours within one of ours (a document that holds one): how many ends are tried before a beginning counts as torn.
ENDS_MAX = 16
_ODD = (walk.Odd, walk.TooDeep, walk.TooMany)


@dataclass(frozen=True)
class Unread:
    """Bytes of an object that are no whole instance: what a crash left, or damage."""

    key: str
    offset: int
    length_bytes: int
    reason: str


@dataclass(frozen=True)
class Seen:
    """An instance and where it is. Its spooled bytes are the caller's to close."""

    arrival: Arrival
    place: Place


def scan(blobs: Blobs, key: str, size: int, spool: Spool, source_of: Callable[[str], Source]) -> Iterator[Seen | Unread]:
    """All of an object's instances in their order, and what lies between. ``source_of`` makes the source from the file meta's AE title."""
    at, starts = 0, [*_starts(blobs, key, size), size]
    for n, start in enumerate(starts[:-1]):
        if start < at:  # within the instance before
            continue
        if start > at:
            yield Unread(key, at, start - at, "no instance begins here")
        ends = starts[n + 1 : n + 1 + ENDS_MAX]
        found = _instance(blobs, key, start, ends, size, spool, source_of)
        if isinstance(found, Seen):
            yield found
            at = start + found.place.length_bytes
        else:
            yield Unread(key, start, starts[n + 1] - start, found)
            at = starts[n + 1]
    if at < size:
        yield Unread(key, at, size - at, "no instance begins here")


def _starts(blobs: Blobs, key: str, size: int) -> Iterator[int]:
    """Where preambles of ours stand before the mark of a file meta."""
    begun, held = 0, b""
    for chunk in blobs.stream(key, 0, size, CHUNK_BYTES):
        held += chunk
        found = held.find(MARK, len(PREAMBLE))
        while found >= 0:
            if held[found - len(PREAMBLE) : found] == PREAMBLE:
                yield begun + found - len(PREAMBLE)
            found = held.find(MARK, found + 1)
        kept = len(PREAMBLE) + len(MARK) - 1  # a mark that is cut by the chunks' seam
        begun, held = begun + max(0, len(held) - kept), held[-kept:]


def _instance(
    blobs: Blobs, key: str, start: int, ends: list[int], size: int, spool: Spool, source_of: Callable[[str], Source]
) -> Seen | str:
    """The instance that begins here, to the first end at which all of it adds up; why there is none."""
    try:
        meta = part10.split(io.BytesIO(blobs.read(key, start, HEAD_BYTES)))
    except Invalid as error:
        return error.public
    if ends[-1] == size and blobs.read(key, size - 1, 1) == b"\0":
        with closing(_spooled(blobs, key, start, size - start, spool)) as whole, closing(whole.open()) as file:
            ends = [*ends[:-1], start + _without_zeros(file, meta)]
    source, reason = source_of(meta.source_ae), ""
    tries = [(end, True) for end in ends] + [(ends[0], False)]  # oddities behind the pixels were received too, but swallow no neighbour
    for end, strict in tries:
        place = Place(key, start, end - start, meta.dataset_offset)
        found = _read(blobs, place, meta.transfer_syntax_uid, spool, source, strict)
        if isinstance(found, Seen):
            return found
        reason = reason or found
    return reason


def _read(blobs: Blobs, place: Place, syntax: str, spool: Spool, source: Source, strict: bool) -> Seen | str:
    spooled = _spooled(blobs, place.blob_key, place.offset, place.length_bytes, spool)
    try:
        arrival = understand(Incoming(spooled, syntax, "", "", source, place.dataset_offset))
        if strict:
            with closing(spooled.open()) as file:
                file.seek(place.dataset_offset)
                _check_end(file, arrival)
    except Invalid as error:
        spooled.close()
        return error.public
    except (ArchipelError, OSError):
        spooled.close()
        raise
    return Seen(arrival, place)


def _spooled(blobs: Blobs, key: str, start: int, length: int, spool: Spool) -> Spooled:
    spooled = spool.new()
    try:
        for chunk in blobs.stream(key, start, length, CHUNK_BYTES):
            spooled.write(chunk)
    except (ArchipelError, OSError):
        spooled.close()
        raise
    return spooled


def _check_end(dataset: BinaryIO, arrival: Arrival) -> None:
    """Raise Invalid unless the elements behind the pixel data end with the bytes. A deflated stream says itself where it ends."""
    if arrival.incoming.transfer_syntax_uid == uids.DEFLATED or arrival.pixel_data_offset is None:
        return
    try:
        for _ in _element_ends(dataset, arrival.incoming.transfer_syntax_uid):
            pass
    except _ODD as error:
        raise Invalid("The dataset does not end where the file does.", code="unreadable", detail=str(error)) from error


def _without_zeros(file: BinaryIO, meta: part10.FileMeta) -> int:
    """Where a file ends that only zeros follow, which a power cut may leave behind what was durable; the size when it is not so."""
    size, end = file.seek(0, 2), 0
    if meta.transfer_syntax_uid == uids.DEFLATED:
        return size
    file.seek(meta.dataset_offset)
    try:
        for seam in _element_ends(file, meta.transfer_syntax_uid):
            end = seam
    except _ODD:
        pass
    file.seek(meta.dataset_offset + end)
    while chunk := file.read(CHUNK_BYTES):
        if chunk.strip(b"\0"):
            return size
    return meta.dataset_offset + end if end else size


def _element_ends(dataset: BinaryIO, syntax: str) -> Iterator[int]:
    """Where each element ends of the dataset that starts where the reader stands, those behind the pixel data too; raises as the walk."""
    window, big = walk.Window(dataset), syntax == uids.EXPLICIT_BIG
    explicit = header.looks_explicit(window.buffer, syntax != uids.IMPLICIT_LITTLE, big, [])
    for kind, _, _, offset, length in walk.tokens(window, explicit, big):
        if kind != walk.PIXELS:
            yield offset + (length if kind in (walk.ELEMENT, walk.FRAGMENTS) else 0)
            continue
        end = _pixels_end(window, offset, length)
        if end > window.size:
            raise walk.Odd("the pixel data is cut off", offset)
        yield end
        dataset.seek(window.base + end)
        for one, _, _, at, more in walk.tokens(walk.Window(dataset), explicit, big):
            yield end + at + (more if one in (walk.ELEMENT, walk.FRAGMENTS) else 0)


def _pixels_end(window: walk.Window, offset: int, length: int) -> int:
    """Where the pixel data ends that starts here."""
    if length != walk.UNDEFINED:
        return offset + length
    end = offset
    for at, size in walk.fragments(window, offset):
        end = at + size
    return end + 8
