"""From a search's address to one question to the archive (PS3.18 10.6.1, 8.3.4)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from starlette.datastructures import QueryParams

from archipel.archive import DEFAULTS, DERIVED_PATHS, Level, Query
from archipel.dicom.index import BY_PATH, SERIES_INSTANCE_UID, STUDY_INSTANCE_UID, path_of
from archipel.kit.errors import Invalid

VALUE_LENGTH_MAX = 4096
OFFSET_MAX = 2**31 - 1
LIMIT_MAX = 2**31 - 1
UIDS_COUNT_MAX = 1000
# Parameters of the standard that are no attributes; the second group is read and answered by a warning when it is asked for.
_OWN = frozenset({"includefield", "fuzzymatching", "limit", "offset", "accept", "charset", "count"})
_NOT_SUPPORTED = ("emptyvaluematching", "multiplevaluematching")
_ABOVE = {
    Level.STUDY: (Level.STUDY,),
    Level.SERIES: (Level.STUDY, Level.SERIES),
    Level.IMAGE: (Level.STUDY, Level.SERIES, Level.IMAGE),
}


@dataclass(frozen=True)
class Asked:
    """The question, and what the client must be told about it."""

    query: Query
    limit_said: int | None
    warnings: list[str] = field(default_factory=list)


def read_query(parameters: QueryParams, level: Level, count_max: int, study_uid: str = "", series_uid: str = "") -> Asked:
    """The query of a search below ``study_uid`` and ``series_uid`` (empty: all). Raises Invalid for what cannot be read."""
    warnings: list[str] = []
    match: dict[str, str] = {}
    for name, value in parameters.multi_items():
        if name.lower() in _OWN:
            continue
        if name.lower() in _NOT_SUPPORTED:
            if value.strip().lower() == "true":
                warnings.append(f"{name.lower()} is not supported and was ignored.")
            continue
        _add_key(match, name, value, warnings)
    for path, uid in ((STUDY_INSTANCE_UID, study_uid), (SERIES_INSTANCE_UID, series_uid)):
        if uid:
            match[path] = uid
    limit = _number(parameters, "limit", LIMIT_MAX)
    top = level if level is Level.STUDY else Level.IMAGE if series_uid else Level.SERIES if study_uid else Level.STUDY
    query = Query(
        level=level,
        match=match,
        include=_included(parameters, level, top, warnings),
        fuzzy=_flag(parameters, "fuzzymatching"),
        limit=count_max if limit is None else min(limit, count_max),
        offset=_number(parameters, "offset", OFFSET_MAX) or 0,
        count_total=_flag(parameters, "count"),
    )
    return Asked(query, limit, warnings)


def _add_key(match: dict[str, str], name: str, value: str, warnings: list[str]) -> None:
    if len(value) > VALUE_LENGTH_MAX or "\0" in value or "\0" in name:
        raise Invalid(f"The value of {name[:64]!r} is too long or holds a NUL.", code="bad-value", field=name[:64])
    try:
        path = path_of(name.strip())
    except KeyError:
        warnings.append(f"{_plain(name)} is no attribute that is known and was ignored.")
        return
    if path in match:
        raise Invalid(f"{name[:64]} is given twice.", code="key-twice", field=name[:64])
    known = BY_PATH.get(path)
    if (known is not None and known.vr == "UI") or path in DERIVED_PATHS:
        value = value.replace(",", "\\")
        if value.count("\\") >= UIDS_COUNT_MAX:
            raise Invalid(f"A list has at most {UIDS_COUNT_MAX} values.", code="too-many-values", field=name[:64])
    match[path] = value.encode("utf-8", "replace").decode()


def _included(parameters: QueryParams, level: Level, top: Level, warnings: list[str]) -> frozenset[str] | None:
    """The paths that rows show: the defaults of the levels that the address leaves open, and what is named."""
    levels = _ABOVE[level][_ABOVE[level].index(top) :]
    paths = frozenset[str]().union(*(DEFAULTS[one] for one in levels))
    for name in _listed(parameters.getlist("includefield")):
        if name.lower() == "all":
            return None
        try:
            path = path_of(name)
        except KeyError:
            warnings.append(f"includefield {_plain(name)} is no attribute that is known.")
            continue
        if path not in BY_PATH and path not in DERIVED_PATHS and not any(known.startswith(path + ".") for known in BY_PATH):
            warnings.append(f"includefield {_plain(name)} is not kept in the index; retrieve the metadata instead.")
            continue
        paths |= {path}
    return paths


def _listed(values: Iterable[str]) -> list[str]:
    return [name.strip() for value in values for name in value.split(",") if name.strip()]


def _number(parameters: QueryParams, name: str, most: int) -> int | None:
    values = parameters.getlist(name)
    if not values:
        return None
    text = values[-1].strip()
    if len(values) > 1 or not text.isascii() or not text.isdigit() or len(text) > 12 or int(text) > most:
        raise Invalid(f"{name} must be one whole number from 0 to {most}.", code="bad-number", field=name)
    return int(text)


def _flag(parameters: QueryParams, name: str) -> bool:
    value = parameters.get(name, "false").strip().lower()
    if value not in ("true", "false", ""):
        raise Invalid(f"{name} must be true or false.", code="bad-flag", field=name)
    return value == "true"


def _plain(name: str) -> str:
    """A name from outside as it may stand in a header."""
    return "".join(c for c in name[:64] if c.isascii() and (c.isalnum() or c in "._-")) or "a parameter"
