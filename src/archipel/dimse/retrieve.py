"""The two retrieve services at the wire: read what is asked, answer while it is sent, answer how it ended (PS3.4 C.4.2, C.4.3)."""

from __future__ import annotations

import asyncio

import structlog

from archipel.archive import InstanceRef
from archipel.audit import Outcome
from archipel.dicom import sop_classes, status
from archipel.dicom.message import Command
from archipel.dimse import get, identifiers, move
from archipel.dimse.association import Association
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.dimse.suboperations import Progress, locate, record
from archipel.kit.errors import Unavailable

log = structlog.get_logger(__name__)

_PENDING_EVERY_S = 0.25
_ALIVE_EVERY_S = 10.0


async def answer_move(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """C-MOVE: send to the destination on an association of our own."""
    refs = await _asked_for(parts, assoc, context, command, sop_classes.MOVE)
    if refs is None:
        return
    loop, named = asyncio.get_running_loop(), (command.move_destination or "").strip()
    destination = await loop.run_in_executor(parts.threads, move.destination, parts, assoc, named)
    if destination is None:
        await assoc.answer(context, command, status.MOVE_DESTINATION_UNKNOWN, "Not a device that exams of your site may be sent to")
        return
    await loop.run_in_executor(parts.threads, move.check_may_leave, parts, refs, destination)
    await loop.run_in_executor(parts.threads, move.record_move, parts, assoc, named, refs, Outcome.SUCCESS)
    progress = Progress(len(refs))
    sending = move.Sending(parts, assoc, command, destination, refs, progress)
    work = loop.run_in_executor(parts.movers, sending.run)
    try:
        await _answer_pending(assoc, context, command, progress, work, sending)
    except BaseException:  # the asker left: what it asked for is not sent on
        sending.cancelled.set()
        raise
    await _finish(assoc, context, command, progress, sending.cancelled.is_set())


async def answer_get(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """C-GET: send on this very association, under the contexts in which the asker is SCP."""
    refs = await _asked_for(parts, assoc, context, command, sop_classes.GET)
    if refs is None:
        return
    progress = Progress(len(refs))
    try:
        stopped = await _get_all(parts, assoc, context, command, refs, progress)
    finally:  # what was sent has left the archive, however this ends
        await asyncio.shield(asyncio.get_running_loop().run_in_executor(parts.threads, record, parts, assoc, progress))
    await _finish(assoc, context, command, progress, stopped)


async def _get_all(
    parts: Parts, assoc: Association, context: Context, command: Command, refs: list[InstanceRef], progress: Progress
) -> bool:
    """Send one after the other, with a pending response now and then; whether the asker cancelled."""
    loop = asyncio.get_running_loop()
    said_at = loop.time()
    for ref in refs:
        if assoc.is_cancelled(command):
            return True
        await get.send(parts, assoc, ref, progress)
        if loop.time() - said_at >= _PENDING_EVERY_S and progress.remaining:
            said_at = loop.time()
            await assoc.answer(context, command, status.PENDING, "", **progress.counts(remaining=True))
    return False


async def _asked_for(
    parts: Parts, assoc: Association, context: Context, command: Command, models: frozenset[str]
) -> list[InstanceRef] | None:
    """The instances that the request names, or None when it was answered already."""
    data = await assoc.whole_dataset()
    if assoc.refuses_work:
        raise Unavailable("The archive is stopping; ask again later", code="stopping")
    model = context.abstract_syntax
    if model not in models:
        await assoc.answer(context, command, status.CLASS_NOT_SUPPORTED, "This presentation context does not retrieve so")
        return None
    try:
        asked = identifiers.read(data, context.transfer_syntax, model, relational=assoc.query(model).relational)
        refs = await asyncio.get_running_loop().run_in_executor(parts.threads, locate, parts, assoc, asked)
    except identifiers.Mismatch as error:
        await assoc.answer(context, command, error.status, error.public)
        return None
    limit = parts.settings.retrieve_instances_max
    if len(refs) > limit:
        await assoc.answer(context, command, status.CANNOT_COUNT_MATCHES, f"{len(refs)} instances; at most {limit} in one retrieve")
        return None
    return refs


async def _answer_pending(
    assoc: Association,
    context: Context,
    command: Command,
    progress: Progress,
    work: asyncio.Future[None],
    sending: move.Sending,
) -> None:
    """Pending responses while the work goes on: when the counts changed, and now and then so that the asker knows that we live."""
    loop = asyncio.get_running_loop()
    last: dict[str, int] = {}
    said_at = loop.time()
    while not work.done():
        await asyncio.wait({work}, timeout=_PENDING_EVERY_S)
        if assoc.is_cancelled(command):
            sending.cancelled.set()
        counts = progress.counts(remaining=True)
        if not work.done() and (counts != last or loop.time() - said_at > _ALIVE_EVERY_S):
            last, said_at = counts, loop.time()
            await assoc.answer(context, command, status.PENDING, "", **counts)
    await work


async def _finish(assoc: Association, context: Context, command: Command, progress: Progress, stopped: bool) -> None:
    assoc.sent_count += progress.sent
    assoc.failed_count += progress.failed
    stopped = stopped and progress.remaining > 0
    code, comment = (status.CANCEL, "Cancelled by the requestor") if stopped else progress.final()
    log.info("dimse.retrieved", association_id=assoc.id, status=f"{code:04X}", **progress.counts(remaining=True))
    fields = progress.counts(remaining=stopped)
    if progress.failed_uids:
        data = identifiers.failed_list(progress.failed_uids, context.transfer_syntax)
        await assoc.answer_with(context, command, code, data, comment, **fields)
    else:
        await assoc.answer(context, command, code, comment, **fields)
