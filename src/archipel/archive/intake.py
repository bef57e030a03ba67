"""Intake: a file of any kind becomes instances: DICOM, ZIP (one level of nesting), documents that a caller knows how to wrap.

What a ZIP says about itself is not believed: its members are read under bounds on their count, on what each and all of them expand to,
and their names are labels, never paths. A ZIP without its directory (cut off on the way) is read as far as it goes.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from archipel.archive.model import Incoming, Source
from archipel.dicom import part10
from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.spool import Spool, Spooled

MEDIA_STORAGE_DIRECTORY = "1.2.840.10008.1.3.10"
CHUNK_BYTES = 1 << 18
DIRECTORY_BYTES_MAX = 16 << 20
NESTING_MAX = 1
# What small files may expand to whatever their ratio: a page of zeros is no bomb.
EXPANSION_BYTES_FREE = 16 << 20
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "autorun.inf", "dicomdir.inf"})
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError, OSError, struct.error)

Wrap = Callable[[str, Spooled, str], Incoming]


@dataclass(frozen=True)
class IntakeLimits:
    """Bounds on what an archive may expand to."""

    zip_bytes_max: int = 64 << 30
    zip_ratio_max: int = 200
    zip_member_count_max: int = 200_000


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
    walk = _Walk(spool, source, limits, wrap)
    if isinstance(file, Spooled):
        yield from walk.spooled(file, name, 0)
    elif isinstance(file, Path):
        with file.open("rb") as opened:
            yield from walk.opened(opened, name)
    else:
        yield from walk.opened(file, name)


def kind_of(head: bytes) -> str:
    """``dicom``, ``zip``, ``pdf``, ``jpeg``, ``png``, ``mp4``, ``empty``, or ``unknown``, by the first bytes of a file."""
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
    """One walk: what it writes to, its limits, and what its archives have expanded to so far."""

    def __init__(self, spool: Spool, source: Source, limits: IntakeLimits, wrap: Wrap | None) -> None:
        self._spool, self._source, self._limits, self._wrap = spool, source, limits, wrap
        self._left_bytes = limits.zip_bytes_max
        self._left_members = limits.zip_member_count_max

    def opened(self, file: BinaryIO, name: str) -> Iterator[Found]:
        """A file that stays where it is: an archive is read in place, anything else is copied into the spool."""
        head = file.read(2048)
        file.seek(0)
        if kind_of(head) == "zip":
            yield from self._zip(file, name, 0)
            return
        spooled = self._spool.new()
        try:
            while chunk := file.read(CHUNK_BYTES):
                spooled.write(chunk)
        except (ArchipelError, OSError) as error:
            spooled.close()
            yield Refusal(name, _read_error(error))
            return
        yield from self.spooled(spooled, name, 0)

    def spooled(self, spooled: Spooled, name: str, nesting: int) -> Iterator[Found]:
        """A file that is in the spool; it goes into what is yielded, or is closed."""
        with spooled.open() as file:
            kind = kind_of(file.read(2048))
        if kind == "zip":
            try:
                if nesting > NESTING_MAX:
                    yield Refusal(name, Invalid("A ZIP within a ZIP within a ZIP is not read.", code="nested-zip"))
                    return
                with spooled.open() as file:
                    yield from self._zip(file, name, nesting)
            finally:
                spooled.close()
            return
        try:
            found = self._one(kind, spooled, name)
        except ArchipelError as error:
            spooled.close()
            found = Refusal(name, error, skipped=error.code == "ignored")
        yield found

    def _one(self, kind: str, spooled: Spooled, name: str) -> Found:
        if kind in ("pdf", "jpeg", "png", "mp4"):
            if self._wrap is None:
                raise Invalid("This document belongs to no exam; say to which exam or patient.", code="no-target")
            return self._wrap(kind, spooled, name)
        if kind == "empty":
            raise Invalid("The file is empty.", code="empty")
        if _is_system_file(name):
            raise Invalid("A system file, left out.", code="ignored")
        with spooled.open() as file:
            meta = part10.split(file)
        if meta.sop_class_uid == MEDIA_STORAGE_DIRECTORY:
            raise Invalid("A DICOMDIR is a table of contents, not an instance; left out.", code="ignored")
        return Incoming.from_part10(spooled, self._source, name)

    def _zip(self, file: BinaryIO, name: str, nesting: int) -> Iterator[Found]:
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        # All members together may not expand further than one of them: members that share their bytes multiply too.
        whole = _Budget(size, self._limits.zip_ratio_max)
        try:
            with zipfile.ZipFile(_Careful(file)) as archive:
                members = archive.infolist()
                self._left_members -= len(members)
                if self._left_members < 0:
                    raise LimitReached(f"The ZIP has more than {self._limits.zip_member_count_max} members.", code="zip-bomb")
                for info in members:
                    yield from self._member(archive, info, f"{name}/{_label(info)}", nesting, whole)
        except LimitReached as error:
            yield Refusal(name, error)
        except _BROKEN as error:
            file.seek(0)
            yield from self._without_directory(file, name, nesting, whole)
            yield Refusal(name, Invalid("The ZIP is damaged or cut off; what could be read was.", code="bad-zip", detail=repr(error)))

    def _member(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, name: str, nesting: int, whole: _Budget) -> Iterator[Found]:
        mode = info.external_attr >> 16
        if info.is_dir():
            return
        if stat.S_ISLNK(mode) or _is_system_file(name):
            yield Refusal(name, Invalid("A link or a system file, left out.", code="ignored"), skipped=True)
            return
        if info.flag_bits & 0x1:
            yield Refusal(name, Invalid("This member is encrypted; send it without a password.", code="encrypted-zip"))
            return
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            yield Refusal(name, Invalid("This member is compressed in a way that is not read; use deflate.", code="zip-method"))
            return
        try:
            with archive.open(info) as source:
                chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
                spooled = self._spool_member(chunks, whole, _Budget(info.compress_size, self._limits.zip_ratio_max))
        except LimitReached as error:
            yield Refusal(name, error)
            if error.code == "out-of-room":
                raise LimitReached("The rest of the ZIP was left out.", code="zip-bomb") from error
            return
        except _BROKEN as error:
            yield Refusal(name, _read_error(error))
            return
        yield from self.spooled(spooled, name, nesting + 1)

    def _spool_member(self, chunks: Iterator[bytes], *budgets: _Budget) -> Spooled:
        spooled = self._spool.new()
        try:
            for chunk in chunks:
                self._left_bytes -= len(chunk)
                if self._left_bytes < 0:
                    raise LimitReached(f"The ZIP expands to more than {self._limits.zip_bytes_max} bytes.", code="out-of-room")
                for budget in budgets:
                    budget.spend(len(chunk))
                spooled.write(chunk)
        except BaseException:
            spooled.close()
            raise
        return spooled

    def _without_directory(self, file: BinaryIO, name: str, nesting: int, whole: _Budget) -> Iterator[Found]:
        """The members of an archive whose directory is missing, by their own headers, up to the first that is not whole."""
        while len(head := file.read(_LOCAL.size)) == _LOCAL.size:
            mark, _, flags, method, _, _, _, compressed, _, name_length, extra_length = _LOCAL.unpack(head)
            if mark != b"PK\3\4" or flags & 0x1 or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return
            label = _decoded(file.read(name_length), bool(flags & 0x800))
            file.seek(extra_length, io.SEEK_CUR)
            if method == zipfile.ZIP_STORED and (flags & 0x8 or compressed == 0xFFFFFFFF):
                return  # a length that stands behind the bytes
            budget = _Budget(compressed or 1 << 20, self._limits.zip_ratio_max)
            chunks = _exactly(file, compressed) if method == zipfile.ZIP_STORED else _inflated(file)
            try:
                spooled = self._spool_member(chunks, whole, budget)
            except (LimitReached, *_BROKEN):
                return
            if flags & 0x8:
                _skip_descriptor(file)
            if spooled.size_bytes == 0 and label.endswith("/"):
                spooled.close()
                continue
            yield from self.spooled(spooled, f"{name}/{label}", nesting + 1)


class _Budget:
    """How far some compressed bytes may expand."""

    def __init__(self, compressed_bytes: int, ratio_max: int) -> None:
        self._left = compressed_bytes * ratio_max + EXPANSION_BYTES_FREE

    def spend(self, count: int) -> None:
        self._left -= count
        if self._left < 0:
            raise LimitReached("The ZIP expands to far more than a ZIP of images does.", code="zip-bomb")


class _Careful(io.RawIOBase):
    """An archive's file for ``zipfile``, which reads a directory of any declared size at once: here it may not."""

    def __init__(self, file: BinaryIO) -> None:
        self._file = file

    def read(self, size: int = -1) -> bytes:
        if size is None or size < 0:
            here = self._file.tell()
            size = self._file.seek(0, io.SEEK_END) - here
            self._file.seek(here)
        if size > DIRECTORY_BYTES_MAX:
            raise LimitReached(f"The directory of the ZIP is larger than {DIRECTORY_BYTES_MAX} bytes.", code="zip-bomb")
        return self._file.read(size)

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def seekable(self) -> bool:
        return True


