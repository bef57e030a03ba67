"""Find: one search for QIDO-RS, C-FIND and the web app, answered in DICOM JSON (PS3.18 F)."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

from archipel.archive import rows_find, rows_walk
from archipel.archive.model import Level, Page, Query
from archipel.dicom.charset import SINGLE_TEXT_VRS
from archipel.dicom.index import BY_PATH, STUDY_INSTANCE_UID, path_of
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

PAGE = 1000

# Derived attributes: (path, VR, level, name of the value in the row).
_DERIVED = tuple(
    (path_of(keyword), vr, level, name)
    for keyword, vr, level, name in (
        ("NumberOfPatientRelatedStudies", "IS", Level.PATIENT, "patient_studies"),
        ("NumberOfPatientRelatedSeries", "IS", Level.PATIENT, "patient_series"),
        ("NumberOfPatientRelatedInstances", "IS", Level.PATIENT, "patient_instances"),
        ("ModalitiesInStudy", "CS", Level.STUDY, "modalities"),
        ("SOPClassesInStudy", "UI", Level.STUDY, "sop_classes_in_study"),
        ("NumberOfStudyRelatedSeries", "IS", Level.STUDY, "series_count"),
        ("NumberOfStudyRelatedInstances", "IS", Level.STUDY, "instance_count"),
        ("NumberOfSeriesRelatedInstances", "IS", Level.SERIES, "series_instances"),
        ("AvailableTransferSyntaxUID", "UI", Level.IMAGE, "transfer_syntax_uid"),
    )
)
INSTANCE_AVAILABILITY = path_of("InstanceAvailability")
DERIVED_PATHS = frozenset(path for path, *_ in _DERIVED) | {INSTANCE_AVAILABILITY}
_ORDER = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
_NUMERIC = frozenset({"IS", "DS", "US", "SS", "UL", "SL", "FL", "FD"})

# Returned when nothing is named (PS3.18 10.6.3.3, tables of required attributes), with the unique keys of the levels above.
DEFAULTS: dict[Level, frozenset[str]] = {
    Level.PATIENT: frozenset(map(path_of, ("PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex"))),
    Level.STUDY: frozenset(
        map(
            path_of,
            (
                "StudyDate", "StudyTime", "AccessionNumber", "ModalitiesInStudy", "ReferringPhysicianName", "TimezoneOffsetFromUTC",
                "PatientName", "PatientID", "IssuerOfPatientID", "PatientBirthDate", "PatientSex", "StudyInstanceUID", "StudyID",
                "NumberOfStudyRelatedSeries", "NumberOfStudyRelatedInstances", "InstanceAvailability", "StudyDescription",
            ),
        )
    ),
    Level.SERIES: frozenset(
        map(
            path_of,
            (
                "Modality", "TimezoneOffsetFromUTC", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber", "SeriesDate", "SeriesTime",
                "NumberOfSeriesRelatedInstances", "PerformedProcedureStepStartDate", "PerformedProcedureStepStartTime",
                "RequestAttributesSequence.ScheduledProcedureStepID", "RequestAttributesSequence.RequestedProcedureID",
                "StudyInstanceUID", "InstanceAvailability", "BodyPartExamined",
            ),
        )
    ),
    Level.IMAGE: frozenset(
        map(
            path_of,
            (
                "SOPClassUID", "SOPInstanceUID", "InstanceAvailability", "TimezoneOffsetFromUTC", "InstanceNumber", "Rows", "Columns",
                "BitsAllocated", "NumberOfFrames", "StudyInstanceUID", "SeriesInstanceUID",
            ),
        )
    ),
}  # fmt: skip


def find(tx: Tx, scope: Scope, query: Query) -> Page:
    """The rows of one page at the query's level, in a stable order, and whether more follow.

    ``Page.unsupported`` names match keys that are not indexed; they did not narrow the search. Raises Invalid for a value that
    its VR cannot hold.
    """
    found, more, total, unsupported = rows_walk.search(tx, scope, query)
    return Page(_to_json(found, query), total, more, unsupported, rows_find.place_after(query, found, more))


def wanted_paths(query: Query) -> frozenset[str] | None:
    """The paths that a row shows: what was named, or None for all."""
    if query.include is None:
        return None
    return query.include | frozenset(query.match)


def _to_json(found: list[dict[str, Any]], query: Query) -> list[dict[str, Any]]:
    """Each row as DICOM JSON. What rows of one study or series share is made once and stands in each of them."""
    wanted = wanted_paths(query)
    level = _ORDER.index(query.level)
    # What is wanted and empty is shown without a value.
    blank: dict[str, Any] = {
        path: {"vr": BY_PATH[path].vr}
        for path in wanted or ()
        if path in BY_PATH and "." not in path and _ORDER.index(Level(BY_PATH[path].level)) <= level
    }
    derived = [
        (path, vr, name) for path, vr, of, name in _DERIVED if _ORDER.index(of) <= level and (wanted is None or path in wanted)
    ]  # fmt: skip
    if query.level is not Level.PATIENT and (wanted is None or INSTANCE_AVAILABILITY in wanted):
        blank[INSTANCE_AVAILABILITY] = {"vr": "CS", "Value": ["ONLINE"]}
    shared: dict[int, dict[str, Any]] = {}
    rows = []
    for row in found:
        out = dict(blank)
        *above, own = row["parts"]
        for part in above:
            made = shared.get(id(part))
            if made is None:
                made = shared[id(part)] = _attributes(part, wanted)
            out.update(made)
        out.update(_attributes(own, wanted))
        for path, vr, name in derived:
            if name in row:
                value = row[name]
                _put(out, path, vr, value.split(" ") if isinstance(value, str) and value else [] if value in ("", None) else [str(value)])
        rows.append(dict(sorted(out.items())))
    return rows


def header_values(tx: Tx, scope: Scope, study_uid: str) -> Iterator[dict[str, tuple[str, ...]]]:
    """All that is indexed of each instance that an exam shows, as texts by path, as a header gives them."""
    offset, more = 0, True
    while more:
        page = find(tx, scope, Query(Level.IMAGE, {STUDY_INSTANCE_UID: study_uid}, None, limit=PAGE, offset=offset))
        yield from (dict(_flat(row, "")) for row in page.rows)
        offset, more = offset + PAGE, page.more


def _flat(row: dict[str, Any], prefix: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """DICOM JSON as texts by path; of a sequence the first item."""
    for tag, element in row.items():
        values = element.get("Value", [])
        if element["vr"] == "SQ":
            yield from _flat(values[0], f"{prefix}{tag}.") if values else ()
        else:
            yield prefix + tag, tuple(_text(value) for value in values)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "=".join(value.get(group, "") for group in ("Alphabetic", "Ideographic", "Phonetic")).rstrip("=")
    return "" if value is None else str(value)


def _attributes(part: dict[str, str], wanted: frozenset[str] | None) -> dict[str, Any]:
    """The indexed attributes of one level that are wanted."""
    out: dict[str, Any] = {}
    for path, value in sorted(part.items()):
        known = BY_PATH.get(path)
        if known is not None and (wanted is None or path in wanted or path.split(".")[0] in wanted):
            several = "." in path or known.vr not in SINGLE_TEXT_VRS
            _put(out, path, known.vr, value.split("\\") if several else [value])
    return out


def _put(out: dict[str, Any], path: str, vr: str, values: list[str]) -> None:
    head, _, rest = path.partition(".")
    if not rest:
        out[head] = {"vr": vr, "Value": [_value(vr, v) for v in values]} if any(values) else {"vr": vr}
        return
    items = out.setdefault(head, {"vr": "SQ", "Value": []})["Value"]
    for number, value in enumerate(values):
        while len(items) <= number:
            items.append({})
        _put(items[number], rest, vr, [value])


def _value(vr: str, text: str) -> Any:
    if not text:
        return None
    if vr == "PN":
        return {group: part for group, part in zip(("Alphabetic", "Ideographic", "Phonetic"), text.split("="), strict=False) if part}
    if vr in _NUMERIC:
        try:
            number = float(text)
        except ValueError:
            return text
        if not math.isfinite(number):  # JSON has no form for it
            return text
        return int(number) if number.is_integer() and abs(number) < 2**53 else number
    return text
