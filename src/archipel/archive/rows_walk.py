"""SQL of searching where single instances decide: their rows may be in manifests, which are read study by study as the page fills."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

from sqlalchemy import ColumnElement, Select, or_, select

from archipel.archive import bounds, rows_find, rows_found, rows_sealed
from archipel.archive.model import Level, Query
from archipel.archive.rows import instance, study
from archipel.dicom import index
from archipel.dicom.index import BY_PATH
from archipel.kit.database import Tx
from archipel.kit.errors import LimitReached
from archipel.kit.scope import Scope

# Studies that are looked at together, and the most that a search for patients may find so.
WALK_STUDIES = 100
BATCH_INSTANCES = 200
PATIENTS_STUDIES_MAX = 2000
# Instances whose manifests one search may read: some seconds.
WALK_INSTANCES_MAX = 500_000
NO_UID = "0"


def search(tx: Tx, scope: Scope, query: Query) -> tuple[list[dict[str, Any]], bool, int, tuple[str, ...]]:
    """One page: rows (attributes by path and derived values), whether more follow, the total (-1: not asked), unknown keys."""
    if _needs_instances(query) and rows_sealed.any_sealed(tx):
        return _walking(tx, scope, query)
    return rows_find.search(tx, scope, query)


def _needs_instances(query: Query) -> bool:
    """Whether the answer depends on single instances, whose rows may be in manifests."""
    return query.level is Level.IMAGE or any(path in BY_PATH and BY_PATH[path].level == "IMAGE" for path in query.match)


def _walking(tx: Tx, scope: Scope, query: Query) -> tuple[list[dict[str, Any]], bool, int, tuple[str, ...]]:
    """The same over manifests: study by study in the order of the answer, each with its instances, until the page is full."""
    if query.level is Level.PATIENT:
        return _patients_walking(tx, scope, query)
    conditions, unsupported = rows_find.conditions_of(tx, scope, query)
    found: list[Any] = []
    passed, total, looked_at = 0, 0, 0
    for studies in _walk(tx, scope, query):
        some = [study.c.study_uid.in_([uid for uid, _ in studies])]
        count = sum(count for _, count in studies) if _counts_all(query) else -1
        if 0 <= count <= query.offset - passed and not query.after:
            passed, total = passed + count, total + count
            continue
        looked_at += sum(count for _, count in studies)
        if looked_at > WALK_INSTANCES_MAX:
            raise LimitReached("This would look at too many instances; name the patient, the exam or a date.", code="too-many-matches")
        statement = _of_studies(query, [*conditions, *some])
        uids = rows_find.values_of(query.match.get(index.SOP_INSTANCE_UID, ""))
        sealed = _sealed_among(tx, query, [uid for uid, _ in studies])
        page = tx.execute(rows_sealed.beside(tx, statement, sealed, uids)).all()
        total += len(page)
        wanted = page[max(0, query.offset - passed) :] if not query.after else page
        passed += len(page)
        found += wanted[: query.limit + 1 - len(found)]
        if len(found) > query.limit and not query.count_total:
            break
    rows = rows_found.read(tx, query, found[: query.limit])
    return rows, len(found) > query.limit, total if query.count_total else -1, unsupported


def _patients_walking(tx: Tx, scope: Scope, query: Query) -> tuple[list[dict[str, Any]], bool, int, tuple[str, ...]]:
    """Patients by keys of instances: of the studies that match."""
    studies, more, _, unsupported = _walking(tx, scope, replace(query, level=Level.STUDY, limit=PATIENTS_STUDIES_MAX, offset=0))
    if more:
        raise LimitReached("Too many exams match; name more of the patient or the exam.", code="too-many-matches")
    above = {path: value for path, value in query.match.items() if path not in BY_PATH or BY_PATH[path].level != "IMAGE"}
    uids = "\\".join(row["study_uid"] for row in studies) or NO_UID
    rows, more, total, _ = rows_find.search(tx, scope, replace(query, match={**above, index.STUDY_INSTANCE_UID: uids}))
    return rows, more, total, unsupported


def _walk(tx: Tx, scope: Scope, query: Query) -> Iterator[list[tuple[str, int]]]:
    """The studies (UID, instance count) that may hold what is asked, page by page in the order of the answer."""
    above = {path: value for path, value in query.match.items() if path not in BY_PATH or BY_PATH[path].level != "IMAGE"}
    by_study = replace(query, level=Level.STUDY, match=above, count_total=False, limit=WALK_STUDIES, offset=0)
    conditions, _ = rows_find.conditions_of(tx, scope, by_study)
    conditions += _of_named_instances(tx, query)
    order, after = rows_find.order_of(query), query.after if query.level is Level.STUDY else ()
    place = [column.label(f"place{number}") for number, (column, _) in enumerate(order)]
    while True:
        statement = select(study.c.study_uid, study.c.instance_count, *place).where(*conditions)
        if after:
            statement = statement.where(rows_find.behind(order, after))
        page = tx.execute(statement.order_by(*rows_find.sorted_by(order)).limit(WALK_STUDIES)).all()
        yield from _batches(page)
        if len(page) < WALK_STUDIES:
            return
        after = tuple(page[-1][2:])


def _batches(page: Sequence[Any]) -> Iterator[list[tuple[str, int]]]:
    """Studies whose manifests are read together: few, so that no more is read than a page needs."""
    batch: list[tuple[str, int]] = []
    for row in page:
        batch.append((row.study_uid, row.instance_count))
        if sum(count for _, count in batch) >= BATCH_INSTANCES:
            yield batch
            batch = []
    if batch:
        yield batch


def _of_named_instances(tx: Tx, query: Query) -> list[ColumnElement[bool]]:
    """What keys of instances say of their studies before any instance is looked at."""
    found = []
    uids = rows_find.values_of(query.match.get(index.SOP_INSTANCE_UID, ""))
    if uids:
        opened = select(instance.c.study_uid).where(instance.c.sop_instance_uid.in_(uids))
        sealed = {head.study_uid for head in rows_sealed.heads(tx, sop_instance_uids=uids)}
        found.append(or_(study.c.study_uid.in_(opened), study.c.study_uid.in_(sorted(sealed))))
    classes = rows_find.values_of(query.match.get(index.SOP_CLASS_UID, ""))
    if 0 < len(classes) <= bounds.VALUES_COUNT_MAX:
        found.append(rows_find.of_classes(classes, query))
    return found


def _sealed_among(tx: Tx, query: Query, study_uids: list[str]) -> list[rows_sealed.Sealed]:
    """The sealed series of these studies that may hold what is asked."""
    heads = rows_sealed.heads(
        tx,
        study_uids=study_uids,
        series_uids=rows_find.values_of(query.match.get(index.SERIES_INSTANCE_UID, "")),
        sop_instance_uids=rows_find.values_of(query.match.get(index.SOP_INSTANCE_UID, "")),
    )
    return rows_sealed.load(tx, heads)


def _counts_all(query: Query) -> bool:
    """Whether each instance of a study that is not rejected is in the answer."""
    keys = {BY_PATH[path].level for path, value in query.match.items() if path in BY_PATH and value.strip(" *")}
    return query.level is Level.IMAGE and not query.include_rejected and not keys & {"SERIES", "IMAGE"}


def _of_studies(query: Query, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    if query.level is Level.STUDY:
        return select(study).where(*conditions).order_by(*rows_find.sorted_by(rows_find.order_of(query)))
    return rows_find.levels(query, conditions)