def _exactly(file: BinaryIO, length: int) -> Iterator[bytes]:
    while length > 0:
        chunk = file.read(min(CHUNK_BYTES, length))
        if not chunk:
            raise EOFError("the member is cut off")
        length -= len(chunk)
        yield chunk


def _inflated(file: BinaryIO) -> Iterator[bytes]:
    """A deflate stream to its own end; the file then stands right behind it."""
    inflate = zlib.decompressobj(-15)
    pending = b""
    while not inflate.eof:
        pending = pending or file.read(CHUNK_BYTES)
        if not pending:
            raise EOFError("the member is cut off")
        chunk = inflate.decompress(pending, CHUNK_BYTES)
        pending = inflate.unconsumed_tail
        if chunk:
            yield chunk
    file.seek(-len(inflate.unused_data) - len(pending), io.SEEK_CUR)


def _skip_descriptor(file: BinaryIO) -> None:
    """Move past a data descriptor: with or without its mark, with sizes of 4 or 8 bytes."""
    here = file.tell()
    ahead = file.read(28)
    for length in (16, 24, 12, 20):
        if ahead[length : length + 2] == b"PK":
            file.seek(here + length)
            return


def _label(info: zipfile.ZipInfo) -> str:
    """A member's name as people wrote it: many programs write UTF-8 without saying so."""
    if info.flag_bits & 0x800:
        return _decoded(info.filename.encode("utf-8", "surrogateescape"), True)
    return _decoded(info.filename.encode("cp437", "replace"), False)


def _decoded(raw: bytes, utf8: bool) -> str:
    try:
        name = raw.decode("utf-8")
    except UnicodeDecodeError:
        name = raw.decode("utf-8", "replace") if utf8 else raw.decode("cp437")
    return "".join(c if c.isprintable() else "_" for c in name)[:300]


def _is_system_file(name: str) -> bool:
    parts = name.replace("\\", "/").lower().split("/")
    return "__macosx" in parts or parts[-1] in SYSTEM_FILES or parts[-1].startswith("._")


def _read_error(error: Exception) -> ArchipelError:
    if isinstance(error, ArchipelError):
        return error
    if isinstance(error, OSError) and error.errno:
        return LimitReached("The file could not be spooled; free disk space, then send again.", code="out-of-space", detail=repr(error))
    return Invalid("This member of the ZIP is damaged.", code="bad-zip", detail=repr(error))
