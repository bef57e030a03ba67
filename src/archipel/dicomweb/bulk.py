"""WADO-RS bulk data: one value of an instance, by its path (PS3.18 10.4.1.1.5)."""

from __future__ import annotations

from collections.abc import Iterable

from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicom import jsonmodel, uids
from archipel.dicom.index import path_of
from archipel.dicomweb import frames, related
from archipel.dicomweb.accept import NotAcceptable, Wish, wishes
from archipel.dicomweb.media import OCTETS, safe
from archipel.dicomweb.parts import Parts, find_instances, request_id, root_url
from archipel.dicomweb.ranges import asked_range, matches, range_headers
from archipel.dicomweb.stored import StoredDataset, dataset_chunks
from archipel.kit.errors import Invalid, NotFound

PIXEL_DATA = path_of("PixelData")
DOCUMENT = path_of("EncapsulatedDocument")
DOCUMENT_TYPE = path_of("MIMETypeOfEncapsulatedDocument")
PATH_LENGTH_MAX = 2000


def retrieve(parts: Parts, http_request: Request, uids_of: tuple[str, str, str], path: str) -> Response:
    """The value at the path; pixel data that is compressed comes frame by frame."""
    accepted = wishes(http_request)
    ref = find_instances(parts, http_request, *uids_of)[0]
    path = path.upper()
    if path == PIXEL_DATA and uids.is_encapsulated(ref.transfer_syntax_uid):
        return frames.retrieve_all(parts, http_request, ref)
    parts.trail.viewed(signin.actor_of(http_request), ref, request_id(http_request), "bulkdata")
    media, multipart = _form(accepted, ref, path, parts)
    value = _value(parts, ref, path)
    size = len(value) if isinstance(value, bytes) else value[1]
    etag = f'"{ref.digest[:32]}-{path}"'
    headers = {"ETag": etag, "Accept-Ranges": "bytes", "Cache-Control": "private, no-cache", **safe(media)}
    if matches(http_request, etag):
        return Response(status_code=304, headers=headers)
    found = asked_range(http_request, size, etag)
    start, length = found or (0, size)
    chunks: Iterable[bytes]
    if isinstance(value, bytes):
        chunks = [value[start : start + length]]
    else:
        chunks = dataset_chunks(parts.blobs, ref, [(value[0] + start, length)])
    if found:
        headers |= range_headers(found, size)
    if multipart:
        url = f"{root_url(parts, http_request)}{http_request.url.path.partition(parts.path)[2]}"
        return related.answer([related.Part(media, chunks, length, url)], media, status=206 if found else 200, headers=headers)
    headers |= {"Content-Length": str(length), "Content-Type": media}
    return related.streamed(chunks, status_code=206 if found else 200, headers=headers)


def _value(parts: Parts, ref: archive.InstanceRef, path: str) -> tuple[int, int] | bytes:
    if len(path) > PATH_LENGTH_MAX:
        raise NotFound("There is no such bulk data.", code="no-such-resource", field="path")
    try:
        return jsonmodel.bulk_data(StoredDataset(parts.blobs, ref), path, ref.transfer_syntax_uid)  # type: ignore[arg-type]
    except Invalid as error:
        raise NotFound(f"The instance has no bulk data at {path[:80]}.", code="no-such-resource", detail=error.detail) from error


def _form(accepted: Iterable[Wish], ref: archive.InstanceRef, path: str, parts: Parts) -> tuple[str, bool]:
    """Media type and whether it is wrapped: a document goes by its own type when that is asked for."""
    document = document_type(parts, ref) if path == DOCUMENT else ""
    for wish in accepted:
        if document and wish.takes(document) and not wish.open:
            return document, wish.multipart
        if wish.takes(OCTETS) and wish.transfer_syntax in ("", "*", uids.EXPLICIT_LITTLE, ref.transfer_syntax_uid):
            return OCTETS, wish.multipart or wish.open
    raise NotAcceptable("Bulk data is given as application/octet-stream, alone or in multipart/related.")


def document_type(parts: Parts, ref: archive.InstanceRef) -> str:
    """The media type of an encapsulated document as it says, '' when the instance holds none or a dangerous name."""
    try:
        row = jsonmodel.to_json(StoredDataset(parts.blobs, ref), ref.transfer_syntax_uid, lambda path: path)  # type: ignore[arg-type]
    except Invalid:
        return ""
    if DOCUMENT not in row:
        return ""
    said = str((row.get(DOCUMENT_TYPE, {}).get("Value") or [""])[0]).strip().lower()
    return said if said in ("application/pdf", "text/xml", "application/xml", "model/stl", "model/obj", "model/mtl") else ""
