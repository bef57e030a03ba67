"""SQL of the rebuilding: rows that the objects hold, added where the index has none."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Table, select

from archipel.archive.model import Flag
from archipel.archive.rows import insert_new, patient, series, study
from archipel.archive.rows_review import conflict, rejection
from archipel.archive.rows_sealed import sealed
from archipel.kit.database import Tx
from archipel.kit.ids import new_id


def instances_sealed(tx: Tx, key: str) -> int:
    """How many instances the index has of an object as of a sealed series; 0 when it names none."""
    return int(tx.execute(select(sealed.c.instance_count).where(sealed.c.blob_key == key)).scalar() or 0)


def add(tx: Tx, held: dict[str, Any]) -> None:
    """The patient, study, series and rejections of a manifest; what is there stays as it is."""
    patient_key = _patient(tx, held["patient"])
    insert_new(tx, study, [_values(study, held["study"]) | {"patient_key": patient_key}])
    insert_new(tx, series, [_values(series, held["series"])])
    for one in held.get("rejections", ()):
        insert_new(tx, rejection, [_values(rejection, one)])


def _patient(tx: Tx, values: dict[str, Any]) -> str:
    """The key of a patient, who keeps the one of the manifest if it is free."""
    p = patient.c
    same = select(p.id).where(p.patient_id == values["patient_id"], p.issuer == values["issuer"])
    found = tx.execute(same).scalar()
    if found is None:
        taken = tx.execute(select(p.id).where(p.id == values["id"])).first()
        insert_new(tx, patient, [_values(patient, values) | ({"id": new_id()} if taken else {})])
        found = tx.execute(same).scalar_one()
    return str(found)


def _values(table: Table, values: dict[str, Any]) -> dict[str, Any]:
    return {column.name: values[column.name] for column in table.c if column.name in values}


def site_of(tx: Tx, study_uid: str) -> str:
    """The site of a study, '' when it is not known."""
    return str(tx.execute(select(study.c.site_id).where(study.c.study_uid == study_uid)).scalar() or "")


def flagged(tx: Tx, after: str, limit: int) -> list[Any]:
    """Studies with a flag, in the order of their UIDs, behind one."""
    statement = select(study.c.study_uid, study.c.flags).where(study.c.study_uid > after, study.c.flags != "")
    return list(tx.execute(statement.order_by(study.c.study_uid).limit(limit)))


def open_doubts(tx: Tx, study_uid: str) -> set[str]:
    """The flags of a study that stand in the list of conflicts."""
    c = conflict.c
    kinds = [flag.value for flag in Flag]
    return set(tx.execute(select(c.kind).where(c.study_uid == study_uid, c.state == "open", c.kind.in_(kinds))).scalars())
