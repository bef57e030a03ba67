"""Intake: a file of any kind becomes instances: DICOM, ZIP (one level of nesting), documents that the caller knows how to wrap."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from archipel.archive.model import Incoming, Source
from archipel.archive.unzip import CHUNK_BYTES, Unzip, is_system_file
from archipel.archive.unzip import IntakeLimits as IntakeLimits  # part of what this module offers
from archipel.dicom import part10
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.spool import Spool, Spooled

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
HEAD_BYTES = 2048
NESTING_MAX = 1
DOCUMENTS = ("pdf", "jpeg", "png", "mp4")

Wrap = Callable[[str, Spooled, str], Incoming]


@dataclass(frozen=True)
class Refusal:
    """A file that does not become an instance, and why; ``skipped`` when nobody expects it to."""

    name: str
    error: ArchipelError
    skipped: bool = False


Found = Incoming | Refusal


def walk_file(
    file: Path | BinaryIO | Spooled, name: str, *, spool: Spool, source: Source, limits: IntakeLimits, wrap: Wrap | None = None
) -> Iterator[Found]:
    """Everything that a file holds, one after the other, in bounded memory.

    A ``Spooled`` is taken over and closed; a path or an open file is read and left. ``wrap(kind, spooled, name)`` makes an instance
    of a document (``pdf``, ``jpeg``, ``png``, ``mp4``) and takes the spooled over; without it documents are refused (``no-target``).
    """
    walk = _Walk(spool, source, wrap, Unzip(spool, limits))
    if isinstance(file, Spooled):
        yield from walk.spooled(file, name, 0)
    elif isinstance(file, Path):
        try:
            opened = file.open("rb")
        except OSError as error:
            yield Refusal(name, _unread(error))
            return
        with opened:
            yield from walk.opened(opened, name)
    else:
        yield from walk.opened(file, name)


def kind_of(head: bytes) -> str:
    """``dicom``, ``zip``, ``pdf``, ``jpeg``, ``png``, ``mp4``, ``empty`` or ``unknown``, by the first bytes of a file."""
    if not head:
        return "empty"
    if head[128:132] == b"DICM" or head[:4] == b"DICM":
        return "dicom"
    if head[:4] in (b"PK\3\4", b"PK\5\6"):
        return "zip"
    if head[:3] == b"\xff\xd8\xff":
        return "jpeg"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if head[4:8] == b"ftyp":
        return "mp4"
    return "pdf" if b"%PDF-" in head[:1024] else "unknown"


class _Walk:
    """One walk, with the bounds of all the archives in it."""

    def __init__(self, spool: Spool, source: Source, wrap: Wrap | None, unzip: Unzip) -> None:
        self._spool, self._source, self._wrap, self._unzip = spool, source, wrap, unzip

    def opened(self, file: BinaryIO, name: str) -> Iterator[Found]:
        """A file that stays where it is: an archive is read in place, anything else is copied into the spool."""
        head = file.read(HEAD_BYTES)
        file.seek(0)
        if kind_of(head) == "zip":
            yield from self._members(file, name, 0)
            return
        spooled = self._spool.new()
        try:
            while chunk := file.read(CHUNK_BYTES):
                spooled.write(chunk)
        except (ArchipelError, OSError) as error:
            spooled.close()
            yield Refusal(name, error if isinstance(error, ArchipelError) else _unread(error))
            return
        yield from self.spooled(spooled, name, 0)

    def spooled(self, spooled: Spooled, name: str, nesting: int) -> Iterator[Found]:
        """A file that is in the spool; it goes into what is yielded, or is closed."""
        with spooled.open() as file:
            kind = kind_of(file.read(HEAD_BYTES))
        if kind == "zip" and nesting <= NESTING_MAX:
            try:
                with spooled.open() as file:
                    yield from self._members(file, name, nesting)
            finally:
                spooled.close()
            return
        try:
            found: Found = self._one(kind, spooled, name)
        except ArchipelError as error:
            spooled.close()
            found = _refusal(name, error)
        yield found

    def _members(self, file: BinaryIO, name: str, nesting: int) -> Iterator[Found]:
        for label, content in self._unzip.members(file):
            member = f"{name}/{label}" if label else name
            if isinstance(content, Spooled):
                yield from self.spooled(content, member, nesting + 1)
            else:
                yield _refusal(member, content)

    def _one(self, kind: str, spooled: Spooled, name: str) -> Found:
        if kind == "zip":
            raise Invalid("A ZIP within a ZIP within a ZIP is not read.", code="nested-zip")
        if kind == "empty":
            raise Invalid("The file is empty.", code="empty")
        if kind in DOCUMENTS:
            if self._wrap is None:
                raise Invalid("This document belongs to no exam; say to which exam or patient.", code="no-target")
            return self._wrap(kind, spooled, name)
        if is_system_file(name):
            raise Invalid("A system file, left out.", code="ignored")
        with spooled.open() as file:
            meta = part10.split(file)
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            raise Invalid("A DICOMDIR is a table of contents, not an instance; left out.", code="ignored")
        return Incoming.from_part10(spooled, self._source, name)


def _refusal(name: str, error: ArchipelError) -> Refusal:
    return Refusal(name, error, skipped=error.code == "ignored")


def _unread(error: OSError) -> LimitReached:
    return LimitReached("The file could not be read, or there is no room to take it.", code="out-of-space", detail=repr(error))
