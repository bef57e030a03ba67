"""Persons: what exams say of their patients is handed to the register of persons once an exam has settled."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import structlog

from archipel import identity
from archipel.archive import rows, rows_persons
from archipel.archive.changes import ConflictResolved, StudySettled
from archipel.identity import LocalId, Seen, Traits
from archipel.kit.actor import Actor
from archipel.kit.clock import from_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid
from archipel.kit.feed import Change

log = structlog.get_logger(__name__)
_ACTOR = Actor.system("archive.persons")


def hand_over(tx: Tx, changes: Sequence[StudySettled | ConflictResolved]) -> None:
    """Follower: let the register of persons take what these exams' patients are called."""
    for row in rows_persons.patients_of(tx, {change.study_uid for change in changes}):
        try:
            identity.take(tx, _ACTOR, seen_by(row, site_id=rows.first_site(tx, row.id, seen_from="")))
        except (Conflict, Invalid) as error:  # an identifier on both sides of the wall, or one that is none: found by the exam's own words
            log.warning("archive.person_not_taken", code=error.code, detail=error.detail)


def seen_by(row: Any, *, site_id: str) -> Seen:
    """What a patient's row says. A DICOM name does not tell which family name it is: it counts as the one that is used."""
    groups = [group for group in row.name.split("=") if group.strip("^ ")]
    family, given, *_ = [part.strip() for part in (groups[0] if groups else "").split("^")] + ["", ""]
    traits = Traits(used_family=family, used_given=given, birth_date=row.birth_date, sex=row.sex[:1])
    return Seen(LocalId(row.patient_id, row.issuer), site_id, traits, source="dicom", at=from_text(row.created_at))


def replay_patients(tx: Tx) -> Iterator[Change]:
    """A settled study of each patient, as changes, for a replay from zero."""
    return (StudySettled(study_uid, "", 0) for study_uid in rows_persons.settled_of_each_patient(tx))
