"""SQL of searching."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from sqlalchemy import ColumnElement, FromClause, Select, and_, bindparam, cast, exists, false, func, literal, or_, select, true, tuple_

from archipel.archive import bounds, rows_found, rows_instances, rows_narrow
from archipel.archive.arrival import BIRTH_DATE, FOLDED, ISSUER, ISSUER_UNIVERSAL, MADE_UP_ISSUERS, PATIENT_ID, PATIENT_NAME, SEX
from archipel.archive.model import Level, Query
from archipel.archive.rows import instance, series, study, words
from archipel.dicom import index, text
from archipel.dicom.index import BY_PATH, path_of
from archipel.kit.database import Tx
from archipel.kit.errors import Invalid
from archipel.kit.scope import Scope

MODALITIES_IN_STUDY = path_of("ModalitiesInStudy")
STUDY_DATE, STUDY_TIME = path_of("StudyDate"), path_of("StudyTime")
MODALITY = path_of("Modality")
PLAIN: dict[str, ColumnElement[Any]] = {
    PATIENT_ID: study.c.patient_id,
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
NO_NUMBER = 2**31  # the first that neither an IS nor the index can hold
DESCRIPTION = path_of("StudyDescription")
ATTRIBUTES = {"PATIENT": study.c.attributes, "STUDY": study.c.attributes, "SERIES": series.c.attributes, "IMAGE": instance.c.attributes}
# Read values of these VRs as instants: how to read a key, and what completes a stored value that leaves parts out.
INSTANTS = {
    "DA": (text.date_range, "00000101", "."),
    "TM": (text.time_range, "000000.000000", ":"),
    "DT": (text.datetime_range, "00000101000000.000000", ""),
}
# Keys that a handful of studies share: those are read at once.
ONE_OF_FEW = (PATIENT_ID, index.STUDY_INSTANCE_UID, path_of("AccessionNumber"))
LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
SORTABLE: dict[str, ColumnElement[Any]] = {
    "study_date": study.c.study_date, "patient_name": study.c.name_folded, "received_at": study.c.received_last_at,
    "birth_date": study.c.birth_date, "patient_id": study.c.patient_id, "accession_number": study.c.accession_number,
    "description": study.c.description_folded, "site": study.c.site_id, "modality": study.c.modalities,
    "instance_count": study.c.instance_count,
}  # fmt: skip


def search(tx: Tx, scope: Scope, query: Query) -> tuple[list[dict[str, Any]], bool, int, tuple[str, ...]]:
    """One page: rows (attributes by path and derived values), whether more follow, the total (-1: not asked), unknown keys."""
    conditions, unsupported = conditions_of(tx, scope, query)
    if query.level is Level.STUDY:
        statement, counted = _study_page(tx, query, conditions)
    else:
        whole = _patients(conditions) if query.level is Level.PATIENT else levels(query, conditions)
        statement, counted = whole.limit(query.limit + 1).offset(query.offset), whole
    found = tx.execute(statement).all()
    total = -1
    if query.count_total:
        total = int(tx.execute(select(func.count()).select_from(counted.order_by(None).subquery())).scalar_one())
    rows = rows_found.read(tx, query, found[: query.limit])
    return rows, len(found) > query.limit, total, unsupported


def conditions_of(tx: Tx, scope: Scope, query: Query) -> tuple[list[ColumnElement[bool]], tuple[str, ...]]:
    bounds.check(query)
    conditions: list[ColumnElement[bool]] = []
    below: dict[str, list[ColumnElement[bool]]] = {}
    unsupported = []
    for path, raw in query.match.items():
        value = _bindable(raw)
        one = BY_PATH.get(path)
        if not value.strip(" *"):
            continue
        if path == PATIENT_NAME and not query.fuzzy:
            conditions.append(_person_name(tx, value))
        elif path == MODALITIES_IN_STUDY:
            conditions += _few_of_modalities(tx, value, query)
            conditions.append(_in_study(series, series.c.modality, value, "CS", query))
        elif path == rows_found.SOP_CLASSES_IN_STUDY:
            conditions += [of_classes(classes, query)] if (classes := values_of(value)) else []
        elif one is None:
            unsupported.append(path)
        elif LEVELS.index(one.level) > max(1, LEVELS.index(query.level.value)):
            below.setdefault(one.level, []).append(_match(path, value, query))
        else:
            conditions.append(_match(path, value, query))
    if below:
        conditions.append(_below(below, query))
    conditions += [_word(_bindable(word)) for word in query.words]
    # A site holds a good part of the archive: its index serves where nothing else narrows more, and gives the newest first.
    by_date = not query.order or query.order[0].lstrip("-") == "study_date"
    site = study.c.site_id if by_date and not conditions and not below else rows_narrow.unindexed(tx, study.c.site_id)
    conditions.append(scope.condition(site))
    if query.site_id:
        conditions.append(site == query.site_id)
    if query.flagged:
        conditions.append(study.c.flags != "")
    if not query.include_rejected:
        shown = {Level.IMAGE: instance.c.rejection_id == "", Level.SERIES: series.c.hidden.is_(False)}
        conditions.append(shown.get(query.level, study.c.hidden.is_(False)))
    return conditions, tuple(unsupported)


def _bindable(value: str) -> str:
    """The value as every database takes it: no NUL, no lone surrogates."""
    return value.replace("\0", "").encode("utf-8", "replace").decode()


def _match(path: str, value: str, query: Query) -> ColumnElement[bool]:
    """The condition of one indexed key on the table of its own level."""
    one = BY_PATH[path]
    attributes = ATTRIBUTES[one.level]
    if path == PATIENT_NAME:
        return _all_words(value, literal(" ").concat(study.c.name_folded).concat(func.replace(study.c.other_name_folded, "=", " ")))
    if path == BIRTH_DATE:
        return study.c.birth_date.between(*text.date_range(value))
    if path == STUDY_DATE:
        return study.c.study_date.between(*text.date_range(value))
    if path == STUDY_TIME:
        return study.c.study_time.between(*text.time_range(value))
    if path in NUMBERS:
        asked = int(value) if re.fullmatch(r" *[+-]?[0-9]{1,10} *", value) else NO_NUMBER
        return NUMBERS[path] == asked if -NO_NUMBER <= asked < NO_NUMBER else false()
    if path == DESCRIPTION and query.folded:
        return _like(study.c.description_folded, f"*{text.fold_pattern(value)}*")
    if path == ISSUER:
        return _issuer(value)
    if path in PLAIN:
        return _single(PLAIN[path], value, one.vr)
    if one.vr in INSTANTS:
        return _instant(attributes[path].as_string(), value, one.vr)
    if one.vr == "PN":
        return _indexed_name(attributes[path + FOLDED].as_string(), value, query.fuzzy)
    return _indexed(attributes[path].as_string(), value)


def _below(below: dict[str, list[ColumnElement[bool]]], query: Query) -> ColumnElement[bool]:
    """Keys of lower levels narrow to studies (or series) that hold one object meeting them all: relational queries."""
    found = exists().where(*(condition for some in below.values() for condition in some))
    if "IMAGE" in below and query.level is Level.SERIES:
        joined = (instance.c.study_uid == series.c.study_uid, instance.c.series_uid == series.c.series_uid)
        return found.where(*joined, *_shown(instance, query)).correlate(study, series)
    if "SERIES" in below:
        found = found.where(series.c.study_uid == study.c.study_uid, *_shown(series, query))
    if "IMAGE" in below:
        found = found.where(instance.c.study_uid == study.c.study_uid, *_shown(instance, query))
        if "SERIES" in below:
            found = found.where(instance.c.series_uid == series.c.series_uid)
    return found.correlate(study)


def _in_study(table: Any, column: ColumnElement[Any], value: str, vr: str, query: Query) -> ColumnElement[bool]:
    return exists().where(table.c.study_uid == study.c.study_uid, _single(column, value, vr), *_shown(table, query)).correlate(study)


def values_of(value: str) -> list[str]:
    """The values of a key of UIDs."""
    return [one for part in _bindable(value).split("\\") if (one := part.strip(" *"))]


def of_classes(classes: list[str], query: Query) -> ColumnElement[bool]:
    """Whether a study holds instances of one of these classes."""
    of_study = series.c.study_uid == study.c.study_uid
    return exists().where(of_study, or_(*map(rows_instances.has_class, classes)), *_shown(series, query)).correlate(study)


def _shown(table: Any, query: Query) -> list[ColumnElement[bool]]:
    """What is rejected narrows nothing, unless rejected exams are asked for."""
    if query.include_rejected:
        return []
    return [series.c.hidden.is_(False) if table is series else instance.c.rejection_id == ""]


def _issuer(value: str) -> ColumnElement[bool]:
    """The issuer as it is shown: the one received, or the one that the site gives to Patient IDs without any."""
    universal, column = func.coalesce(study.c.attributes[ISSUER_UNIVERSAL].as_string(), ""), study.c.issuer
    given = and_(_single(column, value, "LO"), universal == "", *(column.not_like(f"{prefix}%") for prefix in MADE_UP_ISSUERS))
    return or_(_indexed(study.c.attributes[ISSUER].as_string(), value), given)


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


def _person_name(tx: Tx, value: str) -> ColumnElement[bool]:
    """Any group of the key against the alphabetic column, and against ``=ideographic=phonetic=`` (PS3.5 6.2.1)."""
    alternatives: list[ColumnElement[bool]] = []
    column, other = study.c.name_folded, study.c.other_name_folded
    for group in _groups(value):
        pattern = text.fold_pattern(group)
        alternatives.append(_like(column, pattern) if text.has_wildcard(pattern) else column == pattern)
        within = f"%={text.like_pattern(pattern)}=%"
        listed = rows_narrow.otherwise_named(tx, within)
        if listed is None:
            alternatives.append(and_(rows_narrow.OTHER_NAMED, other.like(within, escape="\\")))
        elif listed:
            alternatives.append(study.c.study_uid.in_(listed))
    return or_(*alternatives) if alternatives else true()


def _few_of_modalities(tx: Tx, value: str, query: Query) -> list[ColumnElement[bool]]:
    """Where few studies of the dates have these modalities: the texts of combined modalities that those have."""
    values = [v.strip() for v in value.split("\\") if v.strip()]
    if query.include_rejected or any(text.has_wildcard(v) for v in values):
        return []
    asked = query.match.get(STUDY_DATE, "")
    found = rows_narrow.combinations(tx, values, text.date_range(asked) if asked.strip(" *") else (text.DATE_MIN, text.DATE_MAX))
    return [] if found is None else [study.c.modalities.in_(found)]


def _indexed_name(column: ColumnElement[Any], value: str, fuzzy: bool) -> ColumnElement[bool]:
    """The same for a name without a column of its own, whose search forms stand between backslashes."""
    if fuzzy:
        return _all_words(value, literal(" ").concat(func.replace(func.coalesce(column, ""), "\\", " ")))
    groups = [text.fold_pattern(group) for group in _groups(value)]
    return or_(*(_within(column, pattern) for pattern in groups)) if groups else true()


def _groups(value: str) -> list[str]:
    return [group for name in value.split("\\") for group in name.split("=") if group.strip()]


def _all_words(value: str, text_of_names: ColumnElement[Any]) -> ColumnElement[bool]:
    """Every word of the key starts a word of the name, in any order."""
    words_asked = bounds.words_of(value)
    return and_(true(), *(text_of_names.like(f"% {text.like_pattern(word)}%", escape="\\") for word in words_asked))


def _instant(column: ColumnElement[Any], value: str, vr: str) -> ColumnElement[bool]:
    """A date or time without a column of its own: a single value is the range that it leaves open (PS3.4 C.2.2.2.5)."""
    read, template, separator = INSTANTS[vr]
    stored = func.replace(column, separator, "") if separator else column
    whole = func.substr(stored.concat(func.substr(literal(template), func.length(stored) + 1)), 1, len(template))
    return and_(column != "", cast(whole, words(30)).between(*read(value)))


def _indexed(column: ColumnElement[Any], value: str) -> ColumnElement[bool]:
    """A text without a column of its own; any of its values may match any of the key's."""
    parts = [part.strip() for part in value.split("\\") if part.strip()]
    return or_(*(_within(column, part) for part in parts)) if parts else true()


