"""Documents that are no DICOM yet: wrapped with the exam or the patient that they belong to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from archipel.archive import Incoming, Source
from archipel.kit.errors import ArchipelError
from archipel.kit.spool import Spool, Spooled
from archipel.web.parts import Call


@dataclass(frozen=True)
class Target:
    """Whom a document belongs to: attributes of patient and study by keyword."""

    attributes: dict[str, str]


def target_of(call: Call, fields: dict[str, str]) -> Target | None:
    return None


def wrapper(target: Target | ArchipelError | None, *, spool: Spool, source: Source) -> Callable[[str, Spooled, str], Incoming] | None:
    return None
