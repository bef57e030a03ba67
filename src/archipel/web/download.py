"""An exam as a ZIP with a DICOMDIR: a resumable download whose bytes are the same each time.

People of the training region may download its exams, that is training too; its README says that they are synthetic. What may not leave
the region goes to no device outside it: the DICOM door and the jobs that send see to that.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Annotated, Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from archipel import archive, audit, directory
from archipel.archive import InstanceRef
from archipel.kit.errors import LimitReached, NotFound
from archipel.kit.stored_zip import Checksums, Member, StoredZip
from archipel.web.errors import DoorRoute
from archipel.web.medium import dicomdir_of, file_id, readme
from archipel.web.parts import Call, Parts, needs
from archipel.web.words import StudyPath

router = APIRouter(route_class=DoorRoute, tags=["exams"])
Downloader = Annotated[Call, needs("exam.download")]
LAYOUT_VERSION = b"1"
INSTANCE_COUNT_MAX = 30_000
KEPT_BYTES_MAX = 64 << 20
_RANGE = re.compile(r"bytes=(\d{0,19})-(\d{0,19})")
_ZIP = {"application/zip": {"schema": {"type": "string", "format": "binary"}}}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    200: {"content": _ZIP},
    206: {"content": _ZIP, "description": "A part."},
    304: {"description": "Not changed."},
}


class Media:
    """What downloads share: checksums, and the DICOMDIRs that were made, so that a resumed download makes none again."""

    def __init__(self) -> None:
        self.checksums = Checksums()
        self._made: OrderedDict[str, bytes] = OrderedDict()
        self._lock = threading.Lock()

    def dicomdir(self, etag: str, make: Callable[[], bytes]) -> bytes:
        """The DICOMDIR of a state of an exam, made when it is not at hand."""
        with self._lock:
            if etag in self._made:
                self._made.move_to_end(etag)
                return self._made[etag]
        made = make()
        with self._lock:
            self._made[etag] = made
            while len(self._made) > 1 and sum(map(len, self._made.values())) > KEPT_BYTES_MAX:
                self._made.popitem(last=False)
        return made


@router.get("/exams/{study_uid}/archive.zip", summary="Download an exam", response_class=StreamingResponse, responses=_RESPONSES)
def download_exam(study_uid: StudyPath, call: Downloader) -> Response:
    """The exam's files and a DICOMDIR as a ZIP. Ranges are served, and the bytes stay the same as long as the ETag does."""
    return _answer(call, study_uid)


@router.head("/exams/{study_uid}/archive.zip", summary="Size and ETag of a download", response_class=Response)
def size_of_download(study_uid: StudyPath, call: Downloader) -> Response:
    """The headers of the download."""
    return _answer(call, study_uid)


def _answer(call: Call, study_uid: str) -> Response:
    request = call.request
    with call.database.read() as tx:
        scope = call.scope(tx, "download")
        exam = archive.exam(tx, scope, study_uid)
        refs = archive.locate(tx, scope, study_uid=study_uid)
        _check_count(len(refs))
        demo = directory.site_named(tx, exam.site_id).demo
        etag = _etag(refs, demo)
        table = call.parts.media.dicomdir(etag, lambda: dicomdir_of(tx, scope, study_uid, refs, etag))
    headers = {
        "ETag": etag, "Accept-Ranges": "bytes", "Content-Disposition": f'attachment; filename="{study_uid}.zip"',
        "Cache-Control": "private, no-cache",
    }  # fmt: skip
    if etag in [one.strip() for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    archive_zip = _zip(call.parts, table, readme(demo), refs)
    start, end, partial = _range(request, archive_zip.size_bytes, etag)
    if partial:
        headers["Content-Range"] = f"bytes {start}-{end - 1}/{archive_zip.size_bytes}"
    headers["Content-Length"] = str(end - start)
    if request.method == "HEAD":
        return Response(status_code=206 if partial else 200, headers=headers, media_type="application/zip")
    _audit(call, study_uid, etag, len(refs), resumed=start > 0)
    return StreamingResponse(
        archive_zip.stream(start, end - start), status_code=206 if partial else 200, headers=headers, media_type="application/zip"
    )


def _check_count(count: int) -> None:
    if not count:
        raise NotFound("There is nothing left to download of this exam.", code="nothing-to-download", field="study_uid")
    if count > INSTANCE_COUNT_MAX:
        raise LimitReached(f"An exam of more than {INSTANCE_COUNT_MAX} instances is not offered as a ZIP.", code="too-large")


def _zip(parts: Parts, table: bytes, note: bytes, refs: Sequence[InstanceRef]) -> StoredZip:
    members = [_in_memory("DICOMDIR", table), _in_memory("README.TXT", note)]
    members += [_stored(parts, number, ref) for number, ref in enumerate(refs, 1)]
    return StoredZip(members, parts.media.checksums)


def _in_memory(name: str, content: bytes) -> Member:
    return Member(name, len(content), hashlib.sha256(content).hexdigest(), lambda: iter((content,)))


def _stored(parts: Parts, number: int, ref: InstanceRef) -> Member:
    def read() -> Iterator[bytes]:
        return archive.part10(parts.blobs, ref)

    return Member("/".join(file_id(number)), ref.length_bytes, f"{ref.blob_key}:{ref.offset}", read)


def _etag(refs: Sequence[InstanceRef], demo: bool) -> str:
    """Strong: everything that the bytes depend on."""
    digest = hashlib.sha256(LAYOUT_VERSION + bytes([demo]))
    for ref in refs:
        digest.update(f"{ref.sop_instance_uid} {ref.digest} {ref.blob_key} {ref.offset} {ref.length_bytes}\n".encode())
    return f'"{digest.hexdigest()[:40]}"'


def _range(request: Request, size: int, etag: str) -> tuple[int, int, bool]:
    """Start, end (exclusive) and whether it is a part; RFC 9110 14.2. A range that we do not serve is answered with the whole."""
    found = _RANGE.fullmatch(request.headers.get("range", "").replace(" ", ""))
    if not found or request.headers.get("if-range", etag) != etag or not any(found.groups()):
        return 0, size, False
    first, last = found.groups()
    if not first:
        if int(last) == 0:
            raise LimitReached(f"The download has {size} bytes.", code="range")
        return max(0, size - int(last)), size, True
    start, end = int(first), min(int(last), size - 1) + 1 if last else size
    if last and int(last) < start:
        return 0, size, False
    if start >= size:
        raise LimitReached(f"The download has {size} bytes.", code="range")
    return start, end, True


def _audit(call: Call, study_uid: str, etag: str, instance_count: int, *, resumed: bool) -> None:
    """One record for each download; the parts of a resumed one are the same download."""
    is_new = call.parts.opened.is_new(call.database.clock.now(), "download", call.actor.id, etag)
    if resumed and not is_new:
        return
    with call.database.write() as tx:
        audit.record(tx, call.actor, "archive.download", study_uid=study_uid, instance_count=instance_count, door="web")
