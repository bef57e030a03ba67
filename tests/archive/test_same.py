"""Two datasets that differ in the one byte with which C-STORE pads an odd length are one content; any other difference is not."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset

from archipel.archive.same import twin_digest
from tests import make
from tests.archive.room import Room


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[start : start + size] for start in range(0, len(data), size))


def same(stored: bytes, arrived: bytes, size: int = 7) -> bool:
    return sha256(stored) in (sha256(arrived), twin_digest(pieces(arrived, size)))


def test_one_padding_byte_makes_no_other_content() -> None:
    assert same(b"abc", b"abc\0")
    assert same(b"abc\0", b"abc")
    assert same(b"abc", b"abc")


@pytest.mark.parametrize(
    ("stored", "arrived"),
    [(b"abc", b"abd\0"), (b"ab", b"ab\0"), (b"abc", b"abc\0\0"), (b"abc", b"abc "), (b"abc", b"abcd"), (b"abc", b""), (b"\0abc", b"abc")],
)
def test_any_other_difference_does(stored: bytes, arrived: bytes) -> None:
    """A NUL behind an even length is none of C-STORE's making."""
    assert not same(stored, arrived)
    assert not same(arrived, stored)


@given(data=st.binary(max_size=60), size=st.integers(1, 13))
@settings(max_examples=200, deadline=None)
def test_the_twin_is_the_padded_or_the_bare_dataset_however_it_is_cut(data: bytes, size: int) -> None:
    twin = data + b"\0" if len(data) % 2 else data[:-1] if data.endswith(b"\0") else None
    assert twin_digest(pieces(data, size)) == ("" if twin is None else sha256(twin))


def odd() -> bytes:
    """A file whose dataset ends with an odd value, as some writers make it; the padding rule of PS3.5 7.1.1 is broken."""
    ds: Dataset = make.instance("1.2.840.10008.5.1.4.1.1.7", "OT")
    data = make.part10(ds)
    return data + b"\xe0\x7f\x10\x00OB\0\0\x03\0\0\0abc"


def test_an_odd_dataset_and_its_padded_form_are_stored_once(room: Room) -> None:
    data = odd()
    assert room.fates(data) == ["stored"]
    assert room.fates(data + b"\0") == ["already_stored"]
    assert room.conflicts() == []


def test_what_is_kept_aside_is_kept_once_too(room: Room) -> None:
    (first,) = make.ct_study(instances=1)
    assert room.fates(first) == ["stored"]
    other = make.part10(first) + b"\x09\x00\x10\x00LO\x04\x00ACME\x09\x00\x01\x10OB\0\0\x03\0\0\0abc"
    assert room.fates(other) == ["kept_aside"]
    assert room.fates(other + b"\0", other) == ["kept_aside", "kept_aside"]
    assert len(room.conflicts()) == 1
