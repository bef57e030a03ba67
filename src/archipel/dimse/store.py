"""C-STORE (PS3.4 Annex B, PS3.7 9.1.1): the bytes as they come to a spool, then to the archive, and only then the answer."""

from __future__ import annotations

import asyncio
import contextlib
from concurrent.futures import Future

import structlog

from archipel import sharing
from archipel.archive import Fate, Incoming, Outcome, Source
from archipel.dicom import status, uids
from archipel.dicom.message import Command
from archipel.dimse import status_table
from archipel.dimse.association import Association
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.kit.disk import disk_error
from archipel.kit.errors import ArchipelError, Invalid, Unavailable
from archipel.kit.spool import Spooled

log = structlog.get_logger(__name__)


async def answer(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """Store one instance; its dataset is never decoded here."""
    if not context.is_storage or not context.requestor_is_scu:
        await assoc.skip_dataset()
        await assoc.answer(context, command, status.CLASS_NOT_SUPPORTED, "This presentation context does not store")
        return
    refused = _refusal(assoc, context, command)
    if refused is not None:
        await assoc.skip_dataset()
        await _answer_refused(assoc, context, command, refused)
        return
    spooled = parts.spool.new()
    try:
        failed = await _spool(parts, assoc, spooled)
        incoming = _incoming(assoc, context, command, spooled)
    except BaseException:  # the peer left in the middle: nothing of it is kept
        spooled.close()
        raise
    outcome = Outcome(Fate.REFUSED, error=failed) if failed else await _submit(parts, incoming)
    await _answer_outcome(assoc, context, command, outcome)


def _refusal(assoc: Association, context: Context, command: Command) -> ArchipelError | None:
    """What can be said against a message before its dataset is read."""
    if assoc.refuses_work:
        return Unavailable("The archive is stopping.", code="stopping")
    if not command.has_dataset:
        return Invalid("The C-STORE request has no dataset.", code="no-dataset")
    if (command.affected_class_uid or context.abstract_syntax) != context.abstract_syntax:
        return Invalid("The command names another SOP class than its presentation context.", code="class-mismatch")
    if not uids.is_uid(command.affected_instance_uid or ""):
        return Invalid("The command names no valid SOP instance.", code="malformed-uid")
    return None


async def _spool(parts: Parts, assoc: Association, spooled: Spooled) -> ArchipelError | None:
    """Write the dataset; when that fails the rest is read and dropped, so that the peer gets an answer instead of an abort."""
    loop, failed = asyncio.get_running_loop(), None
    async for fragment in assoc.dataset():
        if failed is not None:
            continue
        try:
            if spooled.memory is not None:
                spooled.write(fragment)
            else:  # a slow disk must not hold up the other associations
                await loop.run_in_executor(parts.threads, spooled.write, fragment)
        except ArchipelError as error:
            failed = error
        except OSError as error:
            failed = disk_error(error, code="spool")
        if failed is not None:
            spooled.close()
    return failed


def _incoming(assoc: Association, context: Context, command: Command, spooled: Spooled) -> Incoming:
    source = Source(
        door="dimse",
        site_id=assoc.device.site_id,
        actor=assoc.actor,
        ae_title=assoc.calling_ae,
        address=assoc.address,
        association_id=assoc.id,
        may_reject=sharing.may(assoc.actor, "exam.reject"),
    )
    return Incoming(
        spooled=spooled,
        transfer_syntax_uid=context.transfer_syntax,
        sop_class_uid=command.affected_class_uid or context.abstract_syntax,
        sop_instance_uid=command.affected_instance_uid or "",
        source=source,
    )


async def _submit(parts: Parts, incoming: Incoming) -> Outcome:
    # From here on the receiver owns the bytes, and finishes even when this association is cut off.
    loop = asyncio.get_running_loop()
    outcome: asyncio.Future[Outcome] = loop.create_future()

    def answered(future: Future[Outcome]) -> None:
        with contextlib.suppress(RuntimeError):  # the loop has ended
            loop.call_soon_threadsafe(_settle, outcome, future)

    parts.receiver.submit(incoming).add_done_callback(answered)
    return await outcome


def _settle(outcome: asyncio.Future[Outcome], future: Future[Outcome]) -> None:
    if not outcome.done():  # the association was cut off
        outcome.set_result(future.result())


async def _answer_outcome(assoc: Association, context: Context, command: Command, outcome: Outcome) -> None:
    if outcome.fate is Fate.REFUSED:
        await _answer_refused(assoc, context, command, outcome.error)
        return
    assoc.received_count += 1
    await assoc.answer(context, command, *status_table.of_outcome(outcome))


async def _answer_refused(assoc: Association, context: Context, command: Command, error: ArchipelError | None) -> None:
    assoc.failed_count += 1
    code, comment = status_table.of_store_error(error)
    log.warning(
        "store.refused",
        association_id=assoc.id,
        calling_ae=assoc.calling_ae,
        sop_instance_uid=command.affected_instance_uid,
        status=f"{code:04X}",
        reason=str(error),
    )
    await assoc.answer(context, command, code, comment)
