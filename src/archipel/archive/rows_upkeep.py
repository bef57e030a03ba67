"""SQL of what the archive does to itself: settling, repairing, and taking another content's attributes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from sqlalchemy import select, update

from archipel.archive.model import ConflictKind, Place
from archipel.archive.rows import chunks, instance, patient, study
from archipel.archive.rows_review import conflict
from archipel.kit.database import Tx


def settle(tx: Tx, study_uid: str, at: str) -> Any | None:
    """Mark a study as settled: (site_id, instance_count), or None when it has not grown since it last settled.

    One statement decides, so that of several processes one does it.
    """
    statement = update(study).where(study.c.study_uid == study_uid, study.c.settled_at == "").values(settled_at=at)
    return tx.execute(statement.returning(study.c.site_id, study.c.instance_count)).first()


def kept_contents(tx: Tx, uids: Iterable[str]) -> list[Any]:
    """What is kept aside under these UIDs: (id, sop_instance_uid, study_uid, kept)."""
    c = conflict.c
    found: list[Any] = []
    for some in chunks(uids):
        statement = select(c.id, c.sop_instance_uid, c.study_uid, c.kept).where(c.kind == ConflictKind.DUPLICATE_INSTANCE.value)
        found += tx.execute(statement.where(c.sop_instance_uid.in_(some)))
    return found


def turn_instance(tx: Tx, sop_instance_uid: str, from_: Place, values: dict[str, Any]) -> bool:
    """Let an instance's row name other bytes, if it still names those; whether it did."""
    i = instance.c
    statement = update(instance).where(i.sop_instance_uid == sop_instance_uid, i.blob_key == from_.blob_key, i.offset == from_.offset)
    return bool(tx.execute(statement.values(**values)).rowcount)


def turn_kept(tx: Tx, conflict_id: str, from_: Place, values: dict[str, Any]) -> bool:
    """The same for a content that is kept aside."""
    kept = tx.execute(select(conflict.c.kept).where(conflict.c.id == conflict_id).with_for_update()).scalar()
    if kept is None or (kept["blob_key"], kept["offset"]) != (from_.blob_key, from_.offset):
        return False
    tx.execute(update(conflict).where(conflict.c.id == conflict_id).values(kept={**kept, **values}))
    return True


def patient_of(tx: Tx, key: tuple[str, str]) -> Any | None:
    """The patient of a (Patient ID, issuer)."""
    return tx.execute(select(patient).where(patient.c.patient_id == key[0], patient.c.issuer == key[1])).first()


def studies_of_patient(tx: Tx, patient_key: str) -> set[str]:
    """Some of a patient's studies, two at most: enough to tell whether there is another."""
    return set(tx.execute(select(study.c.study_uid).where(study.c.patient_key == patient_key).limit(2)).scalars())


def change_patient(tx: Tx, patient_key: str, **values: Any) -> None:
    """Set columns of a patient."""
    tx.execute(update(patient).where(patient.c.id == patient_key).values(**values))
