"""Deflated: one gzip stream out of pieces that were deflated apart and are kept so (RFC 1951, RFC 1952).

Several gzip members behind each other would be simpler, but browsers read the first alone.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Iterator
from typing import NamedTuple

# How much is taken in before what is deflated is given out.
FLUSH_BYTES = 512 * 1024
_HEAD = b"\x1f\x8b\x08\0\0\0\0\0\0\xff"
_LAST = b"\x01\0\0\xff\xff"
_POLYNOMIAL = 0xEDB88320


class Piece(NamedTuple):
    """Deflate blocks that end at a byte and are not the last ones; CRC-32 and bytes of what they stand for."""

    blocks: bytes
    crc: int
    length_bytes: int

    def inflated(self) -> bytes:
        """What the blocks stand for. zlib.error when they are damaged."""
        return zlib.decompressobj(-zlib.MAX_WBITS).decompress(self.blocks)


class Deflating:
    """A piece in the making."""

    def __init__(self, level: int) -> None:
        self._engine = zlib.compressobj(level, zlib.DEFLATED, -zlib.MAX_WBITS)
        self._since = 0
        self.crc = 0
        self.length_bytes = 0

    def add(self, text: bytes) -> bytes:
        """Take text in, and give out the blocks that are ready."""
        self.crc = zlib.crc32(text, self.crc)
        self.length_bytes += len(text)
        self._since += len(text)
        out = self._engine.compress(text)
        if self._since < FLUSH_BYTES:
            return out
        self._since = 0
        return out + self._engine.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        """The rest of the blocks."""
        return self._engine.flush(zlib.Z_SYNC_FLUSH)


def deflated(text: bytes, level: int) -> Piece:
    """A text as a piece."""
    engine = Deflating(level)
    blocks = engine.add(text) + engine.end()
    return Piece(blocks, engine.crc, engine.length_bytes)


class Gzip:
    """One gzip member; what its functions give, in their order, is the stream: ``begin``, any of the others, ``end``."""

    def __init__(self) -> None:
        self._crc = self._length = 0

    def begin(self) -> bytes:
        """The header."""
        return _HEAD

    def text(self, text: bytes) -> bytes:
        """A short text, as it is."""
        self._count(zlib.crc32(text), len(text))
        return b"\0" + struct.pack("<HH", len(text), len(text) ^ 0xFFFF) + text

    def piece(self, piece: Piece) -> bytes:
        """What was deflated before."""
        self._count(piece.crc, piece.length_bytes)
        return piece.blocks

    def deflate(self, texts: Iterable[bytes], level: int) -> Iterator[bytes]:
        """What is deflated as it comes."""
        engine = Deflating(level)
        for text in texts:
            if out := engine.add(text):
                yield out
        yield engine.end()
        self._count(engine.crc, engine.length_bytes)

    def end(self) -> bytes:
        """The last, empty block and the trailer."""
        return _LAST + struct.pack("<II", self._crc, self._length & 0xFFFFFFFF)

    def _count(self, crc: int, length: int) -> None:
        self._crc = crc_of_both(self._crc, crc, length)
        self._length += length


def crc_of_both(first: int, second: int, second_bytes: int) -> int:
    """CRC-32 of two texts behind each other, from that of each: the first's times x to the power of the second's bits."""
    power, square, bits = 1 << 31, 1 << 30, 8 * second_bytes
    while bits:
        if bits & 1:
            power = _times(power, square)
        square = _times(square, square)
        bits >>= 1
    return _times(power, first) ^ second


def _times(one: int, other: int) -> int:
    """The product of two polynomials modulo that of CRC-32, the lowest power in the highest bit."""
    product = 0
    for bit in range(31, -1, -1):
        if one >> bit & 1:
            product ^= other
        other = other >> 1 ^ (_POLYNOMIAL if other & 1 else 0)
    return product
