"""Spool: what is arriving, in memory while small and in a scratch file when large, within one budget for all."""

from __future__ import annotations

import contextlib
import hashlib
import io
import threading
from pathlib import Path
from typing import Any, BinaryIO

from archipel.kit.errors import LimitReached
from archipel.kit.ids import new_id
from archipel.kit.scratch import Scratch


class Spooled:
    """One arriving object. ``write`` until it is whole, ``open`` to read it, ``close`` in any case: it leaves nothing behind."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._digest: Any = None  # of a file, from its first byte on, taken as it comes
        self._memory: bytearray | None = bytearray()
        self._file: BinaryIO | None = None
        self.scratch: Scratch | None = None
        self.size_bytes = 0
        self._closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        """Add bytes; LimitReached (``too-large``) past the largest object that is taken, OSError when the disk is full."""
        self.size_bytes += len(data)
        if self.size_bytes > self._spool.object_bytes_max:
            raise LimitReached(f"The object is larger than {self._spool.object_bytes_max} bytes.", code="too-large")
        if self._memory is not None:
            if self.size_bytes <= self._spool.memory_bytes_each and self._spool.take(len(data)):
                self._memory += data
                return
            self._to_file()
        assert self._file is not None
        self._file.write(data)
        self._digest.update(data)

    def open(self) -> BinaryIO:
        """A fresh reader of the whole object; the caller closes it."""
        if self._memory is not None:
            return io.BytesIO(self._memory)
        assert self._file is not None and self.scratch is not None
        self._file.flush()
        return self.scratch.open()

    def sha256(self, offset: int = 0) -> str:
        """SHA-256 of what is there from ``offset`` on, in hexadecimal."""
        if self._digest is not None and offset == 0:
            return str(self._digest.hexdigest())
        if self._memory is not None:
            with memoryview(self._memory) as view:
                return hashlib.sha256(view[offset:]).hexdigest()
        with self.open() as file:
            file.seek(offset)
            return hashlib.file_digest(file, "sha256").hexdigest()  # type: ignore[arg-type]

    @property
    def memory(self) -> bytearray | None:
        """The bytes themselves while they are in memory, else None (then ``scratch`` is the file)."""
        return self._memory

    def close(self) -> None:
        """Give back the memory and delete the file; may be called twice."""
        if self._closed:
            return
        self._closed = True
        if self._memory is not None:
            self._spool.give(len(self._memory))
            self._memory = None
        with contextlib.suppress(OSError):
            if self._file is not None:
                self._file.close()  # writes what is buffered, which a full disk refuses
        with contextlib.suppress(OSError):  # a disk that fails must not keep an answer from its sender; the folder goes at the next start
            if self.scratch is not None:
                self.scratch.unlink(missing_ok=True)

    def _to_file(self) -> None:
        assert self._memory is not None
        self.scratch = Scratch(self._spool.folder / new_id())
        self._file = self.scratch.open("xb")
        self._file.write(self._memory)
        self._digest = hashlib.sha256(self._memory)
        self._spool.give(len(self._memory))
        self._memory = None


class Spool:
    """The folder and the memory budget that all arriving objects share.

    ``memory_bytes_max`` for all together, ``memory_bytes_each`` for one; past either an object goes to a file. The
    folder is one process's own; what a killed one left is removed with its folder at the next start (``app``).
    """

    def __init__(
        self,
        folder: Path,
        *,
        memory_bytes_max: int = 64 << 20,
        memory_bytes_each: int = 4 << 20,
        object_bytes_max: int = 64 << 30,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.memory_bytes_each = memory_bytes_each
        self.object_bytes_max = object_bytes_max
        self._memory_bytes_max = memory_bytes_max
        self._used_bytes = 0
        self._lock = threading.Lock()

    def new(self) -> Spooled:
        """An empty arriving object."""
        return Spooled(self)

    def take(self, count: int) -> bool:
        """Reserve memory; False when the budget is spent."""
        with self._lock:
            if self._used_bytes + count > self._memory_bytes_max:
                return False
            self._used_bytes += count
            return True

    def give(self, count: int) -> None:
        """Return reserved memory."""
        with self._lock:
            self._used_bytes -= count

    @property
    def used_bytes(self) -> int:
        """Memory in use now, by all arriving objects."""
        return self._used_bytes
