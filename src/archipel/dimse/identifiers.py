"""Identifiers of queries and retrieves (PS3.4 C.4): from their bytes to what the archive is asked, and rows back to bytes."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from archipel import archive
from archipel.archive import Level
from archipel.dicom import index, jsonmodel, sop_classes, status, walk
from archipel.dicom.index import BY_PATH, path_of
from archipel.kit.errors import ArchipelError, Invalid

LEVEL = path_of("QueryRetrieveLevel")
CHARACTER_SET = path_of("SpecificCharacterSet")
RETRIEVE_AE = path_of("RetrieveAETitle")
PATIENT_ID, ISSUER = path_of("PatientID"), path_of("IssuerOfPatientID")
UNIQUE: dict[Level, str] = {
    Level.PATIENT: PATIENT_ID,
    Level.STUDY: index.STUDY_INSTANCE_UID,
    Level.SERIES: index.SERIES_INSTANCE_UID,
    Level.IMAGE: index.SOP_INSTANCE_UID,
}
_ALL = (Level.PATIENT, Level.STUDY, Level.SERIES, Level.IMAGE)
_LEVELS: dict[str, tuple[Level, ...]] = {
    **dict.fromkeys((sop_classes.PATIENT_FIND, sop_classes.PATIENT_MOVE, sop_classes.PATIENT_GET), _ALL),
    **dict.fromkeys((sop_classes.STUDY_FIND, sop_classes.STUDY_MOVE, sop_classes.STUDY_GET), _ALL[1:]),
    **dict.fromkeys((sop_classes.PATIENT_STUDY_FIND, sop_classes.PATIENT_STUDY_MOVE, sop_classes.PATIENT_STUDY_GET), _ALL[:2]),
}
# Elements that say how to answer, and match nothing.
_NO_KEYS = frozenset({LEVEL, CHARACTER_SET, RETRIEVE_AE}) | frozenset(
    map(path_of, ("InstanceAvailability", "TimezoneOffsetFromUTC", "StorageMediaFileSetID", "StorageMediaFileSetUID"))
)
_KEYS_MAX = 512
_VALUES_MAX = 10_000
_DEPTH_MAX = 8


class Mismatch(Invalid):
    """The identifier does not fit the information model; answered A900."""

    def __init__(self, public: str, detail: str = "") -> None:
        super().__init__(public, code="identifier", detail=detail)
        self.status = status.IDENTIFIER_MISMATCH


@dataclass(frozen=True)
class Identifier:
    """What was asked: the level, values to match by path, paths to return, and the asker's character set."""

    level: Level
    match: dict[str, str]
    wanted: frozenset[str]
    character_set: str = ""
    relational: bool = False
    sequences: frozenset[str] = field(default=frozenset())

    def uids(self, level: Level) -> list[str]:
        """The values of a level's unique key."""
        return [value for value in (part.strip(" \0") for part in self.match.get(UNIQUE[level], "").split("\\")) if value]


def read(data: bytes | None, transfer_syntax_uid: str, model_uid: str, *, relational: bool) -> Identifier:
    """The identifier in these bytes. Raises ``Mismatch`` for one that does not fit the model, ``Invalid`` for one that cannot be read."""
    if data is None:
        raise Invalid("The identifier is longer than the archive takes", code="too-large")
    row = jsonmodel.to_json(io.BytesIO(data), transfer_syntax_uid)
    level = _level(row, model_uid)
    match: dict[str, str] = {}
    wanted: set[str] = set()
    for path, value in _keys(row):
        if len(match) + len(wanted) > _KEYS_MAX:
            raise Mismatch(f"More than {_KEYS_MAX} keys in the identifier")
        if value.count("\\") >= _VALUES_MAX:
            raise Mismatch(f"More than {_VALUES_MAX} values in one key")
        if value and path not in _NO_KEYS:
            match[path] = value
        wanted.add(path)
    sequences = frozenset(path for path, element in row.items() if element.get("vr") == "SQ")
    return Identifier(level, match, frozenset(wanted), _character_set(data, transfer_syntax_uid), relational, sequences)


