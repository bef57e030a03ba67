"""What is sent on after a change: rejection notes to the devices that take them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial

from archipel import archive, directory, sharing
from archipel.archive import Rejection
from archipel.archive.changes import InstanceRejected
from archipel.directory import Device
from archipel.distribution import rows
from archipel.kit import jobs
from archipel.kit.database import Tx
from archipel.kit.feed import Change, Follower

NOTE_JOB = "distribution.rejection_note"
ATTEMPTS_MAX = 500  # the deadline ends it first; a device that refuses at once is not called for ever


def followers(*, deadline_h: int) -> Sequence[Follower]:
    """The followers of distribution; a note that has not arrived after ``deadline_h`` hours has failed."""
    act = partial(send_notes_on, deadline_h=deadline_h)
    return (Follower("distribution.rejection_notes", (InstanceRejected,), act, nothing_again),)


def send_notes_on(tx: Tx, changes: Sequence[InstanceRejected], *, deadline_h: int) -> None:
    """Follower of InstanceRejected: a job for each device that takes rejection notes of that site, once for each note."""
    for rejection_id in dict.fromkeys(change.rejection_id for change in changes):
        rejection = archive.standing_rejection(tx, rejection_id)
        if rejection is None:
            continue
        for device in directory.devices(tx):
            if takes_note(tx, device, rejection) and not rows.is_known(tx, rejection.note_uid, device.ae_title):
                _enqueue(tx, rejection, device, deadline_h)


def takes_note(tx: Tx, device: Device, rejection: Rejection) -> bool:
    """Whether a device is to be told of a rejection: it takes notes, may receive what is of that site, and did not send the note."""
    if not device.receives_rejections or not sharing.may_receive(tx, device, rejection.site_id):
        return False
    return not sent_by(tx, device, rejection)


def sent_by(tx: Tx, device: Device, rejection: Rejection) -> bool:
    """Whether a device sent the note of a rejection itself."""
    received = archive.note_ref(tx, rejection)
    return received is not None and received.source_ae == device.ae_title


def nothing_again(tx: Tx) -> Iterator[Change]:
    """A replay sends nothing: what was told to others stays told."""
    return iter(())


def _enqueue(tx: Tx, rejection: Rejection, device: Device, deadline_h: int) -> None:
    job_id = jobs.enqueue(
        tx, NOTE_JOB, {"rejection_id": rejection.id, "ae_title": device.ae_title},
        dedup_key=f"{NOTE_JOB}:{rejection.note_uid}:{device.ae_title}", deadline_s=deadline_h * 3600, attempts_max=ATTEMPTS_MAX,
    )  # fmt: skip
    rows.add(
        tx,
        {
            "note_uid": rejection.note_uid, "ae_title": device.ae_title, "study_uid": rejection.study_uid,
            "rejection_id": rejection.id, "job_id": job_id, "sent_at": "",
        },
    )  # fmt: skip