def _within(column: ColumnElement[Any], pattern: str) -> ColumnElement[bool]:
    """Whether one of the values that backslashes separate matches."""
    within = literal("\\").concat(func.coalesce(column, "")).concat("\\")
    return within.like(f"%\\\\{text.like_pattern(pattern)}\\\\%", escape="\\")


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
        # the ideographic and phonetic groups, each between equal signs
        choices += [_like(study.c.other_name_folded, f"*={folded}*"), _like(study.c.other_name_folded, f"* {folded}*")]
        choices.append(_like(study.c.description_folded, f"*{folded}*"))
    return or_(*choices)


def _patients(conditions: list[ColumnElement[bool]]) -> Select[Any]:
    """Patients as one of the exams found names them: another site may name a shared Patient ID otherwise, and that is not shown."""
    s = study.c
    counted = (
        select(
            func.min(s.study_uid).label("study_uid"),
            func.count().label("studies"),
            func.sum(s.series_count).label("series"),
            func.sum(s.instance_count).label("instances"),
        )
        .where(*conditions)
        .group_by(s.patient_key)
        .subquery()
    )
    columns = (s.patient_id, s.issuer, s.attributes, counted.c.studies, counted.c.series, counted.c.instances)
    return select(*columns).join(counted, counted.c.study_uid == s.study_uid).order_by(s.name_folded, s.patient_id, s.issuer)


