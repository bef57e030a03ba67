"""SQL that gives what exams say of their patients."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from sqlalchemy import func, select

from archipel.archive.rows import chunks, patient, study
from archipel.kit.database import Tx


def patients_of(tx: Tx, study_uids: Iterable[str]) -> list[Any]:
    """The patients of studies, each once, in one order."""
    found: dict[str, Any] = {}
    for some in chunks(sorted(set(study_uids))):
        joined = select(patient).join_from(study, patient, study.c.patient_key == patient.c.id).where(study.c.study_uid.in_(some))
        found.update((row.id, row) for row in tx.execute(joined))
    return [found[key] for key in sorted(found)]


def settled_of_each_patient(tx: Tx) -> Iterator[str]:
    """A settled study of each patient."""
    s = study.c
    yield from tx.execute(select(func.min(s.study_uid)).where(s.settled_at != "").group_by(s.patient_key)).scalars()
