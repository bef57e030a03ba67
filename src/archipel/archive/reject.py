"""Reject: hide instances without deleting them, by a person or by a rejection note (IHE IOCM, RAD-66)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from archipel import audit
from archipel.archive import rows, rows_review
from archipel.archive.agree import agree
from archipel.archive.changes import InstanceRejected, RejectionRevoked
from archipel.archive.errors import no_study
from archipel.archive.recount import recount
from archipel.archive.seal import reopen
from archipel.dicom import uids
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Invalid, NotFound
from archipel.kit.ids import new_id
from archipel.kit.scope import Scope

# Document titles of a rejection note (PS3.16 CID 7011; IHE RAD TF-3 4.66).
REASONS = {
    "113001": "Rejected for Quality Reasons",
    "113037": "Rejected for Patient Safety Reasons",
    "113038": "Incorrect Modality Worklist Entry",
    "113039": "Data Retention Policy Expired",
}


@dataclass(frozen=True)
class Rejection:
    """One rejection that stands."""

    id: str
    study_uid: str
    code: str
    comment: str
    note_uid: str
    instance_count: int
    by: str
    at: str
    site_id: str = ""


def reject(
    tx: Tx,
    actor: Actor,
    scope: Scope,
    study_uid: str,
    *,
    code: str,
    series_uid: str = "",
    sop_instance_uids: Sequence[str] = (),
    comment: str = "",
    note_uid: str = "",
) -> Rejection:
    """Hide a study, a series or instances; everything stays stored and can be shown again.

    ``code`` is one of :data:`REASONS`. ``note_uid`` is the SOP Instance UID of the note that asked for it, if one did; else it is that
    of the note that tells others, which is known as soon as the rejection stands: should it come back, it is no news.
    """
    if code not in REASONS:
        raise Invalid(f"The reasons are: {', '.join(f'{c} {t}' for c, t in REASONS.items())}.", code="rejection-code", field="code")
    study = visible_study(tx, scope, study_uid, lock=True)
    reopen(tx, study_uid)
    rejection_id = new_id()
    note_uid = note_uid or uids.derived_uid("rejection", rejection_id)
    count = rows_review.hide_instances(tx, rejection_id, study_uid, series_uid, sop_instance_uids)
    if not count:
        raise NotFound("None of these instances is there to be rejected.", code="nothing-to-reject", field="sop_instance_uids")
    made = Rejection(rejection_id, study_uid, code, comment, note_uid, count, actor.id, to_text(tx.now()), study.site_id)
    _record(tx, actor, made)
    recount(tx, study_uid)
    agree(tx, actor, study_uid)
    tx.publish(InstanceRejected(study_uid, study.site_id, rejection_id))
    return made


def take_note(tx: Tx, actor: Actor, study: Any, *, code: str, note_uid: str) -> None:
    """Remember a note that leaves nothing to hide: what it names and comes later is hidden, and nothing once a person took it back."""
    _record(tx, actor, Rejection(new_id(), study.study_uid, code, "", note_uid, 0, actor.id, to_text(tx.now()), study.site_id))


def _record(tx: Tx, actor: Actor, made: Rejection) -> None:
    values = {**asdict(made), "comment": made.comment[:2000], "revoked_by": "", "revoked_at": ""}
    rows_review.add_rejection(tx, values)
    audit.record(
        tx, actor, "archive.reject", study_uid=made.study_uid, object_id=made.id, code=made.code, instance_count=made.instance_count
    )


def revoke_rejections(tx: Tx, actor: Actor, scope: Scope, study_uid: str) -> int:
    """Show again all that was rejected of a study; returns the number of rejections taken back."""
    study = visible_study(tx, scope, study_uid, lock=True)
    reopen(tx, study_uid)
    standing = rows_review.rejections(tx, study_uid)
    for row in standing:
        rows_review.revoke(tx, row.id, actor.id, to_text(tx.now()))
        audit.record(tx, actor, "archive.revoke_rejection", study_uid=study_uid, object_id=row.id)
        tx.publish(RejectionRevoked(study_uid, study.site_id, row.id))
    recount(tx, study_uid)
    agree(tx, actor, study_uid)
    return len(standing)


def rejections(tx: Tx, scope: Scope, study_uid: str) -> list[Rejection]:
    """The rejections of a study that stand, newest first."""
    visible_study(tx, scope, study_uid)
    return [_rejection(row) for row in rows_review.rejections(tx, study_uid)]


def standing_rejection(tx: Tx, rejection_id: str) -> Rejection | None:
    """A rejection by its id, or None when it has been taken back; for background work, which names the exam's site itself."""
    row = rows_review.rejection_with_id(tx, rejection_id)
    return _rejection(row) if row is not None and not row.revoked_at else None


def _rejection(r: Any) -> Rejection:
    return Rejection(r.id, r.study_uid, r.code, r.comment, r.note_uid, r.instance_count, r.by, r.at, r.site_id)


def visible_study(tx: Tx, scope: Scope, study_uid: str, *, lock: bool = False) -> Any:
    """The study's row, or NotFound when there is none that the scope shows; ``lock`` keeps it for this transaction."""
    study = rows.studies_by_uid(tx, [study_uid], lock=lock).get(study_uid)
    if study is None or not scope.covers(study.site_id):
        raise no_study(study_uid)
    return study
