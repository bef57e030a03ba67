"""SQL of the audit room."""

from __future__ import annotations

import json
import re
from types import SimpleNamespace
from typing import Any

from sqlalchemy import Column, Index, String, Table, Text, and_, bindparam, func, insert, or_, select

from archipel.audit.model import AuditRecord, Outcome, Search
from archipel.kit.actor import Actor
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared
from archipel.kit.rows import metadata

record = Table(
    "audit_record",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("at", String(27), nullable=False),
    Column("actor_kind", String(10), nullable=False),
    Column("actor_id", String(64), nullable=False),
    Column("actor_name", String(120), nullable=False),
    Column("actor_role", String(40), nullable=False),
    Column("actor_site_id", String(64), nullable=False),
    Column("actor_address", String(64), nullable=False),
    Column("action", String(60), nullable=False),
    Column("outcome", String(10), nullable=False),
    Column("study_uid", String(64), nullable=False),
    Column("object_id", String(128), nullable=False),
    Column("detail", Text, nullable=False),
    Index(None, "study_uid", "at"),
    Index(None, "at"),
    Index(None, "actor_id", "at"),
)


_ADD = Prepared(lambda _: insert(record).values({column.name: bindparam(column.name) for column in record.c}))


def add(tx: Tx, r: AuditRecord) -> None:
    """Write one record."""
    values = {
        "id": r.id, "at": to_text(r.at), "actor_kind": r.actor.kind, "actor_id": r.actor.id[:64], "actor_name": r.actor.name[:120],
        "actor_role": r.actor.role, "actor_site_id": r.actor.site_id, "actor_address": r.actor.address[:64], "action": r.action,
        "outcome": r.outcome.value, "study_uid": r.study_uid, "object_id": r.object_id[:128], "detail": json.dumps(r.detail),
    }  # fmt: skip
    _ADD.many(tx, [values])


def of_study(tx: Tx, study_uid: str, limit: int) -> list[AuditRecord]:
    """The newest records of one study."""
    found = tx.execute(select(record).where(record.c.study_uid == study_uid).order_by(record.c.at.desc(), record.c.id.desc()).limit(limit))
    return [_record(row) for row in found]


def newest(tx: Tx, wanted: Search) -> list[AuditRecord]:
    """The newest records, narrowed by what is not empty."""
    r = record.c
    statement = select(record).order_by(r.at.desc(), r.id.desc()).limit(wanted.limit)
    for column, value in ((r.actor_id, wanted.actor_id), (r.outcome, wanted.outcome), (r.object_id, wanted.object_id)):
        if value:
            statement = statement.where(column == value)
    for column, values in ((r.action, wanted.actions), (r.study_uid, wanted.study_uids), (r.actor_site_id, wanted.site_ids)):
        if values is not None:
            statement = statement.where(column.in_(values))
    if wanted.who:
        escaped = re.sub(r"([%_\\])", r"\\\1", wanted.who)
        part = func.lower(f"%{escaped}%")  # by the database on both sides: SQLite's knows ASCII only
        statement = statement.where(or_(func.lower(r.actor_id).like(part, escape="\\"), func.lower(r.actor_name).like(part, escape="\\")))
    if wanted.since:
        statement = statement.where(r.at >= wanted.since)
    if wanted.before:
        statement = statement.where(r.at < wanted.before)
    if wanted.after:
        at, id = wanted.after
        statement = statement.where(or_(r.at < at, and_(r.at == at, r.id < id)))
    return [_record(row) for row in tx.execute(statement)]


def placed(row: Any) -> AuditRecord:
    """The record within the row of its link (columns ``r_...``)."""
    return _record(SimpleNamespace(**{column.name: getattr(row, f"r_{column.name}") for column in record.c}))


def _record(row: Any) -> AuditRecord:
    actor = Actor(row.actor_kind, row.actor_id, row.actor_name, row.actor_role, row.actor_site_id, row.actor_address)
    return AuditRecord(
        row.id, from_text(row.at), actor, row.action, Outcome(row.outcome), row.study_uid, row.object_id, json.loads(row.detail)
    )
