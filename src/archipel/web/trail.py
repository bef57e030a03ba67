"""The audit trail: acts looked up, exported, and how far the chain vouches for them. Looking is recorded too."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Annotated, Any, Literal
from zoneinfo import ZoneInfo

from fastapi import APIRouter
from fastapi import Query as QueryParam
from pydantic import BaseModel, ConfigDict, Field
from starlette.responses import StreamingResponse

from archipel import archive, audit, directory, sharing
from archipel.audit import AuditRecord
from archipel.dicom.index import path_of
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import LimitReached
from archipel.kit.scope import Scope
from archipel.web.errors import DoorRoute
from archipel.web.parts import Call, needs
from archipel.web.words import Cursor, Text, Word, cursor_after, or_none, place_of

router = APIRouter(route_class=DoorRoute, tags=["audit"])
Auditor = Annotated[Call, needs("audit.read")]
ORDER = "-at"
_CSV: dict[int | str, dict[str, Any]] = {200: {"content": {"text/csv": {"schema": {"type": "string"}}}}}
STUDY_COUNT_MAX = 500
EXPORT_COUNT_MAX = 100_000
EXPORT_PAGE_COUNT = 1000
_UID = re.compile(r"[0-9]+(\.[0-9]+){3,}")
_PATIENT_ID, _ACCESSION_NUMBER, _STUDY_UID = path_of("PatientID"), path_of("AccessionNumber"), path_of("StudyInstanceUID")
CSV_COLUMNS = (
    "at", "actor_id", "actor_name", "actor_kind", "actor_role", "actor_site_id", "actor_address", "action", "event_code", "outcome",
    "study_uid", "object_id", "detail", "record_id",
)  # fmt: skip


class TrailFilters(BaseModel):
    """What narrows the list of acts; everything that is given must hold."""

    model_config = ConfigDict(extra="forbid")

    who: Text = Field("", description="Part of the name, login or AE title of who acted.")
    action: Annotated[list[Word], Field(max_length=100)] = Field([], description="One of these acts; may be given several times.")
    exam: Text = Field("", description="Study Instance UID, or accession number.")
    patient_id: Text = Field("", description="Patient ID: acts on the exams under it.")
    site_id: Text = Field("", description="The site of who acted.")
    date_from: date | None = Field(None, description="First day, in the platform's time zone.")
    date_to: date | None = Field(None, description="Last day.")
    outcome: Literal["success", "refused", "failed", ""] = Field("", description="How the act ended.")


class TrailPageFilters(TrailFilters):
    """The same, a page at a time."""

    limit: int = Field(50, ge=1, le=200, description="Rows of a page.")
    cursor: Cursor = Field("", description="next_cursor of the page before.")


class ActAnswer(BaseModel):
    """One act. ``detail`` holds ids and counts; ``event_code`` is of PS3.16 CID 400."""

    id: str
    at: datetime
    actor_id: str
    actor_name: str
    actor_kind: str
    actor_role: str
    site_id: str | None
    site_name: str | None
    address: str
    action: str
    event_code: str
    outcome: str
    study_uid: str | None
    object_id: str | None
    detail: dict[str, Any]


class ActsAnswer(BaseModel):
    """One page of acts, newest first; ``next_cursor`` is null on the last one."""

    items: list[ActAnswer]
    next_cursor: str | None = None


class FindingAnswer(BaseModel):
    """One thing that is not as it was signed."""

    kind: str
    record_id: str
    seq: int
    text: str


class DestinationAnswer(BaseModel):
    """Where records are sent on, until which place of the chain, and why no further."""

    destination: str
    seq: int
    at: datetime
    error: str


class TrailStateAnswer(BaseModel):
    """How far acts are chained, signed and verified."""

    chained_count: int
    chained_until: datetime | None
    signed_day: date | None
    waiting_count: int
    verified_at: datetime | None
    verified_until: datetime | None
    finding_count: int
    findings: list[FindingAnswer]
    destinations: list[DestinationAnswer]


@router.get("/audit", summary="Look acts up")
def look_up(call: Auditor, filters: Annotated[TrailPageFilters, QueryParam()]) -> ActsAnswer:
    """Who did what to which exam, newest first. A first page is an act of its own in the trail."""
    _, place = place_of(filters.cursor, ORDER)
    with call.database.read() as tx:
        wanted = _wanted(tx, call, filters)
        wanted = replace(wanted, after=(str(place[0]), str(place[1])) if len(place) == 2 else None, limit=filters.limit + 1)
        found = audit.look_up(tx, wanted)
        names = {site.id: site.name for site in directory.sites(tx)}
    if not filters.cursor:
        _record(call, "audit.search", filters)
    shown = found[: filters.limit]
    more = cursor_after(ORDER, (to_text(shown[-1].at), shown[-1].id)) if len(found) > filters.limit else None
    return ActsAnswer(items=[_answer(one, names) for one in shown], next_cursor=more)


@router.get("/audit/records.csv", summary="Acts as CSV", response_class=StreamingResponse, responses=_CSV)
def export(call: Auditor, filters: Annotated[TrailFilters, QueryParam()]) -> StreamingResponse:
    """The same acts as a table, newest first, at most 100 000; the last line says when there are more."""
    with call.database.read() as tx:
        wanted = _wanted(tx, call, filters)
    _record(call, "audit.export", filters)
    headers = {"Content-Disposition": 'attachment; filename="audit.csv"', "Cache-Control": "no-store"}
    return StreamingResponse(_lines(call, wanted), media_type="text/csv; charset=utf-8", headers=headers)


@router.get("/audit/state", summary="How far the audit chain vouches for the acts")
def read_state(call: Auditor) -> TrailStateAnswer:
    """What is chained, signed and verified, what the last verification named, and how far receivers are."""
    with call.database.read() as tx:
        state = audit.chain_state(tx)
    return TrailStateAnswer(
        chained_count=state.seq, chained_until=state.at or None, signed_day=state.signed_day or None, waiting_count=state.waiting_count,
        verified_at=state.verified_at or None, verified_until=state.verified_until or None, finding_count=state.finding_count,
        findings=[FindingAnswer(**one) for one in state.findings], destinations=[DestinationAnswer(**one) for one in state.destinations],
    )  # fmt: skip


def _wanted(tx: Tx, call: Call, filters: TrailFilters) -> audit.Search:
    scope = sharing.trace_scope_for(tx, call.actor)
    studies = _studies(tx, scope, filters)
    # Of exams that are in reach everybody's acts are shown; else those of the people who are.
    sites = None if studies is not None else scope.site_ids
    if filters.site_id:
        sites = frozenset({filters.site_id}) if scope.covers(filters.site_id) else frozenset()
    zone = ZoneInfo(call.parts.settings.time_zone)
    return audit.Search(
        who=filters.who.strip(),
        actions=tuple(filters.action) or None,
        study_uids=studies,
        site_ids=None if sites is None else tuple(sorted(sites)),
        outcome=filters.outcome,
        since=to_text(datetime.combine(filters.date_from, datetime.min.time(), zone)) if filters.date_from else "",
        before=to_text(datetime.combine(filters.date_to + timedelta(days=1), datetime.min.time(), zone)) if filters.date_to else "",
    )


def _studies(tx: Tx, scope: Scope, filters: TrailFilters) -> tuple[str, ...] | None:
    """The exams in reach that are asked about, None when none is; who reaches all finds by its UID one that is not held any more."""
    exam = filters.exam.strip()
    if _UID.fullmatch(exam) and not filters.patient_id and scope.site_ids is None:
        return (exam,)
    match = {_PATIENT_ID: filters.patient_id.strip()} if filters.patient_id.strip() else {}
    if exam:
        match |= {_STUDY_UID if _UID.fullmatch(exam) else _ACCESSION_NUMBER: exam}
    if not match:
        return None
    query = archive.Query(archive.Level.STUDY, match=match, include_rejected=True, limit=STUDY_COUNT_MAX)
    found = archive.exams(tx, scope, query)[0]
    if len(found) >= STUDY_COUNT_MAX:
        raise LimitReached(f"More than {STUDY_COUNT_MAX} exams match; name one of them.", code="too-many-exams", field="patient_id")
    return tuple(one.study_uid for one in found)


def _record(call: Call, action: str, filters: TrailFilters) -> None:
    """Who looked into the trail, and by what; the words that were typed may be a person's and are not kept.

    The same question is one record an hour; each export is one.
    """
    asked = filters.model_dump(exclude={"limit", "cursor"}, exclude_defaults=True, mode="json")
    key = json.dumps(asked, sort_keys=True)
    if action != "audit.export" and not call.parts.opened.is_new(call.database.clock.now(), action, call.actor.id, key):
        return
    with call.database.write() as tx:
        audit.record(tx, call.actor, action, door="web", fields=sorted(asked))


def _answer(record: AuditRecord, names: dict[str, str]) -> ActAnswer:
    actor = record.actor
    return ActAnswer(
        id=record.id, at=record.at, actor_id=actor.id, actor_name=actor.name, actor_kind=actor.kind, actor_role=actor.role,
        site_id=or_none(actor.site_id), site_name=names.get(actor.site_id), address=actor.address, action=record.action,
        event_code=audit.event_of(record.action).id, outcome=record.outcome.value, study_uid=or_none(record.study_uid),
        object_id=or_none(record.object_id), detail=record.detail,
    )  # fmt: skip


def _lines(call: Call, wanted: audit.Search) -> Iterator[str]:
    yield "\ufeff" + _line(CSV_COLUMNS)
    count, wanted = 0, replace(wanted, limit=EXPORT_PAGE_COUNT)
    while True:
        with call.database.read() as tx:
            page = audit.look_up(tx, wanted)
        yield "".join(_line(_cells(one)) for one in page)
        count += len(page)
        if len(page) < EXPORT_PAGE_COUNT:
            return
        if count >= EXPORT_COUNT_MAX:
            yield _line([f"there are more than {EXPORT_COUNT_MAX}: narrow the search"])
            return
        wanted = replace(wanted, after=(to_text(page[-1].at), page[-1].id))


def _cells(one: AuditRecord) -> list[str]:
    actor = one.actor
    return [
        to_text(one.at), actor.id, actor.name, actor.kind, actor.role, actor.site_id, actor.address, one.action,
        audit.event_of(one.action).id, one.outcome.value, one.study_uid, one.object_id, json.dumps(one.detail, ensure_ascii=False), one.id,
    ]  # fmt: skip


def _line(cells: Sequence[str]) -> str:
    """One line; what a spreadsheet would take for a formula is made text."""
    out = io.StringIO()
    csv.writer(out).writerow([f"'{cell}" if cell[:1] in "=+-@\t\r" and cell else cell for cell in cells])
    return out.getvalue()
