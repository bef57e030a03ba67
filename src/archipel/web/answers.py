"""Exams, series, instances and conflicts as the API shows them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from pydantic import BaseModel, Field

from archipel import archive
from archipel.archive import InstanceRef
from archipel.audit import AuditRecord
from archipel.dicom.index import keyword_of
from archipel.kit.clock import from_text
from archipel.web.words import alphabetic, iso_date, iso_time, or_none, uid_name

# Issuers that the platform made because none was sent are nothing that a person knows.
OWN_ISSUERS = ("site:", "study:")
# Objects without pixels: a picture of them does not exist.
NO_THUMBNAIL = frozenset({"SR", "KO", "PR", "ECG", "HD", "AU", "REG", "FID", "RTPLAN", "RTRECORD", "SMR", "DOC", "PLAN", "RWV", "STAIN"})


class Patient(BaseModel):
    """The person as the exam names it: the alphabetic group of the name."""

    name: str
    id: str
    issuer: str | None
    birth_date: str | None
    sex: str | None


class SiteName(BaseModel):
    """A site by its name."""

    id: str
    name: str


class Exam(BaseModel):
    """A study. Dates and times are ISO 8601, local to the site; instants are UTC."""

    study_uid: str
    patient: Patient
    study_date: str | None
    study_time: str | None
    accession_number: str | None
    description: str | None
    modalities: list[str]
    site: SiteName
    series_count: int
    instance_count: int
    size_bytes: int
    received_at: datetime
    settled: bool = Field(description="Nothing has arrived for a while.")
    rejected: bool
    flags: list[str]


class Series(BaseModel):
    """A series; ``thumbnail`` is an address under /dicom-web, null for objects without pixels."""

    series_uid: str
    number: int | None
    description: str | None
    modality: str | None
    body_part: str | None
    instance_count: int
    sop_classes: list[str]
    size_bytes: int
    rejected: bool
    thumbnail: str | None


class Instance(BaseModel):
    """A stored object."""

    sop_instance_uid: str
    number: int | None
    sop_class_uid: str
    sop_class: str
    transfer_syntax: str
    frame_count: int
    size_bytes: int
    rejected: bool


class Difference(BaseModel):
    """An attribute whose archived and received values differ."""

    path: str
    keyword: str
    archived: str
    received: str


class Resolution(BaseModel):
    """What a person decided."""

    action: str
    comment: str
    actor: str
    at: datetime


class Conflict(BaseModel):
    """An entry of the work list. ``same_pixels`` is null when it was not compared or there is nothing to compare."""

    id: str
    kind: str
    state: str
    study_uid: str
    sop_instance_uid: str | None
    site_id: str
    source_ae: str | None
    found_at: datetime
    actions: list[str]
    archived: dict[str, str]
    received: dict[str, str]
    differences: list[Difference]
    same_pixels: bool | None = None
    resolution: Resolution | None = None


class ExamDetail(Exam):
    """An exam with its series and what does not fit."""

    series: list[Series]
    conflicts: list[Conflict]


class TraceEntry(BaseModel):
    """One act on an exam; ``detail`` holds ids and counts."""

    at: datetime
    actor: str
    actor_kind: str
    action: str
    outcome: str
    detail: dict[str, Any]


def exam_fields(exam: archive.Exam, sites: Mapping[str, str]) -> dict[str, Any]:
    """The fields of an exam; ``sites`` gives names by id."""
    issuer = "" if exam.issuer.startswith(OWN_ISSUERS) else exam.issuer
    return {
        "study_uid": exam.study_uid,
        "patient": Patient(
            name=alphabetic(exam.patient_name), id=exam.patient_id, issuer=or_none(issuer), birth_date=iso_date(exam.birth_date),
            sex=or_none(exam.sex),
        ),
        "study_date": iso_date(exam.study_date), "study_time": iso_time(exam.study_time),
        "accession_number": or_none(exam.accession_number), "description": or_none(exam.description),
        "modalities": list(exam.modalities), "site": SiteName(id=exam.site_id, name=sites.get(exam.site_id, exam.site_id)),
        "series_count": exam.series_count, "instance_count": exam.instance_count, "size_bytes": exam.size_bytes,
        "received_at": from_text(exam.received_at), "settled": exam.settled, "rejected": exam.rejected, "flags": list(exam.flags),
    }  # fmt: skip


def series_answer(series: archive.Series) -> Series:
    """A series as the API shows it."""
    address = f"/dicom-web/studies/{series.study_uid}/series/{series.series_uid}/thumbnail"
    return Series(
        series_uid=series.series_uid, number=series.number, description=or_none(series.description), modality=or_none(series.modality),
        body_part=or_none(series.body_part), instance_count=series.instance_count, sop_classes=[uid_name(u) for u in series.sop_classes],
        size_bytes=series.size_bytes, rejected=series.rejected, thumbnail=None if series.modality in NO_THUMBNAIL else address,
    )  # fmt: skip


def instance_answers(refs: Sequence[InstanceRef], shown: set[str]) -> list[Instance]:
    """Instances as the API shows them; those that are not in ``shown`` are rejected."""
    return [
        Instance(
            sop_instance_uid=r.sop_instance_uid, number=r.number, sop_class_uid=r.sop_class_uid, sop_class=uid_name(r.sop_class_uid),
            transfer_syntax=r.transfer_syntax_uid, frame_count=r.frame_count, size_bytes=r.length_bytes,
            rejected=r.sop_instance_uid not in shown,
        )
        for r in refs
    ]  # fmt: skip


def conflict_answer(conflict: archive.Conflict, same_pixels: bool | None = None) -> Conflict:
    """A conflict as the API shows it: attributes by keyword."""
    resolution = None
    if conflict.resolved_at:
        resolution = Resolution(
            action=conflict.action, comment=conflict.comment, actor=conflict.resolved_by, at=from_text(conflict.resolved_at)
        )
    return Conflict(
        id=conflict.id, kind=conflict.kind.value, state=conflict.state, study_uid=conflict.study_uid,
        sop_instance_uid=or_none(conflict.sop_instance_uid), site_id=conflict.site_id, source_ae=or_none(conflict.source_ae),
        found_at=from_text(conflict.found_at), actions=list(conflict.actions), archived=_by_keyword(conflict.archived),
        received=_by_keyword(conflict.received),
        differences=[
            Difference(path=d.path, keyword=d.keyword, archived=d.archived or "", received=d.received or "") for d in conflict.differences
        ],
        same_pixels=same_pixels, resolution=resolution,
    )  # fmt: skip


def trace_answer(record: AuditRecord) -> TraceEntry:
    """An audit record as the API shows it."""
    actor = record.actor.name or record.actor.id
    detail = {**record.detail, **({"object_id": record.object_id} if record.object_id else {})}
    return TraceEntry(
        at=record.at, actor=actor, actor_kind=record.actor.kind, action=record.action, outcome=record.outcome.value, detail=detail
    )


def _by_keyword(values: Mapping[str, str]) -> dict[str, str]:
    return {keyword_of(path) or path: str(value) for path, value in values.items()}
