"""Send a rejection note: the job that tells one device of one rejection (IHE IOCM, RAD-66)."""

from __future__ import annotations

import io
from collections.abc import Callable

import structlog

from archipel import archive, audit, directory
from archipel.archive import InstanceRef, Rejection
from archipel.dicom import sop_classes, transcode
from archipel.directory import Device
from archipel.distribution import rows
from archipel.distribution.deliver import Caller, Forms, deliver
from archipel.distribution.follow import NOTE_JOB, sent_by, takes_note
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import NotFound, Unavailable

log = structlog.get_logger(__name__)
ACTOR = Actor.system(NOTE_JOB)
SYNTAXES = (sop_classes.EXPLICIT_LITTLE, sop_classes.IMPLICIT_LITTLE)


def note_job(database: Database, blobs: Blobs, caller: Caller) -> Callable[..., None]:
    """The act of the job. It raises when the note did not arrive, or may not go now, and ends in peace when it need not any more."""

    def act(*, rejection_id: str, ae_title: str) -> None:
        with database.read() as tx:
            due = _still_due(tx, rejection_id, ae_title)
            if due is None:
                log.info("distribution.note_not_needed", rejection_id=rejection_id, ae_title=ae_title)
                return
            rejection, device = due
            ref = archive.note_ref(tx, rejection)
            forms = _own(tx, rejection) if ref is None else {}
        deliver(caller, device, archive.KEY_OBJECT_SELECTION, rejection.note_uid, _received(blobs, ref) if ref else forms)
        database.transact(lambda tx: _record(tx, rejection, device))

    return act


def _still_due(tx: Tx, rejection_id: str, ae_title: str) -> tuple[Rejection, Device] | None:
    """Rejection and device as they are now; None when the one was taken back or the other removed, or when it is the note's sender.

    Unavailable while the device may not be told: it is switched off, its site is, or it takes no such notes. A note is made once: what
    is only a pause must not end it, and what is no pause ends with the deadline, as a failure that people see.
    """
    rejection = archive.standing_rejection(tx, rejection_id)
    try:
        device = directory.device_named(tx, ae_title)
    except NotFound:
        return None
    if rejection is None or sent_by(tx, device, rejection):
        return None
    if not takes_note(tx, device, rejection):
        raise Unavailable(
            f"{ae_title} is switched off, or takes no notes of the exam's site now.", code="device-paused", detail=rejection.site_id
        )
    return rejection, device


def _own(tx: Tx, rejection: Rejection) -> Forms:
    """The note that we write."""
    note = archive.own_note(tx, rejection)
    return {syntax: archive.note_bytes(note, syntax) for syntax in SYNTAXES}


def _received(blobs: Blobs, ref: InstanceRef) -> Forms:
    """The note that a peer sent: as it sent it, and for others in the syntaxes that everybody takes."""
    stored = b"".join(archive.dataset(blobs, ref))
    forms = {ref.transfer_syntax_uid: stored}
    for syntax in SYNTAXES:
        if syntax not in forms and transcode.can_transcode(ref.transfer_syntax_uid, syntax):
            out = io.BytesIO()
            transcode.transcode(io.BytesIO(stored), ref.transfer_syntax_uid, syntax, out)
            forms[syntax] = out.getvalue()
    return forms


def _record(tx: Tx, rejection: Rejection, device: Device) -> None:
    rows.mark_sent(tx, rejection.note_uid, device.ae_title, to_text(tx.now()))
    audit.record(
        tx, ACTOR, "distribution.send_note", study_uid=rejection.study_uid, object_id=rejection.id, destination=device.ae_title,
        code=rejection.code, instance_count=rejection.instance_count,
    )  # fmt: skip
