"""Errors of the archive that several acts raise."""

from __future__ import annotations

from archipel.kit.errors import Invalid, LimitReached, NotFound


def class_mismatch(what: str, said: str, found: str) -> Invalid:
    """The message announced another class or instance than the dataset holds (PS3.4 B.2.3, status A900)."""
    return Invalid(f"The dataset's {what} is not the one announced.", code="class-mismatch", detail=f"announced {said}, found {found}")


def disk_nearly_full() -> LimitReached:
    """New instances are refused before the disk is really full."""
    return LimitReached("The archive has no room left; nothing was stored. Free disk space, then send again.", code="out-of-space")


def busy() -> LimitReached:
    """More is waiting to be written than the settings allow."""
    return LimitReached("The archive is busy; send again later.", code="busy")


def no_study(study_uid: str) -> NotFound:
    """No such study that the caller may see."""
    return NotFound(f"There is no exam {study_uid} that you may see.", code="no-study", field="study_uid")
