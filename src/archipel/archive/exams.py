"""Exams: one study or a list of them as a person sees them, in the archive's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from archipel.archive import rows, rows_find, rows_instances, rows_walk
from archipel.archive.arrival import plain
from archipel.archive.model import Level, Query
from archipel.archive.reject import visible_study
from archipel.kit.database import Tx
from archipel.kit.scope import Scope


@dataclass(frozen=True)
class Exam:
    """A study. Dates are DICOM dates; ``patient_name`` is the PN as received; instants are ISO text in UTC."""

    study_uid: str
    site_id: str
    patient_id: str
    issuer: str
    patient_name: str
    birth_date: str
    sex: str
    study_date: str
    study_time: str
    accession_number: str
    description: str
    modalities: tuple[str, ...]
    series_count: int
    instance_count: int
    size_bytes: int
    flags: tuple[str, ...]
    rejected: bool
    settled: bool
    received_at: str
    attributes: dict[str, str]


@dataclass(frozen=True)
class Series:
    """A series of an exam."""

    study_uid: str
    series_uid: str
    number: int | None
    description: str
    modality: str
    body_part: str
    instance_count: int
    size_bytes: int
    sop_classes: tuple[str, ...]
    rejected: bool


def exams(tx: Tx, scope: Scope, query: Query) -> tuple[list[Exam], int, tuple[str | int, ...]]:
    """One page of exams, the total when it was asked for (else -1), and the place after which more follow, if any do."""
    found, more, total, _ = rows_walk.search(tx, scope, query)
    return [exam_of(row["row"]) for row in found], total, rows_find.place_after(query, found, more)


def exam(tx: Tx, scope: Scope, study_uid: str) -> Exam:
    """One exam, rejected or not, or NotFound."""
    return exam_of(visible_study(tx, scope, study_uid))


def series_of(tx: Tx, scope: Scope, study_uid: str) -> list[Series]:
    """The series of an exam, by number; rejected ones too, marked."""
    query = Query(Level.SERIES, {"0020000D": study_uid}, frozenset(), include_rejected=True, limit=5000)
    found, *_ = rows_walk.search(tx, scope, query)
    return [_series(row["row"]) for row in found]


def totals(tx: Tx) -> dict[str, int]:
    """Number of patients, studies, series and instances."""
    return rows_instances.totals(tx)


def study_count_of_site(tx: Tx, site_id: str) -> int:
    """Number of exams that belong to a site."""
    _, _, total, _ = rows_walk.search(
        tx, Scope.of_sites([site_id], "count"), Query(Level.STUDY, include_rejected=True, limit=1, count_total=True)
    )
    return total


def patients_of(tx: Tx, study_uids: Sequence[str]) -> dict[str, str]:
    """Whom these studies are of, as ``ID^^^issuer``, for the audit trail alone; a study that is not held is left out."""
    return {uid: f"{row.patient_id}^^^{row.issuer}" for uid, row in rows.studies_by_uid(tx, study_uids).items()}


def exam_of(row: Any) -> Exam:
    """An exam from its row."""
    return Exam(
        row.study_uid, row.site_id, row.patient_id, row.issuer, row.patient_name, row.birth_date, row.sex, row.study_date, row.study_time,
        row.accession_number, row.description, tuple(row.modalities.split()), row.series_count, row.instance_count, row.size_bytes,
        tuple(row.flags.split()), row.hidden, bool(row.settled_at), row.received_last_at,
        plain(row.attributes),
    )  # fmt: skip


def _series(row: Any) -> Series:
    attributes = row.archive_series_attributes
    return Series(
        row.study_uid, row.archive_series_series_uid, row.archive_series_number, row.archive_series_description,
        row.archive_series_modality, attributes.get("00180015", ""), row.archive_series_instance_count, row.archive_series_size_bytes,
        tuple(row.archive_series_sop_classes.split()), row.archive_series_hidden,
    )  # fmt: skip
