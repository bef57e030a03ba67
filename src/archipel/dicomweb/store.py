"""STOW-RS: store instances as they stream in (PS3.18 10.5)."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import structlog
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import Response

from archipel import sharing, signin
from archipel.archive import Fate, Incoming, Outcome, Source
from archipel.dicom import header, uids
from archipel.dicom.index import SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from archipel.dicomweb import model, store_answer, store_metadata
from archipel.dicomweb.accept import media_type, wishes
from archipel.dicomweb.parts import Parts, request_id, root_url
from archipel.dicomweb.reader import Part, RelatedReader
from archipel.kit.actor import Actor
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.settings import HttpSettings

log = structlog.get_logger(__name__)

FEED_BYTES = 256 * 1024
IN_FLIGHT_MAX = 32
DICOM = "application/dicom"
METADATA = (model.JSON, model.PLAIN_JSON, model.XML, model.PLAIN_XML)
# What a part of type application/dicom may call itself; some senders do not say.
_DICOM_PARTS = ("", DICOM, "application/octet-stream")


@dataclass
class Intake:
    """The instances of one request on their way into the archive, at most IN_FLIGHT_MAX at once."""

    parts: Parts
    source: Source
    study_uid: str
    outcomes: list[Outcome] = field(default_factory=list)
    _waiting: deque[asyncio.Future[Outcome]] = field(default_factory=deque)

    async def take(self, part: Part) -> None:
        """Submit one Part 10 file."""
        incoming = await run_in_threadpool(self._read, part)
        if isinstance(incoming, Outcome):
            await self.settle()  # outcomes keep the order of the request
            self.outcomes.append(incoming)
            return
        await self.submit(incoming)

    async def submit(self, incoming: Incoming) -> None:
        """Submit one instance; waits while too many are on their way."""
        while len(self._waiting) >= IN_FLIGHT_MAX:
            self.outcomes.append(await self._waiting.popleft())
        self._waiting.append(asyncio.wrap_future(self.parts.receiver.submit(incoming)))

    async def settle(self) -> list[Outcome]:
        """Wait for everything that was submitted."""
        while self._waiting:
            self.outcomes.append(await self._waiting.popleft())
        return self.outcomes

    def _read(self, part: Part) -> Incoming | Outcome:
        try:
            if part.error is not None:
                raise part.error
            media = media_type(part.headers.get("content-type") or DICOM, field="Content-Type")[0]
            if media not in _DICOM_PARTS:
                raise unsupported(f"Part {part.number} is {media[:60]}; {DICOM} was announced.")
            incoming = Incoming.from_part10(part.spooled, self.source, name=f"part {part.number}")
            return self.checked(incoming)
        except ArchipelError as error:
            part.spooled.close()
            return Outcome(Fate.REFUSED, error=error)

    def checked(self, incoming: Incoming) -> Incoming | Outcome:
        """The instance, or its refusal when it does not belong to the study of the address. Closes what it refuses."""
        if not self.study_uid:
            return incoming
        try:
            with incoming.spooled.open() as file:
                file.seek(incoming.dataset_offset)
                found = header.read_header(file, incoming.transfer_syntax_uid)
        except ArchipelError as error:
            incoming.spooled.close()
            return Outcome(Fate.REFUSED, error=error)
        study_uid = found.first(STUDY_INSTANCE_UID)
        if study_uid == self.study_uid:
            return incoming
        incoming.spooled.close()
        mismatch = Invalid(f"The instance belongs to study {study_uid}, not to {self.study_uid}.", code="other-study")
        return Outcome(
            Fate.REFUSED,
            study_uid,
            sop_class_uid=found.first(SOP_CLASS_UID),
            sop_instance_uid=found.first(SOP_INSTANCE_UID),
            error=mismatch,
        )


def _check_may_store(parts: Parts, actor: Actor) -> None:
    with parts.database.read() as tx:
        sharing.require_store(tx, actor)


async def store(parts: Parts, http_request: Request, study_uid: str = "") -> Response:
    """Store what the body holds and say of each instance what became of it."""
    actor = signin.actor_of(http_request)
    await asyncio.to_thread(_check_may_store, parts, actor)
    accepted = model.choose(wishes(http_request), multipart_xml=False)
    if study_uid and not uids.is_uid(study_uid):
        raise Invalid("The study in the address is no UID.", code="malformed-uid", field="study")
    _check_length(http_request, parts.settings.body_bytes_max)
    media, parameters = _content_type(http_request)
    source = Source(
        "dicomweb", actor.site_id, actor, address=actor.address, association_id=request_id(http_request),
        may_reject=sharing.may(actor, "exam.reject"),
    )  # fmt: skip
    intake = Intake(parts, source, study_uid)
    try:
        if media == DICOM:
            await _single(intake, http_request)
        elif parameters.get("type", DICOM).lower() in (DICOM, "*/*"):
            await _files(intake, http_request, parameters.get("boundary", ""))
        else:
            await _metadata(intake, http_request, parameters)
    finally:
        outcomes = await asyncio.shield(intake.settle())
        _log_refused(outcomes, source)
    if not outcomes:
        raise Invalid("The body holds no instance.", code="no-parts")
    status = store_answer.status_of(outcomes)
    headers = {"Retry-After": "10"} if status == 503 else {}
    return model.one(store_answer.dataset(outcomes, root_url(parts, http_request)), accepted, status=status, headers=headers)


def _log_refused(outcomes: list[Outcome], source: Source) -> None:
    for number, outcome in enumerate(outcomes, 1):
        if outcome.fate is Fate.REFUSED and outcome.error is not None:
            log.warning(
                "store.refused", door="dicomweb", http_request_id=source.association_id, part=number, address=source.address,
                sop_instance_uid=outcome.sop_instance_uid, code=outcome.error.code, reason=str(outcome.error),
            )  # fmt: skip


async def _single(intake: Intake, http_request: Request) -> None:
    part = Part(intake.parts.spool.new(), 1)
    try:
        async for data in _chunks(http_request, intake.parts.settings):
            await run_in_threadpool(part.write, data, 0, len(data))
    except BaseException:
        part.spooled.close()
        raise
    if not part.spooled.size_bytes:
        part.spooled.close()
        return
    await intake.take(part)


async def _files(intake: Intake, http_request: Request, boundary: str) -> None:
    reader = RelatedReader(boundary, intake.parts.spool)
    try:
        async for data in _chunks(http_request, intake.parts.settings):
            for part in await run_in_threadpool(reader.feed, data):
                await intake.take(part)
        await _check_whole(reader, intake)
    finally:
        reader.close()


async def _metadata(intake: Intake, http_request: Request, parameters: dict[str, str]) -> None:
    reader = RelatedReader(parameters.get("boundary", ""), intake.parts.spool)
    received: list[Part] = []
    try:
        async for data in _chunks(http_request, intake.parts.settings):
            received += await run_in_threadpool(reader.feed, data)
        await _check_whole(reader, intake)
        rows, bulk = await run_in_threadpool(store_metadata.read, received, intake.parts.settings.json_bytes_max)
        for row in rows:
            made = await run_in_threadpool(store_metadata.make, row, bulk, intake.parts.spool, intake.source)
            made = await run_in_threadpool(intake.checked, made) if isinstance(made, Incoming) else made
            if isinstance(made, Incoming):
                await intake.submit(made)
            else:
                await intake.settle()
                intake.outcomes.append(made)
    finally:
        reader.close()
        for part in received:
            part.spooled.close()


async def _check_whole(reader: RelatedReader, intake: Intake) -> None:
    if reader.whole:
        return
    stored = sum(outcome.fate is not Fate.REFUSED for outcome in await intake.settle())
    raise Invalid(
        f"The body ends before its closing delimiter. {stored} instances that came before are stored; send the others again.",
        code="truncated",
    )


async def _chunks(http_request: Request, settings: HttpSettings) -> AsyncIterator[bytes]:
    """The body in pieces worth a thread's time. Raises LimitReached past the bound."""
    bytes_max, stall_s = settings.body_bytes_max, settings.stall_s
    held: list[bytes] = []
    held_bytes = total = 0
    body = http_request.stream()
    while True:
        try:
            async with asyncio.timeout(stall_s):
                data = await anext(body, None)
        except TimeoutError as error:
            raise Invalid(f"No bytes came for {stall_s} s in the middle of the body.", code="stalled") from error
        if data is None:
            break
        total += len(data)
        if total > bytes_max:
            raise _too_large(bytes_max)
        held.append(data)
        held_bytes += len(data)
        if held_bytes >= FEED_BYTES:
            yield b"".join(held)
            held, held_bytes = [], 0
    if held_bytes:
        yield b"".join(held)


def _check_length(http_request: Request, bytes_max: int) -> None:
    length = http_request.headers.get("content-length", "")
    if length.isascii() and length.isdigit() and int(length) > bytes_max:
        raise _too_large(bytes_max)


def _too_large(bytes_max: int) -> LimitReached:
    return LimitReached(f"The body is larger than {bytes_max} bytes.", code="too-large")


def _content_type(http_request: Request) -> tuple[str, dict[str, str]]:
    if http_request.headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise unsupported("A body with a Content-Encoding is not taken: send it as it is.")
    media, parameters = media_type(http_request.headers.get("content-type") or "none/none", field="Content-Type")
    kind = parameters.get("type", DICOM).lower()
    if media == "multipart/related" and kind in (DICOM, "*/*", *METADATA):
        return media, parameters
    if media == DICOM:
        return media, parameters
    raise unsupported(
        "Send multipart/related with type application/dicom, application/dicom+json or application/dicom+xml, or one application/dicom."
    )


def unsupported(public: str) -> Invalid:
    """The media type of a body or part is not one that is taken (415)."""
    return Invalid(public, code="unsupported-media", field="Content-Type")
