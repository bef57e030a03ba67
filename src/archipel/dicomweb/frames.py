"""WADO-RS frames: pixels of one instance, cut out of the stored bytes or decoded (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from archipel import archive, signin
from archipel.dicom import frames as pixels_of
from archipel.dicom import uids, values, walk
from archipel.dicomweb import negotiate, related
from archipel.dicomweb.accept import wishes
from archipel.dicomweb.decode import decoded
from archipel.dicomweb.negotiate import FrameForm
from archipel.dicomweb.parts import Parts, find_instances, request_id, root_url
from archipel.dicomweb.ranges import matches
from archipel.dicomweb.stored import dataset_chunks, open_dataset
from archipel.kit.errors import Invalid, NotFound

FRAMES_ASKED_MAX = 10_000
CELL_BYTES = 120


@dataclass(frozen=True)
class Table:
    """Where the frames of one instance are: ranges of its stored dataset, or () when they must be cut out of read bytes."""

    frame_count: int
    ranges: tuple[tuple[tuple[int, int], ...], ...]

    def ranges_of(self, number: int) -> list[tuple[int, int]]:
        """The ranges of a frame, from 0; a video is one for all."""
        return list(self.ranges[number if number < len(self.ranges) else 0])


def retrieve(parts: Parts, http_request: Request, uids_of: tuple[str, str, str], numbers: str) -> Response:
    """The frames of the list, in its order."""
    accepted = wishes(http_request)
    wanted = read_numbers(numbers)
    ref = find_instances(parts, http_request, *uids_of)[0]
    form = negotiate.frames(accepted, ref.transfer_syntax_uid, len(wanted))
    return _answer(parts, http_request, ref, wanted, form)


def retrieve_all(parts: Parts, http_request: Request, ref: archive.InstanceRef) -> Response:
    """All frames, as the bulk data of compressed pixel data."""
    count = 1 if uids.is_video(ref.transfer_syntax_uid) else table_of(parts, ref).frame_count
    form = negotiate.frames(wishes(http_request), ref.transfer_syntax_uid, count)
    return _answer(parts, http_request, ref, list(range(1, count + 1)), form)


def _answer(parts: Parts, http_request: Request, ref: archive.InstanceRef, wanted: Sequence[int], form: FrameForm) -> Response:
    table = table_of(parts, ref)
    outside = [number for number in wanted if number > table.frame_count]
    if outside:
        raise NotFound(f"The instance has {table.frame_count} frames; there is no frame {outside[0]}.", code="no-such-frame")
    parts.trail.viewed(signin.actor_of(http_request), ref, request_id(http_request), "frames")
    etag = f'"{ref.digest[:32]}-{"-".join(map(str, wanted[:8]))}.{len(wanted)}-{form.transfer_syntax_uid}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept"}
    if matches(http_request, etag):
        return Response(status_code=304, headers=headers)
    root = root_url(parts, http_request) + http_request.url.path.partition(parts.path)[2].rpartition("/")[0]
    try:
        found = bodies(parts, ref, table, wanted, form.transfer_syntax_uid)
        if form.multipart:
            body: Any = (
                related.Part(form.content_type, chunks, length, f"{root}/{number}")
                for number, (length, chunks) in zip(wanted, found, strict=True)
            )
            return related.answer([*body] if _stored(ref, form) else body, form.media, headers=headers)
        length, chunks = next(found)
        more = {"Content-Type": form.content_type, "Content-Length": str(length)}
        return StreamingResponse(related.primed(chunks), headers=headers | more)
    except Invalid as error:
        raise negotiate.NotAcceptable(error.public, code=error.code, detail=error.detail) from error


def _stored(ref: archive.InstanceRef, form: FrameForm) -> bool:
    return form.transfer_syntax_uid == ref.transfer_syntax_uid


def read_numbers(text: str) -> list[int]:
    """The frame numbers of a list, from 1. Raises Invalid."""
    parts = text.split(",")
    if len(parts) > FRAMES_ASKED_MAX:
        raise Invalid(f"At most {FRAMES_ASKED_MAX} frames are given at once.", code="too-many-frames", field="frames")
    numbers = [int(one) if one.strip().isascii() and one.strip().isdigit() and len(one.strip()) < 10 else 0 for one in parts]
    if min(numbers) < 1:
        raise Invalid("Frames are whole numbers from 1, separated by commas.", code="bad-frames", field="frames")
    return numbers


def bodies(
    parts: Parts, ref: archive.InstanceRef, table: Table, wanted: Sequence[int], transfer_syntax_uid: str
) -> Iterator[tuple[int, Iterator[bytes]]]:
    """Length and bytes of each frame in the transfer syntax."""
    stored = ref.transfer_syntax_uid
    native = stored in uids.NATIVE and transfer_syntax_uid in uids.NATIVE
    if (stored == transfer_syntax_uid or native) and table.ranges:
        for number in wanted:
            ranges = table.ranges_of(number - 1)
            yield sum(length for _, length in ranges), dataset_chunks(parts.blobs, ref, ranges)
    elif native:
        for data in _cut_out(parts, ref, wanted):
            yield len(data), iter((data,))
    else:
        for data in decoded(parts, ref, wanted, transfer_syntax_uid):
            yield len(data), iter((data,))


def table_of(parts: Parts, ref: archive.InstanceRef) -> Table:
    """The table of an instance, remembered. Raises NotFound when it has no pixel data, NotAcceptable when its frames cannot be told apart."""
    found: Table | None = parts.tables.get(ref.digest)
    if found is None:
        found = _read_table(parts, ref)
        parts.tables.put(ref.digest, found, 200 + CELL_BYTES * sum(map(len, found.ranges)))
    return found


def _read_table(parts: Parts, ref: archive.InstanceRef) -> Table:
    source, syntax = open_dataset(parts.blobs, ref)
    with source:
        try:
            pixels = pixels_of.read_pixel_data(source, syntax)
        except Invalid as error:
            raise NotFound("The instance has no frames.", code="no-pixels", detail=str(error)) from error
        if pixels.value_offset is None:
            raise NotFound("The instance has no frames.", code="no-pixels")
        info = pixels.info
        if syntax != ref.transfer_syntax_uid or syntax == uids.EXPLICIT_BIG:
            return Table(info.frames, ())  # deflated, or in the other order of bytes
        try:
            if uids.is_encapsulated(syntax):
                ranges = pixels_of.encapsulated_ranges(walk.Window(_start(source)), pixels.value_offset, syntax, info.frames, pixels.extended_offsets)
            else:
                ranges = pixels_of.native_ranges(pixels.value_offset, pixels.length, info.frames, info.stored_bits_per_frame)
        except Invalid as error:
            if error.code == "not-aligned":
                return Table(info.frames, ())
            raise negotiate.NotAcceptable(error.public, code=error.code, detail=error.detail) from error
    return Table(info.frames, tuple(tuple(one) for one in ranges))


def _start(source: Any) -> Any:
    source.seek(0)
    return source


def _cut_out(parts: Parts, ref: archive.InstanceRef, wanted: Sequence[int]) -> Iterator[bytes]:
    """Uncompressed frames that are not bytes of the stored dataset: deflated, big endian, or bits that start within a byte."""
    source, syntax = open_dataset(parts.blobs, ref)
    with source:
        pixels = pixels_of.read_pixel_data(source, syntax)
        window = walk.Window(_start(source))
        for number in wanted:
            data, skip_bits = pixels_of.read_native(window, pixels, number - 1)
            if syntax == uids.EXPLICIT_BIG and pixels.info.bits_allocated > 8:
                data = values.swapped(data, pixels.info.bits_allocated // 8)
            if skip_bits or pixels.info.bits_allocated == 1:
                bits = np.unpackbits(np.frombuffer(data, np.uint8), bitorder="little")
                data = np.packbits(bits[skip_bits : skip_bits + pixels.info.stored_bits_per_frame], bitorder="little").tobytes()
            yield data
