"""Uploads: files of any kind from a browser or a script, with a clear fate for each instance."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import Future
from typing import Annotated, Any

import structlog
from fastapi import APIRouter
from pydantic import BaseModel, Field
from starlette.requests import ClientDisconnect, Request

from archipel import archive, sharing
from archipel.archive import Fate, Outcome, Refusal, Source
from archipel.kit.errors import Invalid, LimitReached
from archipel.kit.ids import new_id
from archipel.web.documents import target_of, wrapper
from archipel.web.errors import DoorRoute
from archipel.web.multipart import Form, FormFile
from archipel.web.parts import Call, needs
from archipel.web.words import or_none

log = structlog.get_logger(__name__)
router = APIRouter(route_class=DoorRoute, tags=["exams"])
Sender = Annotated[Call, needs("exam.store")]
IN_FLIGHT_MAX = 32
ROW_COUNT_MAX = 250_000
OTHER_CONTENT = "other-content"

FORM: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {
                        "study_uid": {"type": "string", "description": "For documents: the exam that they belong to."},
                        "patient_id": {"type": "string", "description": "For documents: the patient, when there is no exam yet."},
                        "patient_name": {"type": "string", "description": "DICOM person name: FAMILY^GIVEN."},
                        "birth_date": {"type": "string", "format": "date"},
                        "sex": {"type": "string", "enum": ["M", "F", "O", ""]},
                        "description": {"type": "string", "description": "What the document is."},
                        "file": {"type": "string", "format": "binary", "description": "DICOM, ZIP, PDF, JPEG, PNG, MP4; may be repeated."},
                    },
                }
            }
        },
    }
}


class UploadRow(BaseModel):
    """What became of one instance, or of a file that is none."""

    name: str = Field(description="The file's name; for a member of a ZIP `archive.zip/member`.")
    fate: str = Field(description="stored, already_stored, kept_aside, refused or skipped.")
    study_uid: str | None = None
    sop_instance_uid: str | None = None
    reason: str | None = Field(None, description="Code of why it was not stored as it is.")
    public: str | None = Field(None, description="The same in words.")


class UploadAnswer(BaseModel):
    """One row for each instance, in the order in which they were read."""

    items: list[UploadRow]


@router.post("/uploads", summary="Upload files", openapi_extra=FORM)
async def upload(call: Sender) -> UploadAnswer:
    """Store DICOM files, everything in ZIP archives, and documents with the exam or patient that the fields before them name.

    The answer is 200 when the form was read: the fate of each file is in its row. The same bytes may be sent again.
    """
    request = call.request
    await asyncio.to_thread(_check_may_store, call)
    left_bytes = call.parts.settings.http.body_bytes_max
    length = request.headers.get("content-length", "")
    if length.isdigit() and int(length) > left_bytes:
        raise _too_large()
    form = Form(request.headers.get("content-type", ""), call.parts.spool)
    intake = _Intake(call)
    try:
        async for chunk in _chunks(request, call.parts.settings.http.stall_s):
            left_bytes -= len(chunk)
            if left_bytes < 0:
                raise _too_large()
            await asyncio.to_thread(form.feed, chunk)
            await _take_ready(form, intake)
        form.finish()
    except ClientDisconnect as error:
        raise Invalid("The upload was broken off.", code="broken-off") from error
    finally:
        form.close()
        rows = await asyncio.to_thread(intake.finish)
    if not intake.file_count:
        raise Invalid("The form holds no file.", code="no-file", field="file")
    return UploadAnswer(items=rows)


def _check_may_store(call: Call) -> None:
    with call.database.read() as tx:
        sharing.require_store(tx, call.actor)


async def _chunks(request: Request, stall_s: int) -> AsyncIterator[bytes]:
    """The body as it comes. Raises Invalid when it stops coming."""
    body = request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_s):
                chunk = await anext(body, None)
        except TimeoutError as error:
            raise Invalid(f"No bytes came for {stall_s} s in the middle of the upload.", code="stalled") from error
        if chunk is None:
            return
        yield chunk


def _too_large() -> LimitReached:
    return LimitReached("The upload is larger than the platform takes.", code="too-large")


async def _take_ready(form: Form, intake: _Intake) -> None:
    while form.ready:
        await asyncio.to_thread(intake.take, form.ready.pop(0), form.fields)


class _Intake:
    """The files of one upload on their way into the archive, a bounded number of instances at a time."""

    def __init__(self, call: Call) -> None:
        self._call, self._parts = call, call.parts
        self._source = Source(
            "web", call.actor.site_id, call.actor, address=call.actor.address, association_id=new_id(),
            may_reject=sharing.may(call.actor, "exam.reject"),
        )  # fmt: skip
        settings = call.parts.settings.archive
        self._limits = archive.IntakeLimits(zip_bytes_max=settings.zip_bytes_max, zip_ratio_max=settings.zip_ratio_max)
        self._rows: list[UploadRow] = []
        self._flight: deque[tuple[UploadRow, Future[Outcome]]] = deque()
        self.file_count = 0

    def take(self, file: FormFile, fields: dict[str, str]) -> None:
        """Read one file and submit what it holds."""
        self.file_count += 1
        for found in self._found(file, fields):
            name = found.name
            if len(self._rows) >= ROW_COUNT_MAX:
                raise LimitReached(f"An upload holds at most {ROW_COUNT_MAX} files.", code="too-large")
            row = UploadRow(name=name, fate=Fate.REFUSED.value)
            self._rows.append(row)
            if isinstance(found, Refusal):
                row.fate = "skipped" if found.skipped else row.fate
                row.reason, row.public = found.error.code, found.error.public
                continue
            self._settle(IN_FLIGHT_MAX - 1)
            self._flight.append((row, self._parts.receiver.submit(found)))

    def finish(self) -> list[UploadRow]:
        """The rows, once everything that was submitted has its outcome."""
        self._settle(0)
        for number, row in enumerate(self._rows, 1):
            if row.fate == Fate.REFUSED.value:  # names of files stay out of the log: people name them after patients
                log.warning(
                    "upload.refused", door="web", upload_id=self._source.association_id, row=number, address=self._source.address,
                    sop_instance_uid=row.sop_instance_uid, code=row.reason, reason=row.public,
                )  # fmt: skip
        return self._rows

    def _found(self, file: FormFile, fields: dict[str, str]) -> Iterator[archive.Incoming | Refusal]:
        wrap = wrapper(self._parts, target_of(self._call, fields), self._source)
        return archive.walk_file(file.spooled, file.name, spool=self._parts.spool, source=self._source, limits=self._limits, wrap=wrap)

    def _settle(self, keep: int) -> None:
        while len(self._flight) > keep:
            row, future = self._flight.popleft()
            outcome = future.result()
            row.fate = outcome.fate.value
            row.study_uid, row.sop_instance_uid = or_none(outcome.study_uid), or_none(outcome.sop_instance_uid)
            if outcome.error is not None:
                row.reason, row.public = outcome.error.code, outcome.error.public
            elif outcome.fate is Fate.KEPT_ASIDE:
                row.reason, row.public = OTHER_CONTENT, "An instance with this UID and other content is archived; this one was kept aside."
