"""Segment: a file that only grows, so that what arrives together costs one write and one sync, and no new file.

Bytes that were given out stay as they are: a segment is never written again where it has been, and one that failed is left alone.
"""

from __future__ import annotations

import contextlib
import os
import threading
import time
from collections.abc import Sequence
from pathlib import Path

SEGMENT_BYTES_MAX = 256 << 20
SEGMENT_S_MAX = 600.0
BUFFERS_MAX = 512  # one writev takes at most IOV_MAX (1,024) buffers


class Segment:
    """One growing file. Not for several threads at once. The caller syncs the folder that it is in."""

    def __init__(self, path: Path, key: str) -> None:
        self.key = key
        self.size_bytes = 0
        self._begun = time.monotonic()
        self._closing = threading.Lock()
        self._file = -1
        self._file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o644)

    def __del__(self) -> None:
        self.close()

    def close(self) -> None:
        """Close the file. Whoever is still to sync it fails: left to the last user's end, unless the segment is unusable."""
        with self._closing:
            file, self._file = self._file, -1
            if file >= 0:
                os.close(file)

    def append(self, buffers: Sequence[bytes | memoryview]) -> int:
        """Write buffers behind each other; returns the offset of the first. Any OSError makes the segment unusable."""
        start = self.size_bytes
        try:
            for first in range(0, len(buffers), BUFFERS_MAX):
                self._write(list(buffers[first : first + BUFFERS_MAX]))
        except OSError:
            with contextlib.suppress(OSError):  # half a group is of no use and takes room from a full disk
                os.ftruncate(self._file, start)
            raise
        return start

    def sync(self) -> None:
        """Make everything that was appended durable. Any OSError makes the segment unusable."""
        with self._closing:  # the number of a closed file may be another file's by now
            os.fdatasync(self._file)

    def is_in(self, folder: str, suffix: str) -> bool:
        """Whether it is of a folder, and its name ends so; without a suffix, in no suffix at all."""
        return self.key.startswith(folder + "/") and self.key.partition(".")[2] == suffix.removeprefix(".")

    def is_full(self) -> bool:
        """Whether another one is to go on: this is long enough, or old enough to be swept when nothing names it any more."""
        return self.size_bytes >= SEGMENT_BYTES_MAX or time.monotonic() - self._begun > SEGMENT_S_MAX

    def is_gone(self) -> bool:
        """Whether somebody removed the file: what is written now would be lost with it."""
        return os.fstat(self._file).st_nlink == 0

    def _write(self, buffers: list[bytes | memoryview]) -> None:
        while buffers:
            written = os.writev(self._file, buffers)
            self.size_bytes += written
            while buffers and written >= len(buffers[0]):  # a write may take less than it was given
                written -= len(buffers.pop(0))
            if written:
                buffers[0] = memoryview(buffers[0])[written:]
