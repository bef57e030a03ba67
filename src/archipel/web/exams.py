"""Exams: the list, one exam, its instances, its trace, its rejection."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from archipel import archive, audit, directory
from archipel.kit.database import Tx
from archipel.web.answers import (
    Exam,
    ExamDetail,
    Instance,
    TraceEntry,
    conflict_answer,
    exam_fields,
    instance_answers,
    series_answer,
    trace_answer,
)
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, Reader, needs
from archipel.web.search import ExamFilters, query_of
from archipel.web.words import Body, Listed, LongText, SeriesPath, StudyPath, Uid, cursor_after, whole

router = APIRouter(route_class=DoorRoute, tags=["exams"])


class NewRejection(Body):
    """What to hide, and why: the whole exam, one series or instances."""

    code: str = Field(max_length=16, description=", ".join(f"{code} {meaning}" for code, meaning in archive.REASONS.items()))
    series_uid: Uid | None = None
    sop_instance_uids: Annotated[list[Uid], Field(max_length=20_000, default_factory=list)]
    comment: LongText = ""


class RejectionAnswer(BaseModel):
    """A rejection that stands."""

    id: str
    code: str
    instance_count: int


@router.get("/exams", summary="List exams")
def list_exams(filters: ExamFilters, call: Reader) -> Listed[Exam]:
    """One page of the exams that the account may see, and how many there are in all."""
    query = query_of(filters)
    with call.database.read() as tx:
        found, total, after = archive.exams(tx, call.scope(tx, "care"), query)
        sites = _site_names(tx)
    cursor = cursor_after(filters.sort, after) if after else None
    return Listed(items=[Exam(**exam_fields(exam, sites)) for exam in found], total=total, next_cursor=cursor)


@router.get("/exams/{study_uid}", summary="One exam")
def read_exam(study_uid: StudyPath, call: Reader) -> ExamDetail:
    """An exam with its series and what does not fit; rejected parts too, marked. Recorded in the audit trail."""
    with call.database.read() as tx:
        scope = call.scope(tx, "care")
        exam = archive.exam(tx, scope, study_uid)
        series = archive.series_of(tx, scope, study_uid)
        conflicts = archive.conflicts(tx, scope, study_uid=study_uid, pressing_first=True)
        sites = _site_names(tx)
    call.audit_open(study_uid)
    return ExamDetail(
        **exam_fields(exam, sites), series=[series_answer(one) for one in series], conflicts=[conflict_answer(c) for c in conflicts]
    )


@router.get("/exams/{study_uid}/series/{series_uid}/instances", summary="The instances of a series")
def list_instances(study_uid: StudyPath, series_uid: SeriesPath, call: Reader) -> Listed[Instance]:
    """All instances of a series by number; rejected ones too, marked."""
    with call.database.read() as tx:
        scope = call.scope(tx, "care")
        archive.exam(tx, scope, study_uid)
        refs = archive.locate(tx, scope, study_uid=study_uid, series_uid=series_uid, include_rejected=True)
        shown = {r.sop_instance_uid for r in archive.locate(tx, scope, study_uid=study_uid, series_uid=series_uid)}
    return whole(instance_answers(refs, shown))


@router.get("/exams/{study_uid}/trace", summary="What was done to an exam")
def read_trace(study_uid: StudyPath, call: Annotated[Call, needs("audit.read")]) -> Listed[TraceEntry]:
    """The audit trail of one exam, newest first, at most 500 acts."""
    with call.database.read() as tx:
        archive.exam(tx, call.scope(tx, "audit"), study_uid)
        return whole([trace_answer(record) for record in audit.trace(tx, study_uid)])


@router.post("/exams/{study_uid}/rejection", status_code=201, summary="Reject an exam or a part of it", openapi_extra=REPEATABLE)
def reject_exam(study_uid: StudyPath, body: NewRejection, call: Annotated[Call, needs("exam.reject")]) -> RejectionAnswer:
    """Hide what is named from searches and retrieval (IHE IOCM). Nothing is deleted."""

    def act(tx: Tx) -> RejectionAnswer:
        made = archive.reject(
            tx, call.actor, call.scope(tx, "reject"), study_uid, code=body.code, series_uid=body.series_uid or "",
            sop_instance_uids=body.sop_instance_uids, comment=body.comment,
        )  # fmt: skip
        return RejectionAnswer(id=made.id, code=made.code, instance_count=made.instance_count)

    return once(call, body, RejectionAnswer, act)


@router.delete("/exams/{study_uid}/rejection", status_code=204, summary="Take rejections back")
def undo_rejection(study_uid: StudyPath, call: Annotated[Call, needs("exam.reject")]) -> None:
    """Show again all that was rejected of an exam."""
    call.database.transact(lambda tx: archive.revoke_rejections(tx, call.actor, call.scope(tx, "reject"), study_uid))


def _site_names(tx: Tx) -> dict[str, str]:
    return {site.id: site.name for site in directory.sites(tx)}
