"""Cipher: objects at rest under keys that are kept elsewhere, byte for byte in place, so that any range is read alone.

AES-256 in counter mode, a key of its own for each object (HKDF-SHA256 of a master key and the object's name). No byte of an object is
written twice, so no part of a key stream is used twice. That bytes were not altered is what their digests are for.
"""

from __future__ import annotations

import re
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache
from pathlib import Path

from cryptography.hazmat.primitives.ciphers import Cipher as Aes
from cryptography.hazmat.primitives.ciphers import algorithms, modes
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from archipel.kit.errors import Invalid

KEY_BYTES = 32
BLOCK_BYTES = 16
_ID = re.compile(r"[a-z0-9]{1,16}")
Buffer = bytes | bytearray | memoryview


class Cipher:
    """Master keys by their id; the last is for what is written now. An object's name ends with ``.`` and the id of its key."""

    def __init__(self, keys: Mapping[str, bytes]) -> None:
        if not keys or any(not _ID.fullmatch(name) or len(key) != KEY_BYTES for name, key in keys.items()):
            raise Invalid("A key file has lines of an id and 64 hexadecimal digits.", code="key-file", field="blobs.key_file")
        self._keys = dict(keys)
        self.suffixes = tuple(f".{name}" for name in reversed(self._keys))
        self._key_of = lru_cache(maxsize=4096)(self._derive)

    @property
    def suffix(self) -> str:
        """What the name of a new object ends with."""
        return self.suffixes[0]

    def knows(self, name: str) -> bool:
        """Whether an object of this name is encrypted under one of the keys."""
        return name.rpartition(".")[2] in self._keys and "." in name

    def crypt(self, name: str, offset: int, data: Buffer) -> bytes:
        """Bytes of an object from an offset on, encrypted; or decrypted, which is the same."""
        return self.running(name, offset)(data)

    def running(self, name: str, offset: int = 0) -> Callable[[Buffer], bytes]:
        """The same for pieces that follow one another."""
        block, within = divmod(offset, BLOCK_BYTES)
        state = Aes(algorithms.AES(self._key_of(name)), modes.CTR(block.to_bytes(BLOCK_BYTES, "big"))).encryptor()
        if within:
            state.update(bytes(within))
        return state.update

    def pieces(self, name: str, chunks: Iterable[Buffer], offset: int = 0) -> Iterator[bytes]:
        """The chunks of an object from an offset on, encrypted or decrypted."""
        crypt = self.running(name, offset)
        for chunk in chunks:
            yield crypt(chunk)

    def _derive(self, name: str) -> bytes:
        master = self._keys[name.rpartition(".")[2]]
        return HKDF(SHA256(), KEY_BYTES, salt=None, info=b"archipel object " + name.encode()).derive(master)


def read_keys(path: Path, *, apart_from: Path) -> Cipher:
    """The cipher of a key file: a line for each key, oldest first. Invalid when others may read it, or it lies with the data."""
    if path.resolve().is_relative_to(apart_from.resolve()):
        raise Invalid("The key file lies in the data folder, where it protects nothing.", code="key-file", field="blobs.key_file")
    return Cipher(read_key_file(path, "blobs.key_file"))


def read_key_file(path: Path, field: str) -> dict[str, bytes]:
    """The keys of a file by their id: a line of an id and 64 hexadecimal digits for each, oldest first. Invalid when others may read it."""
    try:
        if path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
            raise Invalid("The key file may be read by others; chmod 600.", code="key-file", field=field)
        lines = [line.split() for line in path.read_text().splitlines() if line.strip() and not line.startswith("#")]
        return {name: bytes.fromhex(key) for name, key in lines}
    except (OSError, ValueError) as error:
        raise Invalid("The key file cannot be read.", code="key-file", field=field, detail=str(error)) from error
