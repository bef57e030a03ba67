"""WADO-RS metadata: the attributes of instances without their bulk data (PS3.18 10.4.1.1.2)."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import groupby, islice
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicom import xmlmodel
from archipel.dicomweb import model, related
from archipel.dicomweb.accept import wishes
from archipel.dicomweb.parts import Parts, find_instances, request_id, root_url
from archipel.dicomweb.ranges import matches
from archipel.kit.deflated import Gzip

GZIP_LEVEL = 4
READ_AHEAD = 8
OUT_BYTES = 512 * 1024
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
    zipped: Iterator[bytes] = iter((kept,)) if kept is not None else _zipped(parts, refs, root, key, apart=bool(sop_instance_uid))
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
                yield archive.header_row(ref, data, root)


def _texts(parts: Parts, refs: Sequence[archive.InstanceRef], root: str) -> Iterator[bytes]:
    """The JSON of each instance, a comma between them."""
    before = b""
    for row in rows(parts, refs, root):
        yield before + model.dumps(row)
        before = b","


def _gzip(parts: Parts, refs: Sequence[archive.InstanceRef], root: str, apart: bool) -> Iterator[bytes]:
    """The JSON array as one gzip stream; series of which a sealed object holds just these instances as they are kept there."""
    gzip, before = Gzip(), b"["
    yield gzip.begin()
    for _, group in groupby(refs, key=lambda ref: (ref.study_uid, ref.series_uid)):
        some = list(group)
        kept = None if apart else archive.headers_of(parts.blobs, some)
        yield gzip.text(before)
        before = b","
        if kept is not None:
            yield gzip.piece(kept.piece(root))
        else:
            yield from gzip.deflate(_texts(parts, some, root), GZIP_LEVEL)
    yield gzip.text(b"]") + gzip.end()


def _zipped(parts: Parts, refs: Sequence[archive.InstanceRef], root: str, key: str, *, apart: bool) -> Iterator[bytes]:
    """The gzip stream as it is made; kept once it is whole."""
    kept: list[bytes] = []
    kept_bytes = 0
    for out in _gzip(parts, refs, root, apart):
        kept_bytes += len(out)
        if kept_bytes <= KEEP_BYTES_MAX:
            kept.append(out)
        yield out
    if kept_bytes <= KEEP_BYTES_MAX:
        whole = b"".join(kept)
        parts.metadata.put(key, whole, len(whole))


def _unzipped(zipped: Iterator[bytes]) -> Iterator[bytes]:
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    for chunk in zipped:
        while chunk:
            out = engine.decompress(chunk, OUT_BYTES)
            chunk = engine.unconsumed_tail
            if out:
                yield out
    if out := engine.flush():
        yield out


def _xml_parts(parts: Parts, refs: Sequence[archive.InstanceRef], root: str) -> Iterator[related.Part]:
    for row in rows(parts, refs, root):
        data = xmlmodel.to_xml(row)
        yield related.Part(model.XML, [data], len(data))