def _study_page(tx: Tx, query: Query, conditions: list[ColumnElement[bool]]) -> tuple[Select[Any], Select[Any]]:
    """One page of studies, and the keys of all of them. The page's keys are found first: what is skipped is not read."""
    order = order_of(query)
    keys = select(study.c.study_uid).where(*conditions)
    ordered = sorted_by(order)
    if query.after:
        page = keys.where(behind(order, query.after))
    elif not query.offset and any(path in query.match and not text.has_wildcard(query.match[path]) for path in ONE_OF_FEW):
        return select(study).where(*conditions).order_by(*ordered).limit(query.limit + 1), keys
    elif tx.dialect == "postgresql" and _begins_with_a_name(query):
        # Its planner would walk the archive by date and hope; an offset, if of 0, makes it take the name's index.
        named = select(*(column for column, _ in order)).where(*conditions).offset(0).subquery()
        order = [(named.c[str(column.key)], falls) for column, falls in order]
        page = select(named.c.study_uid).offset(query.offset)
    else:
        page = keys.offset(query.offset) if query.offset else keys
    page = page.order_by(*sorted_by(order)).limit(query.limit + 1)
    return select(study).where(study.c.study_uid.in_(page)).order_by(*ordered), keys


def _begins_with_a_name(query: Query) -> bool:
    """Whether the name is known from its first letter on."""
    name = text.fold_pattern(query.match.get(PATIENT_NAME, ""))
    return not query.fuzzy and bool(name) and not text.has_wildcard(name[0])


