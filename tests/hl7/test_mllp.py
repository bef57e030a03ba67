"""MLLP frames out of a stream that comes in any pieces."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.hl7 import mllp
from archipel.hl7.mllp import Decoder, Frame
from archipel.kit.errors import Invalid

ONE, TWO = b"MSH|^~\\&|A\rPID|1\r", b"MSH|^~\\&|B\r"


def test_a_frame_on_the_wire() -> None:
    assert mllp.frame(ONE) == b"\x0b" + ONE + b"\x1c\r"
    with pytest.raises(Invalid):
        mllp.frame(b"MSH\x1c\r")


def test_many_in_one_read_and_garbage_between() -> None:
    decoder = Decoder()
    stream = b"noise" + mllp.frame(ONE) + b"\r\n??" + mllp.frame(TWO) + mllp.frame(ONE) + b"\n"
    assert decoder.feed(stream) == [Frame(ONE), Frame(TWO), Frame(ONE)]
    assert decoder.garbage_bytes == 7
    assert not decoder.is_inside
    assert decoder.end() is None


def test_an_end_without_its_carriage_return() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + ONE + b"\x1c") == [Frame(ONE)]
    assert decoder.feed(b"\x0b" + TWO + b"\x1c\r") == [Frame(TWO)]
    assert decoder.garbage_bytes == 0


def test_a_lost_end_gives_the_cut_one_and_the_next() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + ONE[:9] + mllp.frame(TWO)) == [Frame(ONE[:9], "cut"), Frame(TWO)]


def test_a_vertical_tab_in_a_text_is_no_start() -> None:
    text = b"MSH|^~\\&|A\rNTE|1||one\x0btwo\r"
    assert Decoder().feed(mllp.frame(text)) == [Frame(text)]


def test_a_connection_that_ends_inside() -> None:
    decoder = Decoder()
    assert decoder.feed(b"\x0b" + ONE) == []
    assert decoder.is_inside
    assert decoder.end() == Frame(ONE, "cut")
    assert not decoder.is_inside


def test_a_frame_that_is_too_long_is_told_once_and_passed_over() -> None:
    decoder = Decoder(bytes_max=100)
    frames = decoder.feed(b"\x0b" + ONE + b"x" * 90)
    frames += decoder.feed(b"y" * 10_000)
    frames += decoder.feed(b"z\x1c\r" + mllp.frame(TWO))
    assert [(f.fault, f.data[:7]) for f in frames] == [("too-long", ONE[:7]), ("", TWO[:7])]
    assert [f.fault for f in Decoder(bytes_max=100).feed(mllp.frame(ONE + b"x" * 200) + mllp.frame(TWO))] == ["too-long", ""]


@given(
    st.lists(st.binary(max_size=30).map(lambda b: b"MSH|" + b.replace(b"\x1c", b"").replace(b"\x0b", b"")), max_size=6),
    st.lists(st.integers(1, 9), max_size=60),
)
@settings(max_examples=300, deadline=None)
def test_the_pieces_do_not_matter(messages: list[bytes], sizes: list[int]) -> None:
    stream = b"".join(map(mllp.frame, messages))
    decoder, at, found = Decoder(), 0, []
    for size in [*sizes, len(stream)]:
        found += decoder.feed(stream[at : at + size])
        at += size
    assert found == [Frame(message) for message in messages]


def test_byte_by_byte_and_a_large_one_are_linear() -> None:
    decoder, started = Decoder(), time.process_time()
    stream = mllp.frame(b"MSH|" + b"x" * 200_000)
    frames = [f for byte in stream for f in decoder.feed(bytes([byte]))]
    assert [len(f.data) for f in frames] == [200_004]
    chunks = Decoder()
    assert chunks.feed(b"\x0bMSH") == []
    for _ in range(600):
        assert chunks.feed(b"x" * 65_536) == []
    assert len(chunks.feed(b"\x1c\r")) == 1
    assert len(Decoder().feed(mllp.frame(TWO) * 100_000)) == 100_000
    assert time.process_time() - started < 10
