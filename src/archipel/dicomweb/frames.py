"""WADO-RS frames: pixels of one instance, cut out of the stored bytes or decoded (PS3.18 10.4.1.1.6)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicom import uids
from archipel.dicomweb import negotiate, related
from archipel.dicomweb.accept import NotAcceptable, wishes
from archipel.dicomweb.decode import decoded
from archipel.dicomweb.negotiate import FrameForm
from archipel.dicomweb.parts import Parts, find_instances, request_id, root_url
from archipel.dicomweb.ranges import asked_range, matches, range_headers
from archipel.dicomweb.stored import dataset_chunks
from archipel.dicomweb.tables import Table, cut_out, part_of, table_of
from archipel.kit.errors import Invalid, NotFound

FRAMES_ASKED_MAX = 10_000


def retrieve(parts: Parts, http_request: Request, uids_of: tuple[str, str, str], numbers: str) -> Response:
    """The frames of the list, in its order."""
    accepted = wishes(http_request)
    wanted = read_numbers(numbers)
    ref = find_instances(parts, http_request, *uids_of)[0]
    form = negotiate.frames(accepted, _kept_syntax(ref), len(wanted))
    return _answer(parts, http_request, ref, wanted, form)


def _kept_syntax(ref: archive.InstanceRef) -> str:
    """The syntax in which frames are given where the client takes any: HTJ2K when sealing has made them so."""
    return uids.HTJ2K_LOSSLESS if archive.codestream_lengths(ref) else ref.transfer_syntax_uid


def retrieve_all(parts: Parts, http_request: Request, ref: archive.InstanceRef) -> Response:
    """All frames, as the bulk data of compressed pixel data."""
    count = table_of(parts, ref).frame_count
    form = negotiate.frames(wishes(http_request), ref.transfer_syntax_uid, count)
    return _answer(parts, http_request, ref, list(range(1, count + 1)), form)


def retrieve_video(parts: Parts, http_request: Request, ref: archive.InstanceRef, form: FrameForm) -> Response:
    """The one stream of a video, by ranges where they are asked for."""
    return _answer(parts, http_request, ref, [1], form)


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
    try:
        if form.multipart:
            root = root_url(parts, http_request) + http_request.url.path.partition(parts.path)[2].rpartition("/")[0]
            found = bodies(parts, ref, table, wanted, form.transfer_syntax_uid)
            body = (
                related.Part(form.content_type, chunks, length, f"{root}/{number}")
                for number, (length, chunks) in zip(wanted, found, strict=True)
            )
            at_hand = _as_stored(ref, table, form.transfer_syntax_uid) or form.transfer_syntax_uid == _kept_syntax(ref)
            whole: Any = list(body) if at_hand else body
            return related.answer(whole, form.media, headers=headers)
        return _single(parts, http_request, ref, table, wanted[0], form, headers)
    except Invalid as error:
        raise NotAcceptable(error.public, code=error.code, detail=error.detail) from error


def _single(
    parts: Parts, http_request: Request, ref: archive.InstanceRef, table: Table, number: int, form: FrameForm, headers: dict[str, str]
) -> Response:
    """One frame alone; as it is stored by ranges too, which players of video ask for."""
    headers["Content-Type"] = form.content_type if not form.media.startswith("video/") else form.media
    if not _as_stored(ref, table, form.transfer_syntax_uid):
        length, chunks = next(bodies(parts, ref, table, [number], form.transfer_syntax_uid))
        return related.streamed(chunks, headers=headers | {"Content-Length": str(length)})
    ranges = table.ranges_of(number - 1)
    size = sum(length for _, length in ranges)
    found = asked_range(http_request, size, headers["ETag"])
    headers |= {"Accept-Ranges": "bytes", "Content-Length": str(found[1] if found else size)}
    if found:
        headers |= range_headers(found, size)
    chunks = dataset_chunks(parts.blobs, ref, part_of(ranges, *(found or (0, size))))
    return related.streamed(chunks, status_code=206 if found else 200, headers=headers)


def _as_stored(ref: archive.InstanceRef, table: Table, transfer_syntax_uid: str) -> bool:
    """Whether frames in the syntax are ranges of the dataset as it was received."""
    stored = ref.transfer_syntax_uid
    return bool(table.ranges) and (stored == transfer_syntax_uid or (stored in uids.NATIVE and transfer_syntax_uid in uids.NATIVE))


def _codestream(parts: Parts, ref: archive.InstanceRef, number: int) -> Iterator[bytes]:
    found = archive.codestream(parts.blobs, ref, number - 1)
    assert found is not None
    yield found


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
    lengths = archive.codestream_lengths(ref) if transfer_syntax_uid == uids.HTJ2K_LOSSLESS else ()
    if lengths:
        for number in wanted:
            yield lengths[number - 1], _codestream(parts, ref, number)
    elif _as_stored(ref, table, transfer_syntax_uid):
        for number in wanted:
            ranges = table.ranges_of(number - 1)
            yield sum(length for _, length in ranges), dataset_chunks(parts.blobs, ref, ranges)
    elif ref.transfer_syntax_uid in uids.NATIVE and transfer_syntax_uid in uids.NATIVE:
        for data in cut_out(parts, ref, wanted):
            yield len(data), iter((data,))
    else:
        for data in decoded(parts, ref, wanted, transfer_syntax_uid):
            yield len(data), iter((data,))