def order_of(query: Query) -> list[tuple[ColumnElement[Any], bool]]:
    """Columns with whether they fall: what was asked for, then the newest first; the last is unique."""
    chosen = [(SORTABLE[name.lstrip("-")], name.startswith("-")) for name in query.order]
    taken = {column.key for column, _ in chosen}
    return chosen + [(c, True) for c in (study.c.study_date, study.c.study_time, study.c.study_uid) if c.key not in taken]


def sorted_by(order: list[tuple[ColumnElement[Any], bool]]) -> list[ColumnElement[Any]]:
    return [column.desc() if falls else column.asc() for column, falls in order]


def place_after(query: Query, rows: list[dict[str, Any]], more: bool) -> tuple[str | int, ...]:
    """Where a page of studies ends, for the next one; nothing when none follows."""
    if not more or query.level is not Level.STUDY or not rows:
        return ()
    return tuple(getattr(rows[-1]["row"], str(column.key)) for column, _ in order_of(query))


def behind(order: list[tuple[ColumnElement[Any], bool]], place: Sequence[str | int]) -> ColumnElement[bool]:
    """The condition on what comes after a place; Invalid for one that is none in this order."""
    if len(place) != len(order) or not all(_may_hold(column, value) for (column, _), value in zip(order, place, strict=True)):
        raise Invalid("This is no place of this list in this order.", code="cursor", field="cursor")
    if all(falls for _, falls in order):  # one comparison of rows, which an index answers
        return tuple_(*(column for column, _ in order)) < tuple_(
            *(bindparam(None, v, c.type) for (c, _), v in zip(order, place, strict=True))
        )
    condition: ColumnElement[bool] = false()
    for (column, falls), value in reversed(list(zip(order, place, strict=True))):
        beyond = column < value if falls else column > value
        condition = or_(beyond, and_(column == value, condition))
    first, falls = order[0]
    return and_(first <= place[0] if falls else first >= place[0], condition)  # the bound is for the index


def _may_hold(column: ColumnElement[Any], value: object) -> bool:
    if column.type.python_type is int:
        return type(value) is int and -NO_NUMBER <= value < NO_NUMBER
    return isinstance(value, str) and value == _bindable(value)


def levels(query: Query, conditions: list[ColumnElement[bool]]) -> Select[Any]:
    """Series with their study, or instances."""
    source: FromClause = study.join(series, series.c.study_uid == study.c.study_uid)
    columns: tuple[Any, ...] = (study, *rows_found.SERIES_COLUMNS)
    order = [*sorted_by(order_of(query)), series.c.number.nulls_last(), series.c.series_uid]
    if query.level is Level.IMAGE:
        source = source.join(instance, and_(instance.c.study_uid == series.c.study_uid, instance.c.series_uid == series.c.series_uid))
        columns = rows_found.INSTANCE_COLUMNS
        order += [instance.c.number.nulls_last(), instance.c.sop_instance_uid]
    return select(*columns).select_from(source).where(*conditions).order_by(*order)
