"""Tiered: a folder of this machine takes everything, and a store behind it holds copies of what is finished.

What arrives is durable here, whatever the store does; what is read is taken from here, and from the store when it has gone from here or
cannot be read any more. Which objects are copied, and when they may go from here, is decided above.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

import structlog

from archipel.kit.blob_contract import BLOB_UNREADABLE, CHUNK_BYTES, Appended, Blobs
from archipel.kit.cipher import Cipher
from archipel.kit.errors import Conflict, NotFound, Unavailable

COPY_BYTES = 1 << 20

T = TypeVar("T")
log = structlog.get_logger(__name__)


class TieredBlobs:
    """Objects in ``local``, those whose keys start with ``prefix`` copied to ``remote``."""

    def __init__(self, local: Blobs, remote: Blobs, *, prefix: str) -> None:
        self.local, self.remote, self._prefix = local, remote, prefix

    @property
    def appends_here(self) -> bool:
        return self.local.appends_here

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        return self.local.put(key, chunks)

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Cipher | None = None) -> Appended:
        return self.local.append(folder, buffers, cipher)

    def put_file(self, key: str, path: Path) -> int:
        return self.local.put_file(key, path)

    def read(self, key: str, offset: int, length: int) -> bytes:
        return self._either(key, lambda blobs: blobs.read(key, offset, length))

    def stream(self, key: str, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        given = 0
        try:
            for chunk in self.local.stream(key, offset, length, chunk_bytes):
                given += len(chunk)
                yield chunk
        except (NotFound, Unavailable) as error:
            if not self._is_behind(key, error):
                raise
            yield from self.remote.stream(key, offset + given, length - given, chunk_bytes)

    def size(self, key: str) -> int:
        return self._either(key, lambda blobs: blobs.size(key))

    def delete(self, key: str) -> None:
        """Remove an object here and there; Unavailable, with nothing removed, when the store does not answer."""
        if key.startswith(self._prefix):
            self.remote.delete(key)
        self.local.delete(key)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        here = dict(self.local.list(prefix))
        yield from here.items()
        if prefix.startswith(self._prefix.rstrip("/")) or not prefix:
            yield from ((key, size) for key, size in self.remote.list(prefix) if key not in here)

    def probe(self) -> None:
        """The folder must keep its contract; a store that is away may come back, one that answers must keep its contract too."""
        self.local.probe()
        try:
            self.remote.size("probe/there")
        except NotFound:
            self.remote.probe()
        except Unavailable as error:
            log.warning("blobs.store_away", detail=error.detail)

    def free_bytes(self) -> int:
        return self.local.free_bytes()

    def close(self) -> None:
        self.local.close()
        self.remote.close()

    def copy(self, key: str) -> tuple[int, str]:
        """Copy an object to the store and read it back: (size in bytes, SHA-256).

        Unavailable when the store does not answer, or does not give back what it was given; NotFound when neither has the object.
        """
        try:
            wanted = self.digest(self.local, key)
        except NotFound:
            return self.digest(self.remote, key)
        try:
            self.remote.put(key, self.local.stream(key, 0, wanted[0], COPY_BYTES))
        except Conflict:  # of an earlier try that nobody wrote down
            pass
        try:
            found = self.digest(self.remote, key)
        except NotFound as error:
            raise Unavailable("The object store lost what it was given.", code="copy-lost", detail=key) from error
        if found != wanted:
            self.remote.delete(key)
            raise Unavailable("The object store gives back other bytes than it was given.", code="copy-differs", detail=key)
        return wanted

    def drop_local(self, key: str, size_bytes: int) -> bool:
        """Remove what is here of an object, if the store has it still; whether it was."""
        try:
            if self.remote.size(key) != size_bytes:
                return False
        except NotFound:
            return False
        self.local.delete(key)
        return True

    def mend_local(self, key: str, digest: str) -> bool:
        """Take an object from the store again because it is damaged here; False when the store's is not what it was either."""
        try:
            if self.digest(self.remote, key)[1] != digest:
                return False
        except NotFound:
            return False
        self.local.delete(key)  # from here on it is read from the store
        self.local.put(key, self.remote.stream(key, 0, self.remote.size(key), COPY_BYTES))
        return True

    @staticmethod
    def digest(blobs: Blobs, key: str) -> tuple[int, str]:
        """(Size, SHA-256) of an object of one of the two, read whole."""
        running, size = hashlib.sha256(), blobs.size(key)
        for chunk in blobs.stream(key, 0, size, COPY_BYTES):
            running.update(chunk)
        return size, running.hexdigest()

    def _either(self, key: str, act: Callable[[Blobs], T]) -> T:
        try:
            return act(self.local)
        except (NotFound, Unavailable) as error:
            if not self._is_behind(key, error):
                raise
            return act(self.remote)

    def _is_behind(self, key: str, error: NotFound | Unavailable) -> bool:
        """Whether the store may have what was not found, or could not be read, here."""
        return key.startswith(self._prefix) and (isinstance(error, NotFound) or error.code == BLOB_UNREADABLE)
