"""Agree: an exam whose shown instances all name another patient than it does takes their word.

An exam speaks by its first instance. When that was the wrong patient's, was rejected, and what replaces it came under the same Study
Instance UID, the list must show and find the patient of the images that are shown. Instances that it no longer speaks for bear a doubt
from then on: shown again, they flag it.
"""

from __future__ import annotations

from typing import Any

from archipel import audit
from archipel.archive import aside, rows, rows_doubt, rows_review, rows_upkeep
from archipel.archive.adopt import adopt_study, content_of, gone, issuers_of
from archipel.archive.arrival import Arrival, plain
from archipel.archive.doubt import TRAITS, doubts, is_one_person, patient_key
from archipel.archive.model import ConflictKind, Flag
from archipel.dicom.index import SOP_INSTANCE_UID, STUDY_INSTANCE_UID
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id


def agree(tx: Tx, actor: Actor, study_uid: str) -> bool:
    """Bring what a study says of its patient, and its flags, in line with what it shows; whether it says something else now.

    The study must be locked, and not sealed.
    """
    noted = rows_doubt.doubts(tx, study_uid)
    if not noted:
        return False
    shown = rows_doubt.shown(tx, study_uid)
    spoken = [row for row in noted if row.id in shown]
    word = _one_word(tx, actor, spoken) if "" not in shown else None
    if word is not None:
        _take_word(tx, actor, study_uid, noted, spoken[0], word)
        noted, shown = rows_doubt.doubts(tx, study_uid), rows_doubt.shown(tx, study_uid)
    for row in noted:
        if row.id in shown and row.state != "open" and row.action in aside.BY_ITSELF:
            aside.open_again(tx, row.id, study_uid, row.site_id)
    rows_doubt.show_flags(tx, study_uid)
    return word is not None


def _said(actor: Actor, doubt: Any) -> Arrival:
    """What the instances that bear a doubt say, as far as study and patient go."""
    taken = {
        "site_id": doubt.kept["site_id"], "source_ae": doubt.source_ae, "transfer_syntax_uid": "", "sop_class_uid": "",
        "digest": doubt.digest, "pixel_data_offset": None,
    }  # fmt: skip
    own = {STUDY_INSTANCE_UID: doubt.study_uid, SOP_INSTANCE_UID: doubt.sop_instance_uid}
    return content_of(actor, taken, {**doubt.received, **own})


def _one_word(tx: Tx, actor: Actor, spoken: list[Any]) -> Arrival | None:
    """The word of all of these doubts, if they name one person."""
    if not spoken:
        return None
    first, *others = (_said(actor, row) for row in spoken)
    issuers = issuers_of(tx)
    return first if all(is_one_person(first, other, issuers) for other in others) else None


def _take_word(tx: Tx, actor: Actor, study_uid: str, noted: list[Any], first: Any, word: Arrival) -> None:
    """Let the study say what the instances of ``first`` say, and note what it said before of those that say so still."""
    issuers = issuers_of(tx)
    taken = [row for row in noted if row.kind == ConflictKind.PATIENT_MISMATCH and is_one_person(word, _said(actor, row), issuers)]
    _note_left(tx, study_uid, noted, first)
    rows_doubt.unmark_all(tx, study_uid, (row.id for row in taken))
    key = patient_key(word, issuers)
    adopt_study(tx, word, key)
    for row in taken:
        if row.state == "open":
            gone(tx, actor, row, aside.ADOPTED)
    audit.record(tx, actor, "archive.adopt", study_uid=study_uid, object_id=first.id)
    study = rows.studies_by_uid(tx, [study_uid])[study_uid]
    among = aside.noted(tx, study_uid)
    for flag, archived in doubts(word, study, key, rows_upkeep.patient_of(tx, key)):
        if flag is Flag.PATIENT_ATTRIBUTES:  # known otherwise by the patient's other exams
            found = aside.flag(tx, word, flag, archived, study=study, among=among)
            rows_doubt.mark(tx, [(word.sop_instance_uid, study_uid, found.conflict_id)])


def _note_left(tx: Tx, study_uid: str, noted: list[Any], first: Any) -> None:
    """Mark the instances that agree with the study as it is with a doubt of their own, which is settled if a person has settled that
    the two are one.
    """
    left = rows_doubt.without(tx, study_uid)
    if not left:
        return
    study = rows.studies_by_uid(tx, [study_uid])[study_uid]
    received = plain(study.attributes)
    same = [row for row in noted if row.kind == ConflictKind.PATIENT_MISMATCH and aside.identity(row.received) == aside.identity(received)]
    by_person = first.state != "open" and first.action not in aside.BY_ITSELF
    values = {
        "id": new_id(), "kind": ConflictKind.PATIENT_MISMATCH.value, "state": "resolved", "study_uid": study_uid,
        "sop_instance_uid": left[0].sop_instance_uid, "digest": left[0].digest, "site_id": study.site_id, "source_ae": left[0].source_ae,
        "archived": {path: first.received.get(path, "") for path in TRAITS}, "received": received, "kept": {"site_id": study.site_id},
        "found_at": to_text(tx.now()), "action": first.action if by_person else aside.LEFT, "comment": "",
        "resolved_by": first.resolved_by, "resolved_at": to_text(tx.now()),
    }  # fmt: skip
    conflict_id = same[0].id if same else rows_review.add_conflict(tx, values)
    rows_doubt.unmark(tx, [row.sop_instance_uid for row in left])
    rows_doubt.mark(tx, [(row.sop_instance_uid, study_uid, conflict_id) for row in left])
