"""Scratch: files that live for one piece of work, never in clear on the disk.

Each is under a random key (AES-256 in counter mode, byte for byte in place) that is held in memory alone, by the process that made the
file and the child that it tells. When they have ended, nobody can read what a crash left behind.
"""

from __future__ import annotations

import io
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO, cast

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

KEY_BYTES = 32
BLOCK_BYTES = 16
BUFFER_BYTES = 256 * 1024


@dataclass(frozen=True)
class Scratch:
    """A place for a file and its key; opened like a path. What was never written (a hole) reads as noise."""

    path: Path
    key: bytes = field(default_factory=lambda: os.urandom(KEY_BYTES), repr=False)

    def open(self, mode: str = "rb") -> BinaryIO:
        """The file in clear: ``rb``, ``xb`` or ``wb``."""
        raw = _Raw(self.key, io.FileIO(self.path, mode.replace("b", "")))
        return cast(BinaryIO, io.BufferedReader(raw, BUFFER_BYTES) if mode == "rb" else io.BufferedWriter(raw, BUFFER_BYTES))

    def stat(self) -> os.stat_result:
        """Of the file: it is as long as what it holds."""
        return self.path.stat()

    def unlink(self, missing_ok: bool = False) -> None:
        """Remove the file."""
        self.path.unlink(missing_ok=missing_ok)


#: A file to read: in clear, or a scratch.
File = Path | Scratch


def temporary(memory_bytes_max: int, folder: Path | None = None) -> BinaryIO:
    """A file without a name for reading and writing, in memory up to a size; it is gone when it is closed."""
    return cast(BinaryIO, io.BufferedRandom(_Raw(os.urandom(KEY_BYTES), None, memory_bytes_max, folder), BUFFER_BYTES))


def told(file: File) -> tuple[str, str]:
    """Path and key of a file as a child process is told them, by a pipe."""
    return (str(file.path), file.key.hex()) if isinstance(file, Scratch) else (str(file), "")


def heard(path: str, key: str) -> File:
    """The file that was told."""
    return Scratch(Path(path), bytes.fromhex(key)) if key else Path(path)


class _Raw(io.RawIOBase):
    """A file under a key; without one it stays in memory until it is larger than ``memory_bytes_max``."""

    def __init__(self, key: bytes, file: io.FileIO | None, memory_bytes_max: int = 0, folder: Path | None = None) -> None:
        super().__init__()
        self._key, self._file, self._memory_bytes_max, self._folder = key, file, memory_bytes_max, folder
        self._memory = io.BytesIO()
        self._at = 0
        self._running: tuple[int, Callable[[Any], bytes]] = -1, bytes

    def readable(self) -> bool:
        return self._file is None or self._file.readable()

    def writable(self) -> bool:
        return self._file is None or self._file.writable()

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = 0) -> int:
        self._at = (self._file or self._memory).seek(offset, 2) if whence == 2 else offset + (self._at if whence else 0)
        return self._at

    def tell(self) -> int:
        return self._at

    def readinto(self, buffer: Any) -> int:
        if self._file is None:
            self._memory.seek(self._at)
            count = self._memory.readinto(buffer)
        else:
            found = os.pread(self._file.fileno(), len(buffer), self._at)
            count = len(found)
            buffer[:count] = self._crypt(found)
        self._at += count
        return count

    def write(self, data: Any) -> int:
        if self._file is None and self._at + len(data) <= self._memory_bytes_max:
            self._memory.seek(self._at)
            count = self._memory.write(data)
        else:
            count = self._write(self._opened(), data)
        self._at += count
        return count

    def truncate(self, size: int | None = None) -> int:
        return (self._file or self._memory).truncate(self._at if size is None else size)

    def close(self) -> None:
        if not self.closed and self._file is not None:
            self._file.close()
        super().close()

    def _opened(self) -> io.FileIO:
        """The file, with what was in memory."""
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0, dir=self._folder)  # noqa: SIM115 - closed with this one
            at, self._at = self._at, 0
            self._write(self._file, self._memory.getbuffer())
            self._at, self._memory = at, io.BytesIO()
        return self._file

    def _write(self, file: io.FileIO, data: Any) -> int:
        left, at = memoryview(self._crypt(data)), self._at
        while left:
            count = os.pwrite(file.fileno(), left, at)
            left, at = left[count:], at + count
        return len(data)

    def _crypt(self, data: Any) -> bytes:
        """Bytes that stand at the position, encrypted; or decrypted, which is the same."""
        at, update = self._running
        if at != self._at:
            block, within = divmod(self._at, BLOCK_BYTES)
            update = Cipher(algorithms.AES(self._key), modes.CTR(block.to_bytes(BLOCK_BYTES, "big"))).encryptor().update
            update(bytes(within))
        self._running = self._at + len(data), update
        return update(data)
