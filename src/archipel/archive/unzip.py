"""Unzip: the members of a ZIP as spooled files, with nothing in it believed.

Members are read under bounds on their count, on what each and all of them expand to, and on the directory; their names are labels,
never paths. A ZIP without its directory (cut off on the way) is read by the members' own headers as far as it goes.
"""

from __future__ import annotations

import io
import stat
import struct
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from archipel.kit.errors import ArchipelError, Invalid, LimitReached
from archipel.kit.spool import Spool, Spooled

CHUNK_BYTES = 1 << 18
DIRECTORY_BYTES_MAX = 16 << 20
# What small files may expand to whatever their ratio: a page of zeros is no bomb.
EXPANSION_BYTES_FREE = 16 << 20
SYSTEM_FILES = frozenset({".ds_store", "thumbs.db", "desktop.ini", "autorun.inf"})
_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, ValueError, OSError, struct.error)

Member = tuple[str, Spooled | ArchipelError]


@dataclass(frozen=True)
class IntakeLimits:
    """Bounds on what an archive may expand to."""

    zip_bytes_max: int = 64 << 30
    zip_ratio_max: int = 200
    zip_member_count_max: int = 200_000


class Unzip:
    """One unpacking, nested archives included: its limits hold for all of them together."""

    def __init__(self, spool: Spool, limits: IntakeLimits) -> None:
        self._spool, self._limits = spool, limits
        self._left_bytes = limits.zip_bytes_max
        self._left_members = limits.zip_member_count_max

    def members(self, file: BinaryIO) -> Iterator[Member]:
        """Each member's label and its content, or why there is none; an empty label stands for the archive itself.

        The caller closes what is spooled.
        """
        size = file.seek(0, io.SEEK_END)
        file.seek(0)
        # All members together may not expand further than one of them: members that share their bytes multiply too.
        whole = _Budget(size, self._limits.zip_ratio_max)
        try:
            archive = zipfile.ZipFile(_Careful(file))
        except LimitReached as error:
            yield "", error
            return
        except _BROKEN as error:
            file.seek(0)
            yield from self._without_directory(file, whole)
            yield "", Invalid("The ZIP is damaged or cut off; what could be read was.", code="bad-zip", detail=repr(error))
            return
        with archive:
            self._left_members -= len(archive.infolist())
            if self._left_members < 0:
                too_many = f"The ZIP has more than {self._limits.zip_member_count_max} members."
                yield "", LimitReached(too_many, code="zip-bomb")
                return
            for info in archive.infolist():
                if not info.filename.endswith("/"):  # is_dir() fails where the name is empty
                    yield _label(info), self._content(archive, info, whole)
                if self._left_bytes < 0 or whole.is_spent:
                    yield "", LimitReached("The rest of the ZIP was left out.", code="zip-bomb")
                    return

    def _content(self, archive: zipfile.ZipFile, info: zipfile.ZipInfo, whole: _Budget) -> Spooled | ArchipelError:
        if stat.S_ISLNK(info.external_attr >> 16) or is_system_file(info.filename):
            return Invalid("A link or a system file, left out.", code="ignored")
        if info.flag_bits & 0x1:
            return Invalid("This member is encrypted; send it without a password.", code="encrypted-zip")
        if info.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            return Invalid("This member is compressed in a way that is not read; use deflate.", code="zip-method")
        try:
            with archive.open(info) as source:
                chunks = iter(lambda: source.read(CHUNK_BYTES), b"")
                return self._spooled(chunks, whole, _Budget(info.compress_size, self._limits.zip_ratio_max))
        except ArchipelError as error:
            return error
        except _BROKEN as error:
            return _damaged(error)

    def _spooled(self, chunks: Iterator[bytes], *budgets: _Budget) -> Spooled:
        spooled = self._spool.new()
        try:
            for chunk in chunks:
                self._left_bytes -= len(chunk)
                if self._left_bytes < 0:
                    raise LimitReached(f"The ZIP expands to more than {self._limits.zip_bytes_max} bytes.", code="zip-bomb")
                for budget in budgets:
                    budget.spend(len(chunk))
                spooled.write(chunk)
        except BaseException:
            spooled.close()
            raise
        return spooled

    def _without_directory(self, file: BinaryIO, whole: _Budget) -> Iterator[Member]:
        """The members up to the first that is not whole."""
        while len(head := file.read(_LOCAL.size)) == _LOCAL.size:
            mark, _, flags, method, _, _, _, compressed, _, name_length, extra_length = _LOCAL.unpack(head)
            if mark != b"PK\3\4" or flags & 0x1 or method not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
                return
            label = _decoded(file.read(name_length), bool(flags & 0x800))
            file.seek(extra_length, io.SEEK_CUR)
            if method == zipfile.ZIP_STORED and (flags & 0x8 or compressed == 0xFFFFFFFF):
                return  # its length stands behind its bytes, or aside
            chunks = _exactly(file, compressed) if method == zipfile.ZIP_STORED else _inflated(file)
            self._left_members -= 1
            try:
                spooled = self._spooled(chunks, whole)
            except (ArchipelError, *_BROKEN):
                return
            if flags & 0x8:
                _skip_descriptor(file)
            if label.endswith("/") or self._left_members < 0:
                spooled.close()
            else:
                yield label, spooled


class _Budget:
    """How far some compressed bytes may expand."""

    def __init__(self, compressed_bytes: int, ratio_max: int) -> None:
        self._left = compressed_bytes * ratio_max + EXPANSION_BYTES_FREE

    @property
    def is_spent(self) -> bool:
        return self._left < 0

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
        chunk = inflate.decompress(pending, CHUNK_BYTES)
        if not pending and not chunk and not inflate.eof:
            raise EOFError("the member is cut off")
        pending = inflate.unconsumed_tail
        if chunk:
            yield chunk
    file.seek(-len(inflate.unused_data), io.SEEK_CUR)


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


def is_system_file(name: str) -> bool:
    """Whether a file of that name is one that operating systems leave on media."""
    parts = name.replace("\\", "/").lower().split("/")
    return "__macosx" in parts or parts[-1] in SYSTEM_FILES or parts[-1].startswith("._")


def _damaged(error: Exception) -> ArchipelError:
    if isinstance(error, OSError) and error.errno:
        return LimitReached("The file could not be spooled; free disk space, then send again.", code="out-of-space", detail=repr(error))
    return Invalid("This member of the ZIP is damaged.", code="bad-zip", detail=repr(error))