def check_hierarchy(asked: Identifier, model_uid: str) -> None:
    """Refuse a hierarchical query without one value for each unique key above its level (PS3.4 C.4.1.2.2.1)."""
    levels = _LEVELS[model_uid]
    for above in levels[: levels.index(asked.level)]:
        keyword = index.keyword_of(UNIQUE[above])
        values = asked.uids(above)
        if len(values) != 1 or any(c in values[0] for c in "*?"):
            raise Mismatch(f"{keyword} must have one value at this level")


def unsupported(asked: Identifier) -> bool:
    """Whether keys were asked for that the archive neither matches nor returns: answers then are FF01."""
    known = archive.DERIVED_PATHS | _NO_KEYS
    heads = {path.split(".")[0] for path in BY_PATH if "." in path}
    depth = _ALL.index(asked.level)

    def is_known(path: str) -> bool:
        if path in BY_PATH:
            return path in asked.match or _ALL.index(Level(BY_PATH[path].level)) <= depth
        return path in known or path in heads

    return not all(map(is_known, asked.wanted))


def answer_bytes(row: dict[str, Any], asked: Identifier, ae_title: str, transfer_syntax_uid: str) -> bytes:
    """A row of the archive as the identifier of a pending response, in the asker's character set if that can hold it."""
    full = {
        **{path: {"vr": "SQ"} for path in asked.sequences},
        **row,
        LEVEL: {"vr": "CS", "Value": [asked.level.value]},
        RETRIEVE_AE: {"vr": "AE", "Value": [ae_title]},
    }
    return jsonmodel.encode_identifier(full, asked.character_set, transfer_syntax_uid)


def failed_list(uids: list[str], transfer_syntax_uid: str) -> bytes:
    """Failed SOP Instance UID List (0008,0058) of a final retrieve response."""
    return jsonmodel.encode_identifier({path_of("FailedSOPInstanceUIDList"): {"vr": "UI", "Value": uids}}, "", transfer_syntax_uid)


def _level(row: dict[str, Any], model_uid: str) -> Level:
    given = next(iter(row.get(LEVEL, {}).get("Value") or []), "")
    try:
        level = Level(str(given).strip().upper())
    except ValueError:
        raise Mismatch(f"QueryRetrieveLevel {str(given)[:16]!r} does not exist") from None
    if level not in _LEVELS[model_uid]:
        raise Mismatch(f"This information model has no level {level.value}")
    return level


def _keys(row: dict[str, Any], prefix: str = "", depth: int = 0) -> Iterator[tuple[str, str]]:
    """Path and value ('' for universal matching) of each key; an item of a sequence gives nested paths."""
    if depth > _DEPTH_MAX:
        raise Mismatch("Sequences of the identifier are nested too deep")
    for tag, element in row.items():
        if tag.endswith("0000") or element.get("vr") == "UN":
            continue
        values = element.get("Value") or []
        if element.get("vr") != "SQ":
            yield prefix + tag, "\\".join(_text(value) for value in values)
            continue
        if len(values) > 1:
            raise Mismatch(f"{index.keyword_of(tag)} of the identifier has more than one item")
        nested = list(_keys(values[0], f"{prefix}{tag}.", depth + 1)) if values else []
        yield from nested or [(prefix + tag, "")]


def _text(value: Any) -> str:
    if isinstance(value, dict):
        groups = [str(value.get(group, "")) for group in ("Alphabetic", "Ideographic", "Phonetic")]
        return "=".join(groups).rstrip("=")
    return "" if value is None else str(value).strip(" \0")


def _character_set(data: bytes, transfer_syntax_uid: str) -> str:
    """The asker's Specific Character Set as it was sent: the JSON of a dataset always says UTF-8."""
    try:
        window, explicit, big = jsonmodel.open_dataset(io.BytesIO(data), transfer_syntax_uid)
        for kind, tag, _, offset, length in walk.tokens(window, explicit, big):
            if tag > 0x00080005:
                break
            if kind == walk.ELEMENT and tag == 0x00080005:
                return window.read(offset, length).decode("latin-1").strip(" \0")
    except (ArchipelError, walk.Odd):
        pass
    return ""
