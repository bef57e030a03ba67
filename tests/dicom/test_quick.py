"""The quick reading of plain headers: where it answers, its answer is the one of the careful reading."""

from __future__ import annotations

import io
import time

import pytest

from archipel.dicom import header, part10, quick, uids
from archipel.kit.errors import Invalid
from tests import fuzzing, make
from tests.dicom.samples import all_files
from tests.dicom.test_header import encoded


def samples() -> list[tuple[str, bytes, str]]:
    """(name, dataset, transfer syntax) of every sample that is a DICOM file."""
    found = []
    for path in all_files():
        data = path.read_bytes()
        try:
            meta = part10.split(io.BytesIO(data))
        except Invalid:
            continue
        found.append((path.name, data[meta.dataset_offset :], meta.transfer_syntax_uid))
    return found


def careful(data: bytes, syntax: str) -> header.Header | str:
    try:
        return header.read_header(io.BytesIO(data), syntax)
    except Invalid as error:
        return error.code


def plain(data: bytes, syntax: str) -> header.Header | str | None:
    """The quick answer, an Invalid's code, or None when it is too slow for this."""
    try:
        return header.read_plain_header(memoryview(data), syntax)
    except header.Slow:
        return None
    except Invalid as error:
        return error.code


def same(one: header.Header | str, other: header.Header | str) -> bool:
    if isinstance(one, str) or isinstance(other, str):
        return one == other
    return (one.values, one.pixel_data_offset, one.character_set) == (other.values, other.pixel_data_offset, other.character_set)


def test_every_sample_reads_the_same_both_ways_and_most_are_plain() -> None:
    answered = 0
    known = samples()
    for name, data, syntax in known:
        found = plain(data, syntax)
        if found is not None:
            answered += 1
            assert same(found, careful(data, syntax)), name
    assert answered > len(known) * 0.7


@pytest.mark.parametrize("syntax", [uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE])
def test_what_a_modality_sends_is_plain(syntax: str) -> None:
    (ds,) = make.ct_study(instances=1)
    data = encoded(ds, implicit=syntax == uids.IMPLICIT_LITTLE)
    found = plain(data, syntax)
    assert isinstance(found, header.Header)
    assert found == careful(data, syntax)
    assert found.first("0020000D") == ds.StudyInstanceUID


@pytest.mark.parametrize("syntax", [uids.DEFLATED, uids.EXPLICIT_BIG])
def test_other_encodings_are_left_to_the_careful_reading(syntax: str) -> None:
    with pytest.raises(quick.Slow):
        header.read_plain_header(memoryview(b"\0" * 64), syntax)


@fuzzing.short_and_long(5)
def test_damaged_datasets_never_read_otherwise(seconds: float) -> None:
    chance = fuzzing.seeded(seconds, 11)
    known = [(name, data[:6000], syntax) for name, data, syntax in samples()]
    until, answered = time.monotonic() + seconds, 0
    while time.monotonic() < until:
        name, data, syntax = chance.choice(known)
        broken = fuzzing.damaged(data, chance, changes_max=4)
        found = plain(broken, syntax)
        if found is not None:
            answered += 1
            assert same(found, careful(broken, syntax)), (name, broken.hex())
    assert answered > 50
