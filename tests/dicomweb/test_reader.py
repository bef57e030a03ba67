"""The multipart reader fed in pieces of any size, and with anything at all."""

from __future__ import annotations

import itertools
import random
import tempfile
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.dicomweb.reader import RelatedReader
from archipel.kit.errors import ArchipelError, Invalid
from archipel.kit.spool import Spool
from tests import fuzzing

SPOOL = Spool(Path(tempfile.mkdtemp(prefix="reader-")), memory_bytes_each=64, memory_bytes_max=4096)
PIECES = st.lists(
    st.binary(min_size=0, max_size=200) | st.sampled_from([b"\r\n--bb", b"\r\n", b"--bb", b"--bb--", b"\r", b"-"]), max_size=6
)


def read(body: bytes, cuts: list[int]) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a body that comes cut at these places."""
    reader = RelatedReader("bb", SPOOL)
    found = []
    try:
        places = sorted({0, len(body), *(cut % (len(body) + 1) for cut in cuts)})
        for start, end in itertools.pairwise(places):
            for part in reader.feed(body[start:end]):
                with part.spooled.open() as file:
                    found.append((part.headers, file.read()))
                part.spooled.close()
        if not reader.whole:
            raise Invalid("cut", code="truncated")
    finally:
        reader.close()
    return found


@settings(max_examples=150, deadline=None)
@given(contents=st.lists(PIECES.map(b"".join), min_size=1, max_size=5), cuts=st.lists(st.integers(0, 10_000), max_size=30))
def test_parts_are_the_same_however_the_body_is_cut(contents: list[bytes], cuts: list[int]) -> None:
    contents = [content.replace(b"\r\n--bb", b"\r\n--cc") for content in contents]
    body = (
        b"".join(b"--bb\r\nContent-Type: application/dicom\r\nX-N: %d\r\n\r\n%b\r\n" % (n, c) for n, c in enumerate(contents))
        + b"--bb--\r\n"
    )
    found = read(body, cuts)
    assert [content for _, content in found] == contents
    assert [headers["x-n"] for headers, _ in found] == [str(n) for n in range(len(contents))]
    assert SPOOL.used_bytes == 0


@settings(max_examples=200, deadline=None)
@given(body=PIECES.map(b"".join), cuts=st.lists(st.integers(0, 2000), max_size=10))
def test_anything_is_read_or_refused_and_leaves_nothing(body: bytes, cuts: list[int]) -> None:
    for start in (b"", b"--bb\r\n", b"--bb\r\nContent-Type: x\r\n\r\n"):
        try:
            read(start + body, cuts)
        except ArchipelError:
            pass
        assert SPOOL.used_bytes == 0
        assert list(SPOOL.folder.iterdir()) == []


@pytest.mark.fuzz
@pytest.mark.timeout(fuzzing.FUZZ_SECONDS + 120)
def test_mutated_bodies() -> None:
    """The long form: bytes of a good body changed, cut and doubled at random."""
    until = time.monotonic() + fuzzing.FUZZ_SECONDS
    seed = random.randrange(2**32)
    chance = random.Random(seed)
    good = b"".join(
        b"--bb\r\nContent-Type: application/dicom\r\nContent-Location: u/%d\r\n\r\n%b\r\n" % (n, bytes(range(256))) for n in range(4)
    )
    while time.monotonic() < until:
        body = bytearray(good + b"--bb--\r\n")
        for _ in range(chance.randint(1, 8)):
            at = chance.randrange(len(body))
            act = chance.randrange(3)
            if act == 0:
                body[at] = chance.randrange(256)
            elif act == 1:
                del body[at : at + chance.randint(1, 40)]
            else:
                body[at:at] = body[chance.randrange(len(body)) :][: chance.randint(1, 40)]
            body = body or bytearray(b"-")
        try:
            read(bytes(body), [chance.randrange(4000) for _ in range(chance.randint(0, 6))])
        except ArchipelError:
            pass
        assert SPOOL.used_bytes == 0, seed
