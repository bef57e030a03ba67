"""Bounds: how many values and words one search may hold, at every door; each of them is a comparison of its own in the database."""

from __future__ import annotations

import re

from archipel.archive.model import Query
from archipel.dicom import text
from archipel.dicom.index import BY_PATH, keyword_of, path_of
from archipel.kit.errors import Invalid

# SQLite takes no expression deeper than 1,000. Lists of UIDs have the bounds of their doors: they are looked up at once.
VALUES_COUNT_MAX = 100
WORDS_COUNT_MAX = 100
_DERIVED = {path_of("ModalitiesInStudy"): "CS", path_of("SOPClassesInStudy"): "CS"}
_SEPARATORS = {"PN": re.compile(r"[\\=]")}  # the groups of a name are alternatives like its values
_VALUES = re.compile(r"\\")


def check(query: Query) -> None:
    """Invalid for a key of too many values, or for too many words."""
    for path, value in query.match.items():
        vr = BY_PATH[path].vr if path in BY_PATH else _DERIVED.get(path, "UI")
        if vr == "UI":
            continue
        if sum(1 for one in _SEPARATORS.get(vr, _VALUES).split(value) if one.strip(" \0")) > VALUES_COUNT_MAX:
            raise _too_many(f"{keyword_of(path)} has at most {VALUES_COUNT_MAX} values in a search.", keyword_of(path))
        if vr == "PN" and query.fuzzy and len(words_of(value)) > WORDS_COUNT_MAX:
            raise _too_many(f"{keyword_of(path)} has at most {WORDS_COUNT_MAX} words in a search.", keyword_of(path))
    if len(query.words) > WORDS_COUNT_MAX:
        raise _too_many(f"A search has at most {WORDS_COUNT_MAX} words.", "search")


def words_of(name: str) -> list[str]:
    """The words of a name of which each is compared by itself, in their search form."""
    return text.fold(name.replace("*", " ").replace("?", " ").replace("\\", " ")).split()


def _too_many(public: str, field: str) -> Invalid:
    return Invalid(public, code="too-many-values", field=field)
