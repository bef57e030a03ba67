"""The SQL of receiving: statements that are prepared once, since each group of instances runs all of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import bindparam, insert, select, update

from archipel.archive import rows_sealed
from archipel.archive.rows import instance, patient, series, study
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared, among

_STORED = Prepared(
    lambda dialect: select(instance.c.sop_instance_uid, instance.c.study_uid, instance.c.digest).where(
        among(dialect, instance.c.sop_instance_uid, "uids")
    )
)
_STUDIES = Prepared(
    lambda dialect: select(study).where(among(dialect, study.c.study_uid, "uids")).order_by(study.c.study_uid).with_for_update()
)
_SERIES = Prepared(
    lambda dialect: select(series.c.study_uid, series.c.series_uid, series.c.modality, series.c.sop_classes, series.c.instance_count).where(
        among(dialect, series.c.study_uid, "study_uids"), among(dialect, series.c.series_uid, "series_uids")
    )
)
_PATIENTS = Prepared(
    lambda dialect: select(patient).where(among(dialect, patient.c.patient_id, "ids"), among(dialect, patient.c.issuer, "issuers"))
)
_INSERT = Prepared(lambda dialect: insert(instance).values({c.name: bindparam(c.name, type_=c.type) for c in instance.c}))
_ADD_TO_SERIES = Prepared(
    lambda dialect: (
        update(series)
        .where(series.c.study_uid == bindparam("b_study_uid"), series.c.series_uid == bindparam("b_series_uid"))
        .values(
            size_bytes=series.c.size_bytes + bindparam("b_size_bytes"),
            instance_count=series.c.instance_count + bindparam("b_instance_count"),
            sop_classes=bindparam("b_sop_classes"),
            hidden=False,
        )
    )
)
_ADD_TO_STUDY = Prepared(
    lambda dialect: (
        update(study)
        .where(study.c.study_uid == bindparam("b_study_uid"))
        .values(
            size_bytes=study.c.size_bytes + bindparam("b_size_bytes"),
            instance_count=study.c.instance_count + bindparam("b_instance_count"),
            series_count=study.c.series_count + bindparam("b_series_count"),
            modalities=bindparam("b_modalities"),
            received_last_at=bindparam("b_received_last_at"),
            settled_at="",
            hidden=False,
        )
    )
)


def stored(tx: Tx, uids: Iterable[str]) -> dict[str, Any]:
    """Study and digest of those instances that are stored, by SOP Instance UID."""
    wanted = list(dict.fromkeys(uids))
    found = {row.sop_instance_uid: row for row in _STORED.all(tx, uids=wanted)}
    return found | rows_sealed.known(tx, [uid for uid in wanted if uid not in found])


def sealed_meanwhile(tx: Tx, uids: Iterable[str]) -> bool:
    """Whether instances that were just inserted are in sealed series too. Their key says nothing of those; SQLite has one writer."""
    return tx.dialect == "postgresql" and bool(rows_sealed.known(tx, uids))


def studies(tx: Tx, uids: Iterable[str]) -> dict[str, Any]:
    """Studies by UID, kept for this transaction in one order, so that two writers cannot deadlock."""
    return {row.study_uid: row for row in _STUDIES.all(tx, uids=sorted(set(uids)))}


def series_of(tx: Tx, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Series by (study UID, series UID)."""
    wanted = set(keys)
    found = _SERIES.all(tx, study_uids=sorted({k[0] for k in wanted}), series_uids=sorted({k[1] for k in wanted}))
    return {key: row for row in found if (key := (row.study_uid, row.series_uid)) in wanted}


def patients(tx: Tx, keys: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Any]:
    """Patients by (Patient ID, issuer)."""
    wanted = set(keys)
    found = _PATIENTS.all(tx, ids=sorted({k[0] for k in wanted}), issuers=sorted({k[1] for k in wanted}))
    return {key: row for row in found if (key := (row.patient_id, row.issuer)) in wanted}


def insert_instances(tx: Tx, values: list[dict[str, Any]]) -> None:
    """Insert instance rows; an existing UID is an error (IntegrityError)."""
    _INSERT.many(tx, values)


def add_to_series(tx: Tx, values: Sequence[dict[str, Any]]) -> None:
    """Add to the counts of series: study_uid, series_uid, size_bytes, instance_count, and all SOP classes of each."""
    _ADD_TO_SERIES.many(tx, [_bound(one) for one in values])


def add_to_studies(tx: Tx, values: Sequence[dict[str, Any]]) -> None:
    """Add to the counts of studies: study_uid, size_bytes, instance_count, series_count, and set modalities and received_last_at."""
    _ADD_TO_STUDY.many(tx, [_bound(one) for one in values])


def _bound(values: dict[str, Any]) -> dict[str, Any]:
    return {f"b_{name}": value for name, value in values.items()}
