"""WADO-RS metadata: the attributes of instances without their bulk data (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicom import jsonmodel, xmlmodel
from archipel.dicom.index import SERIES_INSTANCE_UID, SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, path_of
from archipel.dicomweb import model, related
from archipel.dicomweb.accept import wishes
from archipel.dicomweb.parts import Parts, find_instances, request_id, resource_url, root_url
from archipel.dicomweb.ranges import matches
from archipel.kit.errors import Invalid

log = structlog.get_logger(__name__)

PIXEL_DATA = path_of("PixelData")
GZIP_LEVEL = 4
READ_AHEAD = 8
FLUSH_BYTES = 512 * 1024
KEEP_BYTES_MAX = 16 << 20
FORM_VERSION = "1"


def retrieve(parts: Parts, http_request: Request, study_uid: str, series_uid: str = "", sop_instance_uid: str = "") -> Response:
    """The metadata as JSON (gzipped when the client takes it) or XML, with an entity tag that changes with what is stored."""
    media = model.choose(wishes(http_request))
    refs = find_instances(parts, http_request, study_uid, series_uid, sop_instance_uid)
    root = root_url(parts, http_request)
    parts.trail.viewed(signin.actor_of(http_request), refs[0], request_id(http_request), "metadata")
    key = _key(refs, root, media)
    etag = f'W/"{key}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept, Accept-Encoding"}
    if matches(http_request, etag):
        return Response(status_code=304, headers=headers)
    if media == model.XML:
        return related.answer(_xml_parts(parts, refs, root), model.XML, headers=headers)
    kept = parts.metadata.get(key)
    zipped: Iterator[bytes] = iter((kept,)) if kept is not None else _zipped(parts, refs, root, key)
    headers["Content-Type"] = media
    if takes_gzip(http_request):
        headers["Content-Encoding"] = "gzip"
        if kept is not None:
            return Response(kept, headers=headers)
        return related.streamed(zipped, headers=headers)
    return related.streamed(_unzipped(zipped), headers=headers)


def takes_gzip(http_request: Request) -> bool:
    """Whether Accept-Encoding names gzip (or anything) with a q above 0."""
    for one in http_request.headers.get("accept-encoding", "").lower().split(","):
        name, _, parameters = one.partition(";")
        if name.strip() in ("gzip", "*"):
            return parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000")
    return False


def _key(refs: Sequence[archive.InstanceRef], root: str, media: str) -> str:
    running = hashlib.sha256(f"{FORM_VERSION} {media} {root}".encode())
    for ref in refs:
        running.update(f" {ref.sop_instance_uid} {ref.series_uid} {ref.digest}".encode())
    return running.hexdigest()[:40]


def rows(parts: Parts, refs: Sequence[archive.InstanceRef], root: str) -> Iterator[dict[str, Any]]:
    """DICOM JSON of each instance, their headers read a few ahead."""
    with ThreadPoolExecutor(READ_AHEAD, thread_name_prefix="metadata") as readers:
        waiting = iter(refs)
        while some := list(islice(waiting, READ_AHEAD * 2)):
            for ref, data in zip(some, readers.map(lambda ref: archive.header_bytes(parts.blobs, ref), some), strict=True):
                yield row_of(ref, data, root)


def row_of(ref: archive.InstanceRef, data: bytes, root: str) -> dict[str, Any]:
    """DICOM JSON of one instance; one that cannot be read whole is told by its UIDs, so that its neighbours are shown."""
    url = resource_url(root, ref.study_uid, ref.series_uid, ref.sop_instance_uid)
    pixels = PIXEL_DATA if ref.pixel_data_offset is not None else ""
    try:
        return jsonmodel.to_json(io.BytesIO(data), ref.transfer_syntax_uid, lambda path: f"{url}/bulkdata/{path}", pixel_data=pixels)
    except Invalid as error:
        log.warning("dicomweb.metadata", sop_instance_uid=ref.sop_instance_uid, code=error.code, detail=error.detail)
        pairs = (
            (SOP_CLASS_UID, ref.sop_class_uid), (SOP_INSTANCE_UID, ref.sop_instance_uid), (STUDY_INSTANCE_UID, ref.study_uid),
            (SERIES_INSTANCE_UID, ref.series_uid),
        )  # fmt: skip
        return {path: {"vr": "UI", "Value": [uid]} for path, uid in pairs}


def _json_chunks(parts: Parts, refs: Sequence[archive.InstanceRef], root: str) -> Iterator[bytes]:
    before = b"["
    for row in rows(parts, refs, root):
        yield before + model.dumps(row)
        before = b","
    yield b"]"


def _zipped(parts: Parts, refs: Sequence[archive.InstanceRef], root: str, key: str) -> Iterator[bytes]:
    """The gzip stream as it is made; kept once it is whole."""
    engine = zlib.compressobj(GZIP_LEVEL, zlib.DEFLATED, zlib.MAX_WBITS | 16)
    kept: list[bytes] = []
    kept_bytes = since = 0
    for chunk in _json_chunks(parts, refs, root):
        out = engine.compress(chunk)
        since += len(chunk)
        if since >= FLUSH_BYTES:
            out, since = out + engine.flush(zlib.Z_SYNC_FLUSH), 0
        if out:
            kept_bytes += len(out)
            if kept_bytes <= KEEP_BYTES_MAX:
                kept.append(out)
            yield out
    last = engine.flush()
    yield last
    if kept_bytes <= KEEP_BYTES_MAX:
        whole = b"".join((*kept, last))
        parts.metadata.put(key, whole, len(whole))


def _unzipped(zipped: Iterator[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in zipped:
        while chunk:
            out = engine.decompress(chunk, FLUSH_BYTES)
            chunk = engine.unconsumed_tail
            if out:
                yield out
    if out := engine.flush():
        yield out


def _xml_parts(parts: Parts, refs: Sequence[archive.InstanceRef], root: str) -> Iterator[related.Part]:
    for row in rows(parts, refs, root):
        data = xmlmodel.to_xml(row)
        yield related.Part(model.XML, [data], len(data))
