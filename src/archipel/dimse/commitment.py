"""Storage commitment, push model (PS3.4 Annex J): the request, the check, and the result on this or a new association."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import structlog

from archipel import archive, directory
from archipel.archive import InstanceRef
from archipel.dicom import jsonmodel, message, pdu, scu, sop_classes, status, uids
from archipel.dicom.index import path_of
from archipel.dicom.message import Command
from archipel.dimse.association import Association
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.dimse.tls import tls_contexts
from archipel.dimse.wire import PeerGone
from archipel.kit import jobs
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Invalid, LimitReached, NotFound, Unavailable
from archipel.kit.scope import Scope
from archipel.kit.settings import DicomSettings

log = structlog.get_logger(__name__)

REQUEST_COMMITMENT = 1
ALL_COMMITTED, SOME_FAILED = 1, 2
_REFERENCES_MAX = 200_000
_MARGIN_S = 30
_CLASS_UID, _INSTANCE_UID = path_of("ReferencedSOPClassUID"), path_of("ReferencedSOPInstanceUID")
_REFERENCED, _FAILED = path_of("ReferencedSOPSequence"), path_of("FailedSOPSequence")
_TRANSACTION, _REASON, _RETRIEVE_AE = path_of("TransactionUID"), path_of("FailureReason"), path_of("RetrieveAETitle")
_SYNTAXES = (sop_classes.EXPLICIT_LITTLE, sop_classes.IMPLICIT_LITTLE)


@dataclass(frozen=True)
class Result:
    """What can be said of the instances of a transaction: (class, instance), and for failed ones the reason."""

    transaction_uid: str
    committed: list[tuple[str, str]]
    failed: list[tuple[str, str, int]]

    @property
    def event_type(self) -> int:
        """Event type of the report (PS3.4 Table J.3.3-1)."""
        return SOME_FAILED if self.failed else ALL_COMMITTED

    def dataset(self, ae_title: str, transfer_syntax_uid: str) -> bytes:
        """The event information in a transfer syntax."""
        row: dict[str, Any] = {_TRANSACTION: {"vr": "UI", "Value": [self.transaction_uid]}}
        if self.committed:
            row[_RETRIEVE_AE] = {"vr": "AE", "Value": [ae_title]}
            row[_REFERENCED] = {"vr": "SQ", "Value": [_item(*pair) for pair in self.committed]}
        if self.failed:
            items = [{**_item(c, i), _REASON: {"vr": "US", "Value": [reason]}} for c, i, reason in self.failed]
            row[_FAILED] = {"vr": "SQ", "Value": items}
        return jsonmodel.dataset_bytes(row, "", transfer_syntax_uid)

    def as_arguments(self, ae_title: str) -> dict[str, Any]:
        """The result as arguments of a job."""
        return {"ae_title": ae_title, "transaction_uid": self.transaction_uid, "committed": self.committed, "failed": self.failed}


def _item(class_uid: str, instance_uid: str) -> dict[str, Any]:
    return {_CLASS_UID: {"vr": "UI", "Value": [class_uid]}, _INSTANCE_UID: {"vr": "UI", "Value": [instance_uid]}}


async def answer(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """N-ACTION: check what is asked to be committed, answer, then report the result."""
    data = await assoc.whole_dataset()
    if context.abstract_syntax != sop_classes.STORAGE_COMMITMENT_PUSH:
        await assoc.answer(context, command, status.CLASS_NOT_SUPPORTED, "This presentation context has no actions")
        return
    refused = _refusal(assoc, command)
    if refused is not None:
        await assoc.answer(context, command, *refused)
        return
    try:
        transaction_uid, asked = _read(data, context.transfer_syntax)
    except Invalid as error:
        await assoc.answer(context, command, status.INVALID_ARGUMENT, error.public, action_type=REQUEST_COMMITMENT)
        return
    loop = asyncio.get_running_loop()
    result = await loop.run_in_executor(parts.threads, check, parts, assoc, transaction_uid, asked)
    log.info(
        "commitment.checked",
        association_id=assoc.id,
        transaction_uid=transaction_uid,
        committed_count=len(result.committed),
        failed_count=len(result.failed),
    )
    job_id = await loop.run_in_executor(parts.threads, _promise, parts, assoc, result)
    await assoc.answer(context, command, status.SUCCESS, action_type=REQUEST_COMMITMENT)
    await _report(parts, assoc, context, result, job_id)


def _refusal(assoc: Association, command: Command) -> tuple[int, str] | None:
    if assoc.refuses_work:
        return status.RESOURCE_LIMITATION, "The archive is stopping; ask again later"
    if command.requested_instance_uid != sop_classes.STORAGE_COMMITMENT_PUSH_INSTANCE:
        return status.NO_SUCH_INSTANCE, "Not the well-known storage commitment instance"
    if command.action_type != REQUEST_COMMITMENT:
        return status.NO_SUCH_ACTION, "The only action is 1, request storage commitment"
    return None


def _read(data: bytes | None, transfer_syntax_uid: str) -> tuple[str, list[tuple[str, str]]]:
    """Transaction UID and (class, instance) of every reference. Raises Invalid."""
    if data is None:
        raise LimitReached("The request is longer than the archive takes", code="too-large")
    row = jsonmodel.to_json(io.BytesIO(data), transfer_syntax_uid)
    transaction_uid = _first(row, _TRANSACTION)
    if not uids.is_uid(transaction_uid):
        raise Invalid("The request has no valid Transaction UID", code="missing-uid")
    items = row.get(_REFERENCED, {}).get("Value") or []
    asked = [(_first(item, _CLASS_UID), _first(item, _INSTANCE_UID)) for item in items]
    if not asked or not all(uids.is_uid(uid) for pair in asked for uid in pair):
        raise Invalid("References need SOP class and instance UIDs, one at least", code="missing-uid")
    if len(asked) > _REFERENCES_MAX:
        raise LimitReached(f"At most {_REFERENCES_MAX} references in one request", code="too-large")
    return transaction_uid, asked


def _first(row: dict[str, Any], path: str) -> str:
    return str(next(iter(row.get(path, {}).get("Value") or []), "")).strip(" \0")


def check(parts: Parts, assoc: Association, transaction_uid: str, asked: Sequence[tuple[str, str]]) -> Result:
    """Which of these are kept for good: indexed under that class, visible to the asker or sent by it, bytes in place; blocks."""
    found = parts.read(lambda tx: _known(tx, parts, assoc, [uid for _, uid in asked]))
    in_place = _in_place(parts, found.values())
    committed, failed = [], []
    for class_uid, instance_uid in asked:
        ref = found.get(instance_uid)
        if ref is None:
            failed.append((class_uid, instance_uid, status.NO_SUCH_INSTANCE))
        elif ref.sop_class_uid != class_uid:
            failed.append((class_uid, instance_uid, status.CLASS_INSTANCE_CONFLICT))
        elif ref.sop_instance_uid not in in_place:
            failed.append((class_uid, instance_uid, status.PROCESSING_FAILURE))
        else:
            committed.append((class_uid, instance_uid))
    return Result(transaction_uid, committed, failed)


def _known(tx: Tx, parts: Parts, assoc: Association, instance_uids: list[str]) -> dict[str, InstanceRef]:
    """Rejected instances count: hidden from readers, they are kept all the same."""
    visible = archive.locate(tx, parts.scope_for(tx, assoc.actor), sop_instance_uid=instance_uids, include_rejected=True)
    found = {ref.sop_instance_uid: ref for ref in visible}
    missing = [uid for uid in instance_uids if uid not in found]
    if missing:
        # What this device has sent into another site's study is hidden from its queries, and kept for it.
        others = archive.locate(tx, Scope.system("commitment"), sop_instance_uid=missing, include_rejected=True)
        found.update({ref.sop_instance_uid: ref for ref in others if ref.source_ae == assoc.calling_ae})
    return found


def _in_place(parts: Parts, refs: Any) -> set[str]:
    sizes: dict[str, int] = {}
    kept: set[str] = set()
    for ref in refs:
        if ref.blob_key not in sizes:
            try:
                sizes[ref.blob_key] = parts.blobs.size(ref.blob_key)
            except NotFound:
                sizes[ref.blob_key] = -1
        if sizes[ref.blob_key] >= archive.stored_end(ref):
            kept.add(ref.sop_instance_uid)
    return kept


def _promise(parts: Parts, assoc: Association, result: Result) -> str:
    """A job that reports the result, durable before the request is answered; it waits until this association has had its chance."""
    if parts.enqueue_result is None:
        log.warning("commitment.not_reported", association_id=assoc.id, transaction_uid=result.transaction_uid)
        return ""
    enqueue, arguments = parts.enqueue_result, result.as_arguments(assoc.calling_ae)
    delay_s = parts.settings.commitment_wait_s + parts.settings.response_s + _MARGIN_S
    return str(parts.database.transact(lambda tx: enqueue(tx, arguments, delay_s)))


async def _report(parts: Parts, assoc: Association, context: Context, result: Result, job_id: str) -> None:
    """On this association if the asker keeps it open a moment, else by the job on a new one; never both."""
    delivered = False
    try:
        if not await assoc.wire.wait_activity(parts.settings.commitment_wait_s):
            delivered = await _report_here(parts, assoc, context, result)
    finally:
        if job_id:
            end = jobs.withdraw if delivered else jobs.hasten
            loop = asyncio.get_running_loop()
            await asyncio.shield(loop.run_in_executor(parts.threads, parts.database.transact, lambda tx: end(tx, job_id)))


async def _report_here(parts: Parts, assoc: Association, context: Context, result: Result) -> bool:
    message_id = assoc.next_message_id()
    command = Command(
        message.N_EVENT_REPORT_RQ,
        message_id=message_id,
        affected_class_uid=sop_classes.STORAGE_COMMITMENT_PUSH,
        affected_instance_uid=sop_classes.STORAGE_COMMITMENT_PUSH_INSTANCE,
        event_type=result.event_type,
        has_dataset=True,
    )
    try:
        await assoc.send(context, command, result.dataset(parts.ae_title, context.transfer_syntax))
        response = await assoc.response(message_id, parts.settings.response_s)
    except PeerGone:
        return False
    return response.status == status.SUCCESS


def commitment_job(
    database: Database,
    settings: DicomSettings,
    *,
    device_named: Callable[[Tx, str], Any] = directory.device_named,
    counted: Callable[[int], None] = lambda change: None,
) -> Callable[..., None]:
    """The act of the job that reports a result on a new association; its arguments are what ``enqueue_result`` was given."""
    tls_client = tls_contexts(settings).client
    limits = scu.Limits(artim_s=settings.artim_s, response_s=settings.stall_s, counted=counted)

    def act(*, ae_title: str, transaction_uid: str, committed: Sequence[Any], failed: Sequence[Any]) -> None:
        with database.read() as tx:
            device = device_named(tx, ae_title)
        result = Result(transaction_uid, [(c, i) for c, i in committed], [(c, i, r) for c, i, r in failed])
        peer = scu.Peer(device.host, device.port, ae_title, settings.ae_title, tls_client if device.tls else None)
        send_commitment_result(peer, result, limits)

    return act


def send_commitment_result(peer: scu.Peer, result: Result, limits: scu.Limits | None = None) -> None:
    """Report a result on a new association; blocks. Raises ``ArchipelError`` when it did not arrive, so that a job tries again."""
    uid = sop_classes.STORAGE_COMMITMENT_PUSH
    roles = [pdu.RoleSelection(uid, scu=False, scp=True)]
    with scu.Association(peer, [(uid, _SYNTAXES)], roles=roles, limits=limits) as association:
        data = result.dataset(peer.calling_ae, association.transfer_syntax(uid))
        answered = association.n_event_report(uid, sop_classes.STORAGE_COMMITMENT_PUSH_INSTANCE, result.event_type, data)
    if status.category(answered.status) is status.Category.FAILURE:
        told = f"{peer.called_ae} refused the commitment result with {answered.status:04X}."
        raise Unavailable(told, code="refused", detail=answered.comment)
    log.info("commitment.reported", transaction_uid=result.transaction_uid, ae_title=peer.called_ae)
