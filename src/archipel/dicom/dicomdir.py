"""The directory of a DICOM file-set, from headers alone (PS3.10 8, PS3.3 F)."""

from __future__ import annotations

import io
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from struct import Struct
from typing import Any

from archipel.dicom import charset, index, part10, uids
from archipel.dicom.jsonmodel import Json, dataset_bytes
from archipel.dicom.recode import Form
from archipel.kit.errors import Invalid

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
FILE_NAME = "DICOMDIR"
_FORM = Form(explicit=True, big=False)
_COMPONENT = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")

#: SOP classes by the start of their UID -> type of record; what is not named is an IMAGE (PS3.3 table F.4-1).
_TYPES: tuple[tuple[str, str], ...] = (
    ("1.2.840.10008.5.1.4.1.1.88.59", "KEY OBJECT DOC"),
    ("1.2.840.10008.5.1.4.1.1.88.", "SR DOCUMENT"),
    ("1.2.840.10008.5.1.4.1.1.11.", "PRESENTATION"),
    ("1.2.840.10008.5.1.4.1.1.9.", "WAVEFORM"),
    ("1.2.840.10008.5.1.4.1.1.104.", "ENCAP DOC"),
    ("1.2.840.10008.5.1.4.1.1.481.2", "RT DOSE"),
    ("1.2.840.10008.5.1.4.1.1.481.3", "RT STRUCTURE SET"),
    ("1.2.840.10008.5.1.4.1.1.481.5", "RT PLAN"),
    ("1.2.840.10008.5.1.4.1.1.481.8", "RT PLAN"),
    ("1.2.840.10008.5.1.4.1.1.481.4", "RT TREAT RECORD"),
    ("1.2.840.10008.5.1.4.1.1.481.6", "RT TREAT RECORD"),
    ("1.2.840.10008.5.1.4.1.1.481.7", "RT TREAT RECORD"),
    ("1.2.840.10008.5.1.4.1.1.481.9", "RT TREAT RECORD"),
    ("1.2.840.10008.5.1.4.1.1.66.1", "REGISTRATION"),
    ("1.2.840.10008.5.1.4.1.1.66.2", "FIDUCIAL"),
    ("1.2.840.10008.5.1.4.1.1.66.3", "REGISTRATION"),
    ("1.2.840.10008.5.1.4.1.1.66.5", "SURFACE"),
    ("1.2.840.10008.5.1.4.1.1.66.6", "TRACT"),
    ("1.2.840.10008.5.1.4.1.1.66", "RAW DATA"),
    ("1.2.840.10008.5.1.4.1.1.67", "VALUE MAP"),
    ("1.2.840.10008.5.1.4.1.1.4.2", "SPECTROSCOPY"),
)
_IMAGES = ("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7")
_KEYS: dict[str, tuple[str, ...]] = {
    "PATIENT": ("PatientName", "PatientID", "PatientBirthDate", "PatientSex"),
    "STUDY": ("StudyDate", "StudyTime", "AccessionNumber", "StudyDescription", "StudyInstanceUID", "StudyID"),
    "SERIES": ("Modality", "InstitutionName", "PerformingPhysicianName", "SeriesDescription", "SeriesInstanceUID", "SeriesNumber"),
    "IMAGE": ("ImageType", "InstanceNumber", "Rows", "Columns"),
    "SR DOCUMENT": ("ContentDate", "ContentTime", "InstanceNumber", "CompletionFlag", "VerificationFlag"),
    "KEY OBJECT DOC": ("ContentDate", "ContentTime", "InstanceNumber"),
    "PRESENTATION": ("InstanceNumber", "ContentLabel", "ContentDescription", "PresentationCreationDate", "PresentationCreationTime",
                     "ContentCreatorName"),
    "WAVEFORM": ("ContentDate", "ContentTime", "InstanceNumber"),
    "ENCAP DOC": ("ContentDate", "ContentTime", "InstanceNumber", "DocumentTitle", "MIMETypeOfEncapsulatedDocument"),
}  # fmt: skip
_WITH_CONCEPT = frozenset({"SR DOCUMENT", "KEY OBJECT DOC", "ENCAP DOC"})


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of the set: its name in components, the values of its header by path, its transfer syntax."""

    file_id: tuple[str, ...]
    values: dict[str, tuple[str, ...]]
    transfer_syntax_uid: str


@dataclass(slots=True)
class _Record:
    kind: str
    row: Json
    children: dict[str, _Record] = field(default_factory=dict)
    at: int = 0


def file_ids(headers: Sequence[dict[str, tuple[str, ...]]]) -> list[tuple[str, ...]]:
    """A name for each instance that any medium can bear: a folder for each study and series, numbers in the order given."""
    studies: dict[str, int] = {}
    series: dict[str, int] = {}
    names: list[tuple[str, ...]] = []
    for number, values in enumerate(headers, 1):
        study = studies.setdefault(_first(values, index.STUDY_INSTANCE_UID), len(studies) + 1)
        one = series.setdefault(_first(values, index.SERIES_INSTANCE_UID), len(series) + 1)
        names.append(("DICOM", f"ST{study:06d}", f"SE{one:06d}", f"IM{number:06d}"))
    return names


def build(entries: Iterable[Entry], file_set_id: str = "ARCHIPEL", *, uid: str = "") -> bytes:
    """The DICOMDIR file of the entries. Raises Invalid: bad-name for a name that leaves the file-set or that PS3.10 8.2 forbids.

    With a ``uid`` of its own it is the same file each time for the same entries.
    """
    root: dict[str, _Record] = {}
    for entry in entries:
        _check_name(entry.file_id)
        place = root
        for level, key in (("PATIENT", "PatientID"), ("STUDY", "StudyInstanceUID"), ("SERIES", "SeriesInstanceUID")):
            name = _first(entry.values, index.path_of(key)) or _first(entry.values, index.path_of("PatientName"))
            place = place.setdefault(name, _Record(level, _row(level, entry.values))).children
        kind = record_type(_first(entry.values, index.SOP_CLASS_UID))
        place["/".join(entry.file_id)] = _Record(kind, _row(kind, entry.values) | _reference(entry))
    return _file(root, file_set_id, uid or uids.new_uid())


def record_type(sop_class_uid: str) -> str:
    """Directory Record Type of a SOP class."""
    if sop_class_uid.startswith(_IMAGES):
        return "IMAGE"
    for start, kind in _TYPES:
        if sop_class_uid == start or sop_class_uid.startswith(start if start.endswith(".") else start + "."):
            return kind
    return "IMAGE"


def _check_name(file_id: tuple[str, ...]) -> None:
    if not 1 <= len(file_id) <= 8 or any(not 1 <= len(part) <= 8 or not _COMPONENT.issuperset(part) for part in file_id):
        raise Invalid(
            "A name in the file-set is not made of 1 to 8 letters, digits or underscores", code="bad-name", detail=repr(file_id)[:200]
        )


def _first(values: dict[str, tuple[str, ...]], path: str) -> str:
    found = values.get(path)
    return found[0] if found else ""


def _element(keyword: str, values: dict[str, tuple[str, ...]]) -> Json:
    one = index.BY_KEYWORD[keyword]
    found: list[Any] = [part for part in values.get(one.path, ()) if part]
    if one.vr == "PN":
        found = [dict(zip(("Alphabetic", "Ideographic", "Phonetic"), part.split("="), strict=False)) for part in found]
    elif one.vr == "US":
        found = [int(part) for part in found if part.isdecimal()]
    return {"vr": one.vr, **({"Value": found} if found else {})}


def _row(kind: str, values: dict[str, tuple[str, ...]]) -> Json:
    keys = _KEYS.get(kind, ("InstanceNumber", "ContentDate", "ContentTime"))
    row = {index.path_of(key): _element(key, values) for key in keys}
    if kind in _WITH_CONCEPT:
        code = {
            index.path_of(key): _element(f"ConceptNameCodeSequence.{key}", values)
            for key in ("CodeValue", "CodingSchemeDesignator", "CodeMeaning")
        }
        row["0040A043"] = {"vr": "SQ", "Value": [code]} if any(one.get("Value") for one in code.values()) else {"vr": "SQ"}
    if any(not part.isascii() for key in keys for part in values.get(index.path_of(key), ())):
        row["00080005"] = {"vr": "CS", "Value": [charset.UNICODE]}
    return row


def _reference(entry: Entry) -> Json:
    return {
        "00041500": {"vr": "CS", "Value": list(entry.file_id)},
        "00041510": {"vr": "UI", "Value": [_first(entry.values, index.SOP_CLASS_UID)]},
        "00041511": {"vr": "UI", "Value": [_first(entry.values, index.SOP_INSTANCE_UID)]},
        "00041512": {"vr": "UI", "Value": [entry.transfer_syntax_uid]},
    }


def _file(root: dict[str, _Record], file_set_id: str, uid: str) -> bytes:
    meta = part10.file_meta_bytes(MEDIA_STORAGE_DIRECTORY, uid, uids.EXPLICIT_LITTLE)
    name = file_set_id[:16].upper().encode("ascii", "replace")
    front = _FORM.element(0x00041130, "CS", name + b" " * (len(name) % 2))
    # First and last root record, consistency flag, head of the sequence: sizes are known before the offsets are.
    before = len(meta) + len(front) + 12 + 12 + 10 + 12
    records: list[tuple[_Record, bytes]] = []
    at = before
    stack = list(reversed(root.values()))
    while stack:  # depth first, parents before children
        record = stack.pop()
        body = dataset_bytes(record.row, charset.UNICODE if "00080005" in record.row else "", uids.EXPLICIT_LITTLE)
        record.at = at
        at += 8 + _FIXED + len(_kind(record)) + len(body)
        records.append((record, body))
        stack += reversed(record.children.values())
    following = _following(root)
    out = io.BytesIO()
    out.write(meta + front)
    tops = [one.at for one in root.values()] or [0]
    out.write(_FORM.element(0x00041200, "UL", _U32.pack(tops[0])) + _FORM.element(0x00041202, "UL", _U32.pack(tops[-1])))
    out.write(_FORM.element(0x00041212, "US", b"\0\0") + _FORM.head(0x00041220, "SQ", at - before))
    for record, body in records:
        lower = next((one.at for one in record.children.values()), 0)
        item = (
            _FORM.element(0x00041400, "UL", _U32.pack(following.get(id(record), 0)))
            + _FORM.element(0x00041410, "US", b"\xff\xff")
            + _FORM.element(0x00041420, "UL", _U32.pack(lower))
            + _kind(record)
            + body
        )
        out.write(_FORM.head(0xFFFEE000, "", len(item)) + item)
    return out.getvalue()


_U32 = Struct("<I")
_FIXED = 12 + 10 + 12


def _kind(record: _Record) -> bytes:
    name = record.kind.encode("ascii")
    return _FORM.element(0x00041430, "CS", name + b" " * (len(name) % 2))


def _following(root: dict[str, _Record]) -> dict[int, int]:
    """Offset of the next record of the same parent, by identity of the record."""
    found: dict[int, int] = {}
    todo = [root]
    while todo:
        siblings = list(todo.pop().values())
        found |= {id(one): after.at for one, after in pairwise(siblings)}
        todo += [one.children for one in siblings]
    return found
