"""What is wrong in a message, where, and how the acknowledgement says it (HL7 v2.5.1 2.15.5 ERR, tables 0357 and 0516)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import NoReturn, TypeVar

from archipel.kit.errors import ArchipelError, Invalid

CONDITIONS = {
    "segment-sequence": ("100", "Segment sequence error"),
    "required-field": ("101", "Required field missing"),
    "data-type": ("102", "Data type error"),
    "table-value": ("103", "Table value not found"),
    "unsupported-message-type": ("200", "Unsupported message type"),
    "unsupported-event": ("201", "Unsupported event code"),
    "unsupported-processing-id": ("202", "Unsupported processing id"),
    "unsupported-version": ("203", "Unsupported version id"),
    "unknown-key": ("204", "Unknown key identifier"),
    "duplicate-key": ("205", "Duplicate key identifier"),
    "record-locked": ("206", "Application record locked"),
    "internal": ("207", "Application internal error"),
}
"""Table 0357 by the slug that ``Invalid.code`` and ``Problem.condition`` carry."""

ERROR, WARNING, INFORMATION = "E", "W", "I"

_T = TypeVar("_T")

_PLACE = re.compile(r"([A-Z][A-Z0-9]{2})(?:\{(\d+)\})?(?:-(\d+)(?:\[(\d+)\])?(?:\.(\d+)(?:\.(\d+))?)?)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Where: segment name and its number among those of the name, field, repetition, component, subcomponent; 0 means not said."""

    segment: str
    number: int = 1
    field: int = 0
    repetition: int = 0
    component: int = 0
    subcomponent: int = 0

    def __str__(self) -> str:
        text = self.segment if self.number == 1 else f"{self.segment}{{{self.number}}}"
        if self.field:
            text += f"-{self.field}" + (f"[{self.repetition}]" if self.repetition > 1 else "")
            text += f".{self.component}" if self.component else ""
            text += f".{self.subcomponent}" if self.subcomponent else ""
        return text


@dataclass(frozen=True, slots=True)
class Problem:
    """One thing that is wrong. ``text`` is for the person at the other end and never holds a value of the message.

    ``condition`` is a key of ``CONDITIONS``; ``severity`` is of table 0516: ``E`` refuses the message, ``W`` and ``I`` only tell.
    """

    condition: str
    place: Place
    text: str
    severity: str = ERROR


def place(path: str) -> Place:
    """A path as used in this room: ``PID-3[2].4.1``, ``OBX{3}-5``, ``PID``. Raises ``ValueError`` for anything else."""
    found = _PLACE.fullmatch(path)
    if not found:
        raise ValueError(f"not a place in a message: {path!r}")
    name, *numbers = found.groups()
    number, field, repetition, component, subcomponent = (int(n) if n else 0 for n in numbers)
    return Place(name, number or 1, field, repetition, component, subcomponent)


def refuse(condition: str, path: str, text: str) -> NoReturn:
    """Raise the ``Invalid`` of this condition at this place."""
    assert condition in CONDITIONS
    raise Invalid(text, code=condition, field=path)


def from_error(error: ArchipelError) -> Problem:
    """An error of this room or of an act, as a problem: what is none of table 0357 is an internal error (207)."""
    known = error.code in CONDITIONS
    where = place(error.field) if _PLACE.fullmatch(error.field) else Place("MSH")
    return Problem(error.code if known else "internal", where, error.public)


class Problems:
    """What is found while a message is read on: a wrong value is noted and reading goes on without it."""

    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, condition: str, path: str, text: str, severity: str = ERROR) -> None:
        """Note a problem at a place."""
        assert condition in CONDITIONS
        self.found.append(Problem(condition, place(path), text, severity))

    def take(self, severity: str, read: Callable[..., _T], *arguments: object) -> _T | None:
        """What ``read`` gives; None, and a problem, when it raises ``Invalid``."""
        try:
            return read(*arguments)
        except Invalid as error:
            self.add(error.code, error.field, error.public, severity)
            return None
