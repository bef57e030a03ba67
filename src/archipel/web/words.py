"""Types of the API's inputs and small translations between the wire and DICOM."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from datetime import date
from typing import Annotated, Any, Generic, TypeVar

from fastapi import Path
from pydantic import AfterValidator, BaseModel, ConfigDict, StringConstraints
from pydicom import uid as standard

from archipel.kit.errors import Invalid

T = TypeVar("T")
OFFSET_MAX = 1 << 40
_OFFSET = re.compile(r"o[0-9]{1,13}")
_DATE = re.compile(r"(\d{4})(\d\d)(\d\d)")
_TIME = re.compile(r"(\d\d)(\d\d)?(\d\d)?(?:\.\d*)?")


def _printable(text: str) -> str:
    if any((ord(c) < 32 and c not in "\t\r\n") or c == "\x7f" for c in text):
        raise ValueError("holds control characters")
    return text


Text = Annotated[str, StringConstraints(max_length=200), AfterValidator(_printable)]
Cursor = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[A-Za-z0-9_-]*$")]
LongText = Annotated[str, StringConstraints(max_length=2000), AfterValidator(_printable)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=64), AfterValidator(_printable)]
Uid = Annotated[str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)*$", max_length=64)]
StudyPath = Annotated[Uid, Path(description="Study Instance UID.")]
SeriesPath = Annotated[Uid, Path(description="Series Instance UID.")]


class Body(BaseModel):
    """The body of a request; a field that we do not know is an error."""

    model_config = ConfigDict(extra="forbid", str_strip_whitespace=True)

    def changes(self, *, clearable: Sequence[str] = ()) -> dict[str, Any]:
        """What was sent. Null clears a text that may be empty and leaves any other field as it is."""
        given = self.model_dump(exclude_unset=True)
        return {k: "" if v is None else v for k, v in given.items() if v is not None or k in clearable}


class Listed(BaseModel, Generic[T]):
    """One page of a list; ``next_cursor`` is null on the last one."""

    items: list[T]
    total: int
    next_cursor: str | None = None


def whole(items: Sequence[T]) -> Listed[T]:
    """A list that fits one page."""
    return Listed(items=list(items), total=len(items))


def cursor_of(offset: int) -> str:
    """A place in a list as an opaque word."""
    return _closed(f"o{offset}")


def offset_of(cursor: str) -> int:
    """The inverse of :func:`cursor_of`; 0 for an empty cursor, Invalid for one that is not ours."""
    if not cursor:
        return 0
    text = _opened(cursor)
    offset = int(text[1:]) if _OFFSET.fullmatch(text) else -1
    if not 0 <= offset <= OFFSET_MAX:
        raise _not_ours()
    return offset


def _not_ours() -> Invalid:
    return Invalid("This cursor is not one that the platform gave for this list in this order.", code="cursor", field="cursor")


def cursor_after(sort: str, place: Sequence[str | int]) -> str:
    """A place in the exam list as an opaque word: what its order compares of the exam that ended a page, all of which the page shows."""
    return _closed("k" + json.dumps([sort, *place], ensure_ascii=False, separators=(",", ":")))


def place_of(cursor: str, sort: str) -> tuple[int, tuple[str | int, ...]]:
    """What a cursor of the exam list says: an offset (older ones), or a place. Invalid for one that is not ours, or of another order."""
    text = _opened(cursor) if cursor else ""
    if text[:1] != "k":
        return offset_of(cursor), ()
    try:
        said = json.loads(text[1:])
    except (ValueError, RecursionError):
        said = None
    if not isinstance(said, list) or len(said) < 2 or said[0] != sort or not all(isinstance(one, str | int) for one in said):
        raise _not_ours()
    return 0, tuple(said[1:])


def _closed(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode("utf-8", "replace")).decode().rstrip("=")


def _opened(cursor: str) -> str:
    try:
        return base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True).decode()
    except ValueError:
        return ""


def iso_date(value: str) -> str | None:
    """A DICOM date as ISO 8601; None when there is none or it is none."""
    found = _DATE.fullmatch(value)
    try:
        return date(*map(int, found.groups())).isoformat() if found else None
    except ValueError:
        return None


def iso_time(value: str) -> str | None:
    """A DICOM time as ``hh:mm:ss``; None when there is none or it is none."""
    found = _TIME.fullmatch(value)
    if not found:
        return None
    parts = [int(p or 0) for p in found.groups()]
    return "{:02}:{:02}:{:02}".format(*parts) if parts[0] < 24 and parts[1] < 60 and parts[2] < 61 else None


def or_none(text: str) -> str | None:
    """The text, or None when it is empty."""
    return text or None


def alphabetic(name: str) -> str:
    """The alphabetic group of a person name."""
    return name.split("=")[0]


def uid_name(uid: str) -> str:
    """The standard's name of a UID, or the UID itself."""
    name = str(standard.UID(uid).name)
    return name.removesuffix(" Storage") if name != uid else uid
