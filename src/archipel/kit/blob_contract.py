"""The contract of object stores: what a key is, what every back end does, and how it says that bytes are gone."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple, Protocol

from archipel.kit.cipher import Cipher
from archipel.kit.errors import Invalid, NotFound, Unavailable

BLOB_MISSING, BLOB_UNREADABLE = "blob-missing", "blob-unreadable"
CHUNK_BYTES = 256 * 1024
STRETCH_BYTES = 8 << 20
PUT_BYTES = 8 << 20
_KEY = re.compile(r"[A-Za-z0-9_-]+(?:[./][A-Za-z0-9_-]+)*")


class Appended(NamedTuple):
    """Where appended bytes are, and what makes them durable."""

    key: str
    offset: int
    sync: Callable[[], None]


class Blobs(Protocol):
    """The contract of both back ends; one set of contract tests runs on each."""

    @property
    def appends_here(self) -> bool:
        """Whether ``append`` writes on this machine, and takes the time of that."""

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        """Write a new object and return its size in bytes; Conflict when the key exists, LimitReached when the disk is full."""

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Cipher | None = None) -> Appended:
        """Write buffers behind each other into an object of this folder; they are durable when ``sync`` of the result has returned.

        The object may hold what was appended before, and grow later; no byte of it is ever written again. With a cipher the object's
        name ends with its suffix, and its bytes are encrypted.
        """

    def put_file(self, key: str, path: Path) -> int:
        """Make a local file an object; the file is consumed when that succeeds, and left where it is when not."""

    def read(self, key: str, offset: int, length: int) -> bytes:
        """``length`` bytes from ``offset``; fewer only at the end of the object. NotFound when there is no such object."""

    def stream(self, key: str, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        """The same range in chunks, without holding it in memory."""

    def size(self, key: str) -> int: ...

    def delete(self, key: str) -> None:
        """Remove an object; nothing happens when it is not there."""

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        """All (key, size) below a prefix of whole segments, of everything when it is empty."""

    def probe(self) -> None:
        """Write, read and delete a small object; Unavailable when that fails."""

    def free_bytes(self) -> int:
        """Room that is left; a very large number where the store does not say."""

    def close(self) -> None:
        """Let go of what is open; using the store again opens it again."""


def check_key(key: str) -> str:
    """The key itself, or Invalid when it could name something outside the store."""
    if not _KEY.fullmatch(key) or len(key) > 300:
        raise Invalid("An object key is not well formed.", code="blob-key", detail=repr(key))
    return key


def check_prefix(prefix: str) -> str:
    """The prefix without a slash at its end, or Invalid as above; empty for the whole store."""
    return check_key(prefix.rstrip("/")) if prefix else ""


def missing(key: str) -> NotFound:
    return NotFound("The stored bytes are not where the index says.", code=BLOB_MISSING, detail=key)


def unreadable(key: str, error: OSError) -> Unavailable:
    return Unavailable("The disk does not give the stored bytes.", code=BLOB_UNREADABLE, detail=f"{key}: {error}")
