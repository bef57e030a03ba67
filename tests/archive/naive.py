"""Matching of PS3.4 C.2.2.2 a second time, over datasets in memory: slow, plain, and sharing nothing with the archive."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping
from typing import Any

from pydicom.datadict import dictionary_VR, tag_for_keyword
from pydicom.dataset import Dataset

LEVELS = ("PATIENT", "STUDY", "SERIES", "IMAGE")
UNIQUE = {"STUDY": "StudyInstanceUID", "SERIES": "SeriesInstanceUID", "IMAGE": "SOPInstanceUID"}
LEVEL_OF = {
    "PatientName": 0, "PatientID": 0, "IssuerOfPatientID": 0, "PatientBirthDate": 0, "PatientSex": 0, "PatientComments": 0,
    "StudyInstanceUID": 1, "StudyDate": 1, "StudyTime": 1, "AccessionNumber": 1, "StudyDescription": 1, "StudyID": 1,
    "ReferringPhysicianName": 1, "NameOfPhysiciansReadingStudy": 1, "InstitutionName": 1, "ProcedureCodeSequence.CodeValue": 1,
    "SeriesInstanceUID": 2, "Modality": 2, "SeriesNumber": 2, "SeriesDescription": 2, "SeriesDate": 2, "SeriesTime": 2,
    "BodyPartExamined": 2, "OperatorsName": 2, "RequestAttributesSequence.RequestedProcedureID": 2,
    "SOPInstanceUID": 3, "SOPClassUID": 3, "InstanceNumber": 3, "ContentTime": 3, "AcquisitionDateTime": 3, "ImageType": 3,
}  # fmt: skip


def path(keyword: str) -> str:
    """The path of a keyword, nested with a dot."""
    return ".".join(f"{tag_for_keyword(part):08X}" for part in keyword.split("."))


def vr(keyword: str) -> str:
    """The VR of the last part."""
    return dictionary_VR(keyword.split(".")[-1])


def values(ds: Dataset, keyword: str) -> list[str]:
    """All values of an attribute, of every item, as text."""
    head, _, rest = keyword.partition(".")
    if head not in ds:
        return []
    if rest:
        return [value for item in ds[head].value for value in values(item, rest)]
    value = ds[head].value
    several = [] if value is None else list(value) if ds[head].VM > 1 else [value]
    return [str(one).strip() for one in several if str(one).strip()]


def words(text: str) -> str:
    """No case, no accents, one space for whatever separates."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c)).upper()
    return re.sub(r"[^\w*?]+", " ", bare).strip()


def wild(pattern: str, text: str) -> bool:
    """Wildcard matching, the whole text."""
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in pattern)
    return re.fullmatch(expression, text, re.DOTALL) is not None


def instant(text: str, kind: str, last: bool) -> str:
    """The first or last moment of a period that leaves parts out, as digits."""
    low, high = {
        "DA": ("00000101", "99991231"),
        "TM": ("000000000000", "235959999999"),
        "DT": ("00000101000000000000", "99991231235959999999"),
    }[kind]
    digits = text.replace(".", "").replace(":", "")
    return digits + (high if last else low)[len(digits) :]


def in_range(key: str, stored: str, kind: str) -> bool:
    """Range matching, ends included; a single value is the range it leaves open."""
    low, dash, high = key.partition("-")
    high = high if dash else low
    moment = instant(stored, kind, False)
    return (not low or instant(low, kind, False) <= moment) and (not high or moment <= instant(high, kind, True))


def match_value(keyword: str, key: str, stored: list[str], fuzzy: bool = False) -> bool:
    """Whether the values of one attribute meet one key."""
    kind = vr(keyword)
    if not key.replace("*", "").strip() and kind != "UI":
        return True
    if kind == "UI":
        return any(one in key.split("\\") for one in stored)
    if kind in ("DA", "TM", "DT"):
        return bool(stored) and in_range(key, stored[0], kind)
    if kind == "IS" and keyword in ("SeriesNumber", "InstanceNumber"):
        return any(int(one) == int(key) for one in stored)
    if kind == "PN":
        groups = [group for name in stored for group in name.split("=")]
        if fuzzy:
            have = [word for group in groups for word in words(group).split()]
            return all(any(one.startswith(word) for one in have) for word in words(re.sub(r"[*?]", " ", key)).split())
        return any(wild(words(k), words(g)) for k in key.split("=") if k.strip() for g in groups if words(g))
    return any(wild(k.strip(), one) for k in key.split("\\") if k.strip() for one in stored)


def find(objects: Iterable[Dataset], level: str, keys: Mapping[str, str], *, fuzzy: bool = False) -> set[str]:
    """Unique keys of what matches at a level: keys of lower levels must be met together by one object below."""
    depth = LEVELS.index(level)
    found = set()
    for ds in objects:
        if all(match_value(keyword, key, values(ds, keyword), fuzzy) for keyword, key in keys.items()):
            found.add(str(ds[UNIQUE[level]].value) if depth else str(ds.PatientID))
    return found


def row_key(row: Mapping[str, Any], level: str) -> str:
    """The unique key of a row in DICOM JSON."""
    return str(row[path(UNIQUE[level]) if level != "PATIENT" else path("PatientID")]["Value"][0])
