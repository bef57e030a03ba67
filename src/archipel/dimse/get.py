"""One sub-operation of a C-GET: C-STORE on the association that asked (PS3.4 C.4.3.3)."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack

from archipel.archive import InstanceRef
from archipel.dicom import message, status
from archipel.dicom.message import Command
from archipel.dimse.association import Association
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.dimse.suboperations import NO_COMMON_SYNTAX, Progress, choose_syntax, dataset_in
from archipel.kit.errors import ArchipelError


async def send(parts: Parts, assoc: Association, ref: InstanceRef, progress: Progress) -> None:
    """Send one instance and count how it ended."""
    takes = {
        context.transfer_syntax: context
        for context in assoc.contexts.values()
        if context.is_storage and context.requestor_is_scp and context.abstract_syntax == ref.sop_class_uid
    }
    if not takes:
        progress.count(ref, status.CLASS_NOT_SUPPORTED, "The requestor offered no context (as SCP) for some SOP classes")
        return
    to = choose_syntax(ref.transfer_syntax_uid, list(takes))
    if to is None:
        progress.count(ref, status.PROCESSING_FAILURE, NO_COMMON_SYNTAX)
        return
    context = takes[to]
    loop = asyncio.get_running_loop()
    with ExitStack() as stack:
        try:
            chunks = await loop.run_in_executor(parts.movers, _open, stack, parts, ref, context.transfer_syntax)
            first = await loop.run_in_executor(parts.threads, next, chunks, b"")
        except ArchipelError as error:
            progress.count(ref, status.PROCESSING_FAILURE, error.public)
            return
        code = await _store(parts, assoc, context, ref, _rest(parts, first, chunks))
        progress.count(ref, code)


def _open(stack: ExitStack, parts: Parts, ref: InstanceRef, to: str) -> Iterator[bytes]:
    return stack.enter_context(dataset_in(parts, ref, to))


async def _rest(parts: Parts, first: bytes, chunks: Iterator[bytes]) -> AsyncIterator[bytes]:
    loop, chunk = asyncio.get_running_loop(), first
    while chunk:
        yield chunk
        chunk = await loop.run_in_executor(parts.threads, next, chunks, b"")


async def _store(parts: Parts, assoc: Association, context: Context, ref: InstanceRef, chunks: AsyncIterator[bytes]) -> int:
    message_id = assoc.next_message_id()
    command = Command(
        message.C_STORE_RQ,
        message_id=message_id,
        affected_class_uid=ref.sop_class_uid,
        affected_instance_uid=ref.sop_instance_uid,
        priority=message.PRIORITY_MEDIUM,
        has_dataset=True,
    )
    await assoc.request(context, command, chunks)
    response = await assoc.response(message_id, parts.settings.response_s)
    return status.PROCESSING_FAILURE if response.status is None else response.status
