"""SQL of searching."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, exists, false, func, literal, or_, select

from archipel.archive.arrival import BIRTH_DATE, ISSUER, PATIENT_ID, PATIENT_NAME, SEX
from archipel.archive.model import Level, Query
from archipel.archive.rows import instance, patient, series, study
from archipel.dicom import index, text
from archipel.dicom.index import BY_PATH, path_of
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

MODALITIES_IN_STUDY, SOP_CLASSES_IN_STUDY = path_of("ModalitiesInStudy"), path_of("SOPClassesInStudy")
STUDY_DATE, STUDY_TIME = path_of("StudyDate"), path_of("StudyTime")
MODALITY = path_of("Modality")
PLAIN: dict[str, ColumnElement[Any]] = {
    PATIENT_ID: study.c.patient_id,
    ISSUER: study.c.issuer,
    SEX: study.c.sex,
    index.STUDY_INSTANCE_UID: study.c.study_uid,
    path_of("AccessionNumber"): study.c.accession_number,
    path_of("StudyID"): study.c.study_id,
    path_of("StudyDescription"): study.c.description,
    index.SERIES_INSTANCE_UID: series.c.series_uid,
    MODALITY: series.c.modality,
    path_of("SeriesDescription"): series.c.description,
    index.SOP_INSTANCE_UID: instance.c.sop_instance_uid,
    index.SOP_CLASS_UID: instance.c.sop_class_uid,
}
NUMBERS: dict[str, ColumnElement[Any]] = {path_of("SeriesNumber"): series.c.number, path_of("InstanceNumber"): instance.c.number}
FOLDED: dict[str, ColumnElement[Any]] = {
    path_of("StudyDescription"): study.c.description_folded,
    path_of("ReferringPhysicianName"): study.c.referring_folded,
}
ATTRIBUTES = {"PATIENT": study.c.attributes, "STUDY": study.c.attributes, "SERIES": series.c.attributes, "IMAGE": instance.c.attributes}
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
SORTABLE: dict[str, ColumnElement[Any]] = {
    "study_date": study.c.study_date, "patient_name": study.c.name_folded, "received_at": study.c.received_last_at,
    "birth_date": study.c.birth_date, "patient_id": study.c.patient_id, "accession_number": study.c.accession_number,
    "description": study.c.description_folded, "site": study.c.site_id, "modality": study.c.modalities,
    "instance_count": study.c.instance_count,
}  # fmt: skip


def search(tx: Tx, scope: Scope, query: Query) -> tuple[list[dict[str, Any]], bool, int, tuple[str, ...]]:
    """One page: rows (attributes by path and derived values), whether more follow, the total (-1: not asked), unknown keys."""
    conditions, unsupported = _conditions(scope, query)
    if query.level is Level.PATIENT:
        statement = _patients(conditions)
    else:
        statement = _levels(query, conditions)
    found = tx.execute(statement.limit(query.limit + 1).offset(query.offset)).all()
    total = -1
    if query.count_total:
        total = int(tx.execute(select(func.count()).select_from(statement.order_by(None).subquery())).scalar_one())
    rows = [_READ[query.level](row) for row in found[: query.limit]]
    _add_sop_classes(tx, query, rows)
    return rows, len(found) > query.limit, total, unsupported


def _conditions(scope: Scope, query: Query) -> tuple[list[ColumnElement[bool]], tuple[str, ...]]:
    conditions: list[ColumnElement[bool]] = [scope.condition(study.c.site_id)]
    unsupported = []
    for path, value in query.match.items():
        if value in ("", "*"):
            continue
        condition = _match(path, value, query)
        if condition is None:
            unsupported.append(path)
        else:
            conditions.append(condition)
    conditions += [_word(word) for word in query.words]
    if query.site_id:
        conditions.append(study.c.site_id == query.site_id)
    if query.flagged:
        conditions.append(study.c.flags != "")
    if not query.include_rejected:
        shown = {Level.IMAGE: instance.c.rejection_id == "", Level.SERIES: series.c.hidden.is_(False)}
        conditions.append(shown.get(query.level, study.c.hidden.is_(False)))
    return conditions, tuple(unsupported)


def _match(path: str, value: str, query: Query) -> ColumnElement[bool] | None:
    if path == MODALITIES_IN_STUDY:
        return _in_study(series.c.modality, value)
    if path == SOP_CLASSES_IN_STUDY:
        return _in_study(instance.c.sop_class_uid, value, of=instance)
    one = BY_PATH.get(path)
    if one is None:
        return None
    if LEVELS.index(one.level) > max(1, LEVELS.index(query.level.value)):
        return _below(path, value, one.level)
    if path == PATIENT_NAME:
        return _person_name(study.c.name_folded, value, query.fuzzy, other=study.c.other_name_folded)
    if path == BIRTH_DATE:
        return study.c.birth_date.between(*text.date_range(value))
    if path == STUDY_DATE:
        return study.c.study_date.between(*text.date_range(value))
    if path == STUDY_TIME:
        return study.c.study_time.between(*text.time_range(value))
    if path in NUMBERS:
        return NUMBERS[path] == int(value) if value.strip().lstrip("+-").isdigit() and len(value) < 11 else false()
    if path in FOLDED and (one.vr == "PN" or query.folded):
        return _person_name(FOLDED[path], value, query.fuzzy) if one.vr == "PN" else _like(FOLDED[path], f"*{text.fold_pattern(value)}*")
    if path in PLAIN:
        return _single(PLAIN[path], value, one.vr)
    return _indexed(path, value, one.vr, ATTRIBUTES[one.level])


def _below(path: str, value: str, level: str) -> ColumnElement[bool]:
    """A key of a lower level narrows to studies (or series) that hold a match there: relational queries."""
    one = BY_PATH[path]
    if level == "SERIES":
        condition = _single(PLAIN[path], value, one.vr) if path in PLAIN else _indexed(path, value, one.vr, series.c.attributes)
        return exists().where(series.c.study_uid == study.c.study_uid, condition).correlate(study)
    condition = _single(PLAIN[path], value, one.vr) if path in PLAIN else _indexed(path, value, one.vr, instance.c.attributes)
    return exists().where(instance.c.study_uid == study.c.study_uid, condition).correlate(study, series)


def _in_study(column: ColumnElement[Any], value: str, of: Any = series) -> ColumnElement[bool]:
    return exists().where(of.c.study_uid == study.c.study_uid, _single(column, value, "CS")).correlate(study)


def _single(column: ColumnElement[Any], value: str, vr: str) -> ColumnElement[bool]:
    """Single value, wildcard or list of values (PS3.4 C.2.2.2.1 to 4)."""
    values = [v.strip(" \0") for v in value.split("\\") if v.strip(" \0")]
    if vr != "UI" and any(text.has_wildcard(v) for v in values):
        return or_(*(_like(column, v) for v in values))
    return column.in_(values) if len(values) != 1 else column == values[0]


def _like(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    prefix = pattern.rstrip("*")
    if prefix and pattern.endswith("*") and not text.has_wildcard(prefix):
        return and_(column >= prefix, column < _after(prefix))
    return column.like(text.like_pattern(pattern), escape="\\")


def _after(prefix: str) -> str:
    """The first text after all that start with ``prefix`` (up to the last code point that UTF-8 and UTF-16 order alike)."""
    return prefix + "\U0010ffff"


def _person_name(column: ColumnElement[Any], value: str, fuzzy: bool, other: ColumnElement[Any] | None = None) -> ColumnElement[bool]:
    alternatives: list[ColumnElement[bool]] = []
    for group in [g for g in value.split("=") if g.strip()]:
        pattern = text.fold_pattern(group)
        if fuzzy:
            words = [w for w in pattern.replace("*", " ").replace("?", " ").split() if w]
            alternatives.append(and_(*(or_(_like(column, f"{w}*"), _like(column, f"* {w}*")) for w in words)))
            continue
        for target in filter(lambda c: c is not None, (column, other)):
            alternatives.append(_like(target, pattern) if text.has_wildcard(pattern) else target == pattern)  # type: ignore[arg-type]
    return or_(*alternatives) if alternatives else false()


def _indexed(path: str, value: str, vr: str, attributes: ColumnElement[Any]) -> ColumnElement[bool]:
    """An attribute without a column of its own; any of its values may match."""
    column: ColumnElement[Any] = attributes[path].as_string()
    if vr in ("DA", "TM", "DT") and "-" in value[1:]:
        low, high = {"DA": text.date_range, "TM": text.time_range, "DT": text.datetime_range}[vr](value)
        return column.between(low, high)
    within = literal("\\").concat(func.coalesce(column, "")).concat("\\")
    parts = [p for p in value.split("\\") if p]
    if vr == "PN":
        return or_(*(func.upper(within).like(f"%\\\\{text.like_pattern(p.upper())}\\\\%", escape="\\") for p in parts))
    return or_(*(within.like(f"%\\\\{text.like_pattern(p)}\\\\%", escape="\\") for p in parts))


def _word(word: str) -> ColumnElement[bool]:
    """A word of the web's search box: the start of a name's part, an id, an accession number, or within the description."""
    folded, bare = text.fold(word), word.strip()
    choices = [
        study.c.patient_id == bare,
        study.c.accession_number == bare,
        study.c.study_uid == bare,
        _like(study.c.patient_id, f"{bare}*"),
    ]
    choices.append(_like(study.c.accession_number, f"{bare}*"))
    if folded:
        choices += [_like(study.c.name_folded, f"{folded}*"), _like(study.c.name_folded, f"* {folded}*")]
        choices.append(_like(study.c.description_folded, f"*{folded}*"))
    return or_(*choices)


def _patients(conditions: list[ColumnElement[bool]]) -> Select[Any]:
    s = study.c
    counted = (
        select(
            s.patient_key,
            func.count().label("studies"),
            func.sum(s.series_count).label("series"),
            func.sum(s.instance_count).label("instances"),
        )
        .where(*conditions)
        .group_by(s.patient_key)
        .subquery()
    )
    p = patient.c
    columns = (p.patient_id, p.issuer, p.attributes, counted.c.studies, counted.c.series, counted.c.instances)
    return select(*columns).join(counted, counted.c.patient_key == p.id).order_by(p.name_folded, p.patient_id, p.issuer)


def _levels(query: Query, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    source: FromClause = study
    columns: list[Any] = [study]
    order: list[ColumnElement[Any]] = [study.c.study_date.desc(), study.c.study_time.desc(), study.c.study_uid.desc()]
    if query.level is not Level.STUDY:
        source = source.join(series, series.c.study_uid == study.c.study_uid)
        columns.append(_labelled(series))
        order += [series.c.number, series.c.series_uid]
    if query.level is Level.IMAGE:
        source = source.join(instance, and_(instance.c.study_uid == series.c.study_uid, instance.c.series_uid == series.c.series_uid))
        columns.append(_labelled(instance))
        order += [instance.c.number, instance.c.sop_instance_uid]
    chosen = [SORTABLE[o.lstrip("-")].desc() if o.startswith("-") else SORTABLE[o].asc() for o in query.order]
    flat = [c for column in columns for c in (column if isinstance(column, list) else [column])]
    return select(*flat).select_from(source).where(*conditions).order_by(*chosen, *order)


def _labelled(table: Any) -> list[Any]:
    return [column.label(f"{table.name}_{column.name}") for column in table.c]


def _read_patient(row: Any) -> dict[str, Any]:
    attributes = {**row.attributes, PATIENT_ID: row.patient_id}
    if not row.issuer.startswith(("site:", "study:")):
        attributes[ISSUER] = row.issuer
    return {
        "attributes": attributes, "patient_studies": row.studies, "patient_series": int(row.series), "patient_instances": int(row.instances)
    }  # fmt: skip


def _read_study(row: Any) -> dict[str, Any]:
    return {
        "attributes": {**row.attributes, index.STUDY_INSTANCE_UID: row.study_uid}, "study_uid": row.study_uid,
        "modalities": row.modalities, "series_count": row.series_count, "instance_count": row.instance_count,
        "row": row,
    }  # fmt: skip


def _read_series(row: Any) -> dict[str, Any]:
    found = _read_study(row)
    found["attributes"] = {**found["attributes"], **row.archive_series_attributes, index.SERIES_INSTANCE_UID: row.archive_series_series_uid}
    found["series_instances"] = row.archive_series_instance_count
    return found


def _read_instance(row: Any) -> dict[str, Any]:
    found = _read_series(row)
    uids = {index.SOP_INSTANCE_UID: row.archive_instance_sop_instance_uid, index.SOP_CLASS_UID: row.archive_instance_sop_class_uid}
    found["attributes"] = {**found["attributes"], **row.archive_instance_attributes, **uids}
    found["transfer_syntax_uid"] = row.archive_instance_transfer_syntax_uid
    return found


_READ: dict[Level, Callable[[Any], dict[str, Any]]] = {
    Level.PATIENT: _read_patient,
    Level.STUDY: _read_study,
    Level.SERIES: _read_series,
    Level.IMAGE: _read_instance,
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
