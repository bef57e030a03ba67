"""File cache: what was computed and can be computed again, in a folder that processes share, bounded, the least recently used going first.

Nothing is synced. A file says by a digest whether it is whole, so one that is torn or damaged is one that is not there; a disk that is full
or fails costs time and nothing else. Under a cipher nothing is in clear, neither is it with keys that have gone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import secrets
import shutil
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import structlog

from archipel.kit.cipher import Cipher
from archipel.kit.ids import new_id

# Parts of the bound: one value at most; what is left when old ones went; what a process writes before it looks again.
EACH = 1 / 50
LEFT = 2 / 3
LOOK = 1 / 25
BLOCK_BYTES = 4096
TOUCH_AFTER_S = 60.0
TORN_AFTER_S = 3600.0
_NONCE_BYTES = 16
_DIGEST_BYTES = 32

log = structlog.get_logger(__name__)


class FileCache:
    """Values by key, hexadecimal digests of what they were made from. ``bytes_max`` holds for up to five processes together.

    While the disk has less than ``free_bytes_min`` nothing is kept, and what was is removed.
    """

    def __init__(self, folder: Path, *, bytes_max: int, free_bytes_min: int = 0, cipher: Cipher | None = None) -> None:
        self._folder, self._bytes_max, self._free_bytes_min, self._cipher = folder, bytes_max, free_bytes_min, cipher
        self._trimming = threading.Lock()
        self._since_bytes: float = bytes_max  # a process begins by looking at what is there

    def get(self, key: str) -> bytes | None:
        """The value, or None."""
        path = self._path(key)
        try:
            with path.open("rb") as file:
                found = self._opened(key, file.read())
                if found is not None and time.time() - os.fstat(file.fileno()).st_mtime > TOUCH_AFTER_S:
                    os.utime(file.fileno())
        except FileNotFoundError:
            return None
        except OSError as error:
            log.warning("cache.not_read", detail=str(error))
            return None
        if found is None:
            log.warning("cache.damaged", file=path.name)
            with contextlib.suppress(OSError):
                path.unlink()
        return found

    def put(self, key: str, value: bytes) -> None:
        """Keep a value, if there is room for it."""
        if len(value) > self._bytes_max * EACH:
            return
        try:
            self._folder.mkdir(parents=True, exist_ok=True)
            if shutil.disk_usage(self._folder).free < self._free_bytes_min:
                self._trim(0)
                return
            self._write(key, value)
        except OSError as error:  # full, read-only, failing: the value was computed, and is given
            log.warning("cache.not_written", detail=str(error))
            return
        self._since_bytes += _room(len(value))
        if self._since_bytes > self._bytes_max * LOOK:
            self._since_bytes = 0
            self._trim(self._bytes_max * LEFT)

    def _write(self, key: str, value: bytes) -> None:
        path, new = self._path(key), self._folder / f"{new_id()}.new"
        path.parent.mkdir(exist_ok=True)
        try:
            new.write_bytes(self._closed(key, value))
            new.replace(path)
        finally:
            with contextlib.suppress(OSError):
                new.unlink(missing_ok=True)

    def _path(self, key: str) -> Path:
        return self._folder / key[:2] / (key + (self._cipher.suffix if self._cipher else ""))

    def _closed(self, key: str, value: bytes) -> bytes:
        """As it stands in the file: under a cipher a name of its own for each writing, so that no key stream is used twice."""
        nonce = secrets.token_bytes(_NONCE_BYTES)
        body = _digest(nonce, key, value) + value
        return nonce + (self._cipher.crypt(self._name(key, nonce), 0, body) if self._cipher else body)

    def _opened(self, key: str, data: bytes) -> bytes | None:
        nonce, body = data[:_NONCE_BYTES], data[_NONCE_BYTES:]
        if self._cipher and len(nonce) == _NONCE_BYTES:
            body = self._cipher.crypt(self._name(key, nonce), 0, body)
        value = body[_DIGEST_BYTES:]
        return value if body[:_DIGEST_BYTES] == _digest(nonce, key, value) else None

    def _name(self, key: str, nonce: bytes) -> str:
        assert self._cipher is not None
        return f"cache/{key}/{nonce.hex()}{self._cipher.suffix}"

    def _trim(self, bytes_left: float) -> None:
        """Remove the least recently used until this much is left, and what writers that were killed have left."""
        if not self._trimming.acquire(blocking=False):
            return
        try:
            found = sorted(self._files())
            total = sum(size for _, size, _ in found)
            for _, size, path in found:
                if total <= bytes_left:
                    break
                with contextlib.suppress(OSError):  # another process removes as well
                    os.unlink(path)
                total -= size
        finally:
            self._trimming.release()

    def _files(self) -> Iterator[tuple[float, int, str]]:
        """When each was used, the room that it takes, and where it is."""
        for path, _, names in os.walk(self._folder):
            for name in names:
                file = os.path.join(path, name)
                try:
                    about = os.stat(file)
                    if not name.endswith(".new"):
                        yield about.st_mtime, _room(about.st_size), file
                    elif time.time() - about.st_mtime > TORN_AFTER_S:
                        os.unlink(file)
                except OSError:  # it has gone meanwhile
                    continue


def _digest(nonce: bytes, key: str, value: bytes) -> bytes:
    return hashlib.sha256(nonce + key.encode() + value).digest()


def _room(size: int) -> int:
    """What a file of this size takes on a disk."""
    return -(-(size + _NONCE_BYTES) // BLOCK_BYTES) * BLOCK_BYTES
