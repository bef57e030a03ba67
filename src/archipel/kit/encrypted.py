"""Encrypted: an object store whose objects are encrypted at rest; see ``cipher``. Objects from before it was so are still read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from archipel.kit.blob_contract import CHUNK_BYTES, Appended, Blobs
from archipel.kit.cipher import Cipher
from archipel.kit.errors import NotFound

T = TypeVar("T")


class EncryptedBlobs:
    """The store ``inner`` under a cipher."""

    def __init__(self, inner: Blobs, cipher: Cipher) -> None:
        self._inner, self._cipher = inner, cipher

    @property
    def appends_here(self) -> bool:
        return self._inner.appends_here

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        name = key + self._cipher.suffix
        return self._inner.put(name, self._cipher.pieces(name, chunks))

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Cipher | None = None) -> Appended:
        placed = self._inner.append(folder, buffers, cipher or self._cipher)
        return Appended(placed.key.removesuffix(self._cipher.suffix), placed.offset, placed.sync)

    def put_file(self, key: str, path: Path) -> int:
        with path.open("rb") as file:
            size = self.put(key, iter(lambda: file.read(CHUNK_BYTES), b""))
        path.unlink()
        return size

    def read(self, key: str, offset: int, length: int) -> bytes:
        def act(name: str) -> bytes:
            return self._plain(name, offset, self._inner.read(name, offset, length))

        return self._found(key, act)

    def stream(self, key: str, offset: int, length: int, chunk_bytes: int = CHUNK_BYTES) -> Iterator[bytes]:
        name = self._found(key, lambda name: (self._inner.size(name), name)[1])
        chunks = self._inner.stream(name, offset, length, chunk_bytes)
        yield from self._cipher.pieces(name, chunks, offset) if self._cipher.knows(name) else chunks

    def size(self, key: str) -> int:
        return self._found(key, self._inner.size)

    def delete(self, key: str) -> None:
        for suffix in (*self._cipher.suffixes, ""):
            self._inner.delete(key + suffix)

    def list(self, prefix: str) -> Iterator[tuple[str, int]]:
        for name, size in self._inner.list(prefix):
            yield name.rpartition(".")[0] if self._cipher.knows(name) else name, size

    def probe(self) -> None:
        self._inner.probe()

    def free_bytes(self) -> int:
        return self._inner.free_bytes()

    def close(self) -> None:
        self._inner.close()

    def _plain(self, name: str, offset: int, data: bytes) -> bytes:
        return self._cipher.crypt(name, offset, data) if self._cipher.knows(name) else data

    def _found(self, key: str, act: Callable[[str], T]) -> T:
        """What the act gives for the name under which the object is there: the present key's first, plain last."""
        for suffix in self._cipher.suffixes:
            try:
                return act(key + suffix)
            except NotFound:
                continue
        return act(key)
