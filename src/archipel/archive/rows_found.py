"""What a search found: rows of the database as attributes by path, and values that are counted or joined."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import select

from archipel.archive.arrival import ISSUER, ISSUER_UNIVERSAL, MADE_UP_ISSUERS, PATIENT_ID
from archipel.archive.model import Level, Query
from archipel.archive.rows import chunks, instance, series, study
from archipel.dicom import index
from archipel.dicom.index import BY_PATH, path_of
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared, among

SOP_CLASSES_IN_STUDY = path_of("SOPClassesInStudy")
SERIES_COLUMNS = tuple(column.label(f"{series.name}_{column.name}") for column in series.c)
# What an instance's own row gives; the rest is of its series.
INSTANCE_COLUMNS = (
    instance.c.study_uid, instance.c.series_uid, instance.c.sop_instance_uid, instance.c.sop_class_uid, instance.c.transfer_syntax_uid,
    instance.c.attributes,
)  # fmt: skip
_ABOVE = Prepared(
    lambda dialect: (
        select(study, *SERIES_COLUMNS)
        .join_from(study, series, series.c.study_uid == study.c.study_uid)
        .where(among(dialect, study.c.study_uid, "uids"))
    )
)


def read(tx: Tx, query: Query, found: list[Any]) -> list[dict[str, Any]]:
    """The rows of one page as ``find`` and ``exams`` take them.

    ``parts`` holds the attributes of each level, from the study down; rows of one study or series share theirs.
    """
    rows = _read_instances(tx, found) if query.level is Level.IMAGE else [_READ[query.level](row) for row in found]
    _add_sop_classes(tx, query, rows)
    return rows


def _read_patient(row: Any) -> dict[str, Any]:
    own = {path: value for path, value in row.attributes.items() if path in BY_PATH and BY_PATH[path].level == "PATIENT"}
    attributes = {**own, PATIENT_ID: row.patient_id}
    return {
        "parts": (attributes | _given_issuer(row),),
        "patient_studies": row.studies,
        "patient_series": int(row.series),
        "patient_instances": int(row.instances),
    }


def _given_issuer(row: Any) -> dict[str, str]:
    """The issuer that the site gives to a Patient ID that came without one."""
    received = row.attributes.get(ISSUER) or row.attributes.get(ISSUER_UNIVERSAL)
    return {} if received or row.issuer.startswith(MADE_UP_ISSUERS) else {ISSUER: row.issuer}


def _read_study(row: Any) -> dict[str, Any]:
    return {
        "parts": ({**row.attributes, **_given_issuer(row), index.STUDY_INSTANCE_UID: row.study_uid},), "study_uid": row.study_uid,
        "modalities": row.modalities, "series_count": row.series_count, "instance_count": row.instance_count,
        "row": row,
    }  # fmt: skip


def _read_series(row: Any) -> dict[str, Any]:
    found = _read_study(row)
    found["parts"] += ({**row.archive_series_attributes, index.SERIES_INSTANCE_UID: row.archive_series_series_uid},)
    found["series_instances"] = row.archive_series_instance_count
    return found


def _read_instances(tx: Tx, found: list[Any]) -> list[dict[str, Any]]:
    """Instances; what is above them is read once for each series, not with every row."""
    above: dict[tuple[str, str], dict[str, Any]] = {}
    uids = sorted({row.study_uid for row in found})
    for some in chunks(uids):
        for row in _ABOVE.all(tx, uids=some):
            above[row.study_uid, row.archive_series_series_uid] = _read_series(row)
    rows = []
    for row in found:
        over = above[row.study_uid, row.series_uid]
        own = {**row.attributes, index.SOP_INSTANCE_UID: row.sop_instance_uid, index.SOP_CLASS_UID: row.sop_class_uid}
        rows.append({**over, "parts": (*over["parts"], own), "transfer_syntax_uid": row.transfer_syntax_uid})
    return rows


_READ: dict[Level, Callable[[Any], dict[str, Any]]] = {
    Level.PATIENT: _read_patient,
    Level.STUDY: _read_study,
    Level.SERIES: _read_series,
}


def _add_sop_classes(tx: Tx, query: Query, rows: list[dict[str, Any]]) -> None:
    if (
        query.level is Level.PATIENT
        or not rows
        or (query.include is not None and SOP_CLASSES_IN_STUDY not in query.include | frozenset(query.match))
    ):
        return
    uids = sorted({row["study_uid"] for row in rows})
    found: dict[str, set[str]] = {}
    for start in range(0, len(uids), 500):
        statement = select(series.c.study_uid, series.c.sop_classes).where(series.c.study_uid.in_(uids[start : start + 500]))
        for uid, classes in tx.execute(statement):
            found.setdefault(uid, set()).update(classes.split())
    for row in rows:
        row["sop_classes_in_study"] = " ".join(sorted(found.get(row["study_uid"], ())))
