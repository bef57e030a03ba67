"""One gzip stream out of pieces: what Python, gzip and zlib read of it, and the CRC of both against zlib's."""

from __future__ import annotations

import gzip
import random
import subprocess
import zlib

import pytest

from archipel.kit.deflated import FLUSH_BYTES, Gzip, crc_of_both, deflated


@pytest.mark.parametrize("length", [0, 1, 3, 255, 65_536, 1_000_003])
def test_the_crc_of_both_is_that_of_the_whole(length: int) -> None:
    randomly = random.Random(length)
    first, second = randomly.randbytes(1000), randomly.randbytes(length)
    assert crc_of_both(zlib.crc32(first), zlib.crc32(second), length) == zlib.crc32(first + second)
    assert crc_of_both(0, zlib.crc32(second), length) == zlib.crc32(second)


def test_pieces_and_texts_are_one_member() -> None:
    texts = [b'{"a":1}' * 5000, b"x" * (FLUSH_BYTES + 1), random.Random(1).randbytes(70_000)]
    gzip_, out = Gzip(), b""
    out += gzip_.begin() + gzip_.text(b"[") + gzip_.piece(deflated(texts[0], 6)) + gzip_.text(b",")
    out += b"".join(gzip_.deflate(iter((texts[1], texts[2])), 4)) + gzip_.piece(deflated(texts[0], 1)) + gzip_.text(b"]") + gzip_.end()
    whole = b"[" + texts[0] + b"," + texts[1] + texts[2] + texts[0] + b"]"
    assert gzip.decompress(out) == whole
    engine = zlib.decompressobj(zlib.MAX_WBITS | 16)
    assert engine.decompress(out) == whole
    assert engine.eof
    assert engine.unused_data == b""
    assert subprocess.run(["gzip", "-dc"], input=out, capture_output=True, check=True).stdout == whole
    assert len(out) < len(texts[2]) + 10_000


def test_a_piece_gives_its_text() -> None:
    assert deflated(b"abc" * 10_000, 6).inflated() == b"abc" * 10_000
    assert deflated(b"", 6).inflated() == b""
