"""The header walk: against pydicom on every sample, and on bytes that somebody broke."""

from __future__ import annotations

import io
import random
import time
import warnings
import zlib
from pathlib import Path
from struct import pack
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydicom.dataset import Dataset
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from archipel.dicom import header, index, part10, uids, walk
from archipel.kit.errors import Invalid
from tests import fuzzing
from tests.dicom.samples import all_files, kept

UIDS = {
    "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2",
    "SOPInstanceUID": "1.2.3",
    "StudyInstanceUID": "1.2.4",
    "SeriesInstanceUID": "1.2.5",
}
CODES = {"unreadable", "too-deep", "too-large", "missing-uid", "malformed-uid", "not-dicom"}


def encoded(ds: Dataset, implicit: bool = False, little: bool = True) -> bytes:
    out = pydicom.filebase.DicomBytesIO()
    out.is_implicit_VR, out.is_little_endian = implicit, little
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        write_dataset(out, ds)
    return out.getvalue()


def minimal(**more: Any) -> Dataset:
    ds = Dataset()
    for keyword, value in {**UIDS, **more}.items():
        setattr(ds, keyword, value)
    return ds


def read(data: bytes, syntax: str = uids.EXPLICIT_LITTLE) -> header.Header:
    return header.read_header(io.BytesIO(data), syntax)


def pydicom_values(ds: Dataset, tags: list[int]) -> list[str] | None:
    if tags[0] not in ds:
        return None
    value = ds[tags[0]].value
    if len(tags) > 1:
        found = [pydicom_values(item, tags[1:]) for item in value or []]
        return [text for one in found for text in one or []] if any(one is not None for one in found) else None
    if value is None or value == "":
        return []
    many = value if isinstance(value, (list, pydicom.multival.MultiValue)) else [value]
    return [str(one).strip(" \0").rstrip("=" if isinstance(one, pydicom.valuerep.PersonName) else "") for one in many]


def same(ours: tuple[str, ...], theirs: list[str]) -> bool:
    if [one.strip(" ") for one in ours] == theirs or (not any(ours) and not any(theirs)):
        return True
    try:
        return [float(one) for one in ours] == [float(one) for one in theirs]
    except ValueError:
        return False


@pytest.mark.parametrize("path", all_files(), ids=lambda p: p.name[-40:])
def test_header_agrees_with_pydicom(path: Path) -> None:
    with path.open("rb") as source:
        try:
            meta = part10.split(source)
            source.seek(meta.dataset_offset)
            ours = header.read_header(source, meta.transfer_syntax_uid)
        except Invalid as error:
            assert error.code in CODES
            assert error.public
            return
        source.seek(0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            if any("cut" in one for one in ours.warnings):
                return  # pydicom gives up on the whole of it
            ds = pydicom.dcmread(source, force=True, stop_before_pixels=True)
            for one in index.INDEXED:
                if one.keyword == "SpecificCharacterSet" or "GB2312" in path.name:
                    continue  # pydicom leaves the escape sequences of GB 2312 in the text
                theirs = pydicom_values(ds, [int(part, 16) for part in one.path.split(".")])
                got = ours.values.get(one.path)
                assert (theirs is None) == (got is None), one.keyword
                assert got is None or theirs is None or same(got, theirs), (one.keyword, got, theirs)


@pytest.mark.parametrize(
    "name", ["CT_small.dcm", "emri_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "SC_rgb_jpeg.dcm"]
)
def test_pixel_data_offset_points_at_the_element(name: str) -> None:
    with kept(name).open("rb") as source:
        meta = part10.split(source)
        source.seek(meta.dataset_offset)
        offset = header.read_header(source, meta.transfer_syntax_uid).pixel_data_offset
        assert offset is not None
        source.seek(meta.dataset_offset + offset)
        mark = b"\x7f\xe0\x00\x10" if meta.transfer_syntax_uid == uids.EXPLICIT_BIG else b"\xe0\x7f\x10\x00"
        assert source.read(4) == mark


def test_pixel_data_offset_by_the_referee() -> None:
    """A VR that nobody knows makes the walk give up; pydicom reads on."""
    head = encoded(minimal()) + b"\x09\0\x01\x10ZZ\2\0ab"
    ours = read(head + b"\xe0\x7f\x10\0OW\0\0\4\0\0\0abcd")
    assert any("leniently" in one for one in ours.warnings)
    assert ours.pixel_data_offset == len(head)


@pytest.mark.parametrize("implicit", [True, False])
def test_a_stray_delimiter_hides_nothing(implicit: bool) -> None:
    """pydicom takes one for the end of the dataset."""
    head = encoded(minimal(), implicit) + b"\xfe\xff\x0d\xe0\0\0\0\0"
    data = head + b"\xe0\x7f\x10\0" + (b"" if implicit else b"OW\0\0") + b"\4\0\0\0abcd"
    ours = read(data, uids.IMPLICIT_LITTLE if implicit else uids.EXPLICIT_LITTLE)
    assert ours.pixel_data_offset == len(head)


def test_deflated_dataset_is_read_and_has_no_pixel_offset() -> None:
    with kept("image_dfl.dcm").open("rb") as source:
        meta = part10.split(source)
        assert meta.transfer_syntax_uid == uids.DEFLATED
        source.seek(meta.dataset_offset)
        ours = header.read_header(source, meta.transfer_syntax_uid)
    assert ours.pixel_data_offset is None
    assert ours.first(index.path_of("Rows")) == "512"


def test_deflate_bomb_is_refused() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    block = bytes(1 << 20)
    bomb = b"".join([engine.compress(encoded(minimal())), *(engine.compress(block) for _ in range(300)), engine.flush()])
    with pytest.raises(Invalid) as caught:
        read(bomb, uids.DEFLATED)
    assert caught.value.code == "too-large"


def test_cut_deflate_stream_is_unreadable() -> None:
    engine = zlib.compressobj(9, zlib.DEFLATED, -zlib.MAX_WBITS)
    data = engine.compress(encoded(minimal(PatientComments="x" * 900))) + engine.flush()
    with pytest.raises(Invalid) as caught:
        read(data[:-20], uids.DEFLATED)
    assert caught.value.code == "unreadable"


@pytest.mark.parametrize("implicit", [True, False])
def test_deep_nesting_is_read_and_absurd_nesting_is_refused(implicit: bool) -> None:
    def nested(levels: int) -> bytes:
        start = b"\x08\0\x40\x11" + (b"" if implicit else b"SQ\0\0") + b"\xff" * 4 + b"\xfe\xff\0\xe0" + b"\xff" * 4
        end = b"\xfe\xff\x0d\xe0\0\0\0\0\xfe\xff\xdd\xe0\0\0\0\0"
        inside = encoded(minimal(), implicit)
        at = inside.index(b"\x20\x00\x0d\x00")
        return inside[:at] + start * levels + end * levels + inside[at:]

    syntax = uids.IMPLICIT_LITTLE if implicit else uids.EXPLICIT_LITTLE
    assert read(nested(200), syntax).first(index.STUDY_INSTANCE_UID) == "1.2.4"
    with pytest.raises(Invalid) as caught:
        read(nested(100_000), syntax)
    assert caught.value.code == "too-deep"


@pytest.mark.parametrize("keyword", sorted(UIDS))
def test_missing_and_malformed_uids_are_named(keyword: str) -> None:
    for value, code in [(None, "missing-uid"), ("", "missing-uid"), ("1.2.abc", "malformed-uid"), ("1." + "2" * 80, "malformed-uid")]:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = minimal(**{keyword: value or ""})
            if value is None:
                del ds[keyword]
            data = encoded(ds)
        with pytest.raises(Invalid) as caught:
            read(data)
        assert (caught.value.code, caught.value.field) == (code, keyword)


def test_leading_zero_in_a_uid_is_a_warning() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert any("zero" in one for one in read(encoded(minimal(SOPInstanceUID="1.02.3"))).warnings)


def test_unknown_character_set_is_a_warning_and_latin() -> None:
    data = encoded(minimal(PatientName="Doe")).replace(b"PN\x04\0Doe ", b"PN\x04\0D\xf6e ")
    charset = b"\x08\0\x05\0CS\x08\0ISO_IR 9"
    ours = read(charset + data)
    assert ours.values[index.path_of("PatientName")] == ("Döe",)
    assert any("character set" in one for one in ours.warnings)


def test_a_sequence_in_another_vr_is_passed_over() -> None:
    ours = read(encoded(minimal()).replace(b"\x20\0\x0d\0", b"\x08\0\x51\0LO\x02\0ab\x20\0\x0d\0"))
    assert ours.first(index.STUDY_INSTANCE_UID) == "1.2.4"
    assert "00080051" not in ours.values


def test_header_cut_in_the_middle_is_unreadable_with_the_reason() -> None:
    data = encoded(minimal(PatientID="1234567890"))
    with pytest.raises(Invalid) as caught:
        read(data[:-3])
    assert caught.value.code == "unreadable"
    assert "cut off" in caught.value.public


def test_pixel_data_that_is_cut_is_a_warning() -> None:
    data = encoded(minimal()) + b"\xe0\x7f\x10\0OW\0\0" + pack("<I", 5000) + bytes(100)
    ours = read(data)
    assert any("4900 of 5000" in one for one in ours.warnings)


class Sparse(io.RawIOBase):
    """A source of 5 GB that counts what is read of it."""

    def __init__(self, head: bytes, size: int) -> None:
        self.head, self.size, self.at, self.taken = head, size, 0, 0

    def seek(self, offset: int, whence: int = 0) -> int:
        self.at = offset + (0, self.at, self.size)[whence]
        return self.at

    def tell(self) -> int:
        return self.at

    def read(self, count: int = -1) -> bytes:
        assert 0 <= count <= 1 << 20
        data = self.head[self.at : self.at + count].ljust(min(count, self.size - self.at), b"\0")
        self.at += len(data)
        self.taken += len(data)
        return data


def test_five_gigabytes_are_not_read() -> None:
    head = encoded(minimal()) + b"\xe0\x7f\x10\0OW\0\0" + pack("<I", 0xFFFFFFFE)
    source = Sparse(head, len(head) + 0xFFFFFFFE)
    assert header.read_header(source, uids.EXPLICIT_LITTLE).first(index.SOP_INSTANCE_UID) == "1.2.3"  # type: ignore[arg-type]
    assert source.taken < 200_000


TEXT = st.text(
    st.characters(
        codec="utf-8", exclude_characters="\\\x00\x1b\x1c\x1d\x1e\x1f\r\n\f\t\v\x85", exclude_categories=("Cc", "Cs", "Zl", "Zp")
    ),
    max_size=30,
)


@st.composite
def datasets(draw: st.DrawFn) -> Dataset:
    ds = minimal(SpecificCharacterSet="ISO_IR 192")
    for one in index.INDEXED:
        if "." in one.path or one.keyword in UIDS or one.keyword == "SpecificCharacterSet" or draw(st.integers(0, 3)):
            continue
        if one.vr in ("LO", "SH", "UT", "ST", "LT", "UC"):
            setattr(ds, one.keyword, draw(TEXT))
        elif one.vr == "US":
            setattr(ds, one.keyword, draw(st.integers(0, 65535)))
    for keyword in ("RequestAttributesSequence", "DimensionIndexSequence"):
        items = [minimal(AccessionNumber=draw(TEXT), RequestedProcedureID=draw(TEXT)) for _ in range(draw(st.integers(0, 3)))]
        for item in items:
            item.is_undefined_length_sequence_item = draw(st.booleans())
        sequence = Sequence(items)
        sequence.is_undefined_length = draw(st.booleans())
        setattr(ds, keyword, sequence)
    return ds


@pytest.mark.filterwarnings("ignore::UserWarning")
@settings(max_examples=60, deadline=None)
@given(ds=datasets(), form=st.sampled_from([(True, True), (False, True), (False, False)]))
def test_generated_datasets_agree_with_pydicom(ds: Dataset, form: tuple[bool, bool]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        data = encoded(ds, *form)
        theirs = pydicom.filereader.read_dataset(io.BytesIO(data), *form)
        ours = read(data, {(True, True): uids.IMPLICIT_LITTLE, (False, True): uids.EXPLICIT_LITTLE}.get(form, uids.EXPLICIT_BIG))
        for one in index.INDEXED:
            expected = pydicom_values(theirs, [int(part, 16) for part in one.path.split(".")])
            got = ours.values.get(one.path)
            assert (expected is None) == (got is None), one.keyword
            assert got is None or expected is None or same(got, expected), (one.keyword, got, expected)


def broken(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data[: rng.randint(1, len(data))] if rng.random() < 0.2 else data)
    for _ in range(rng.randint(1, 6)):
        at = rng.randrange(len(out)) if out else 0
        choice = rng.random()
        if choice < 0.5 and out:
            out[at] = rng.randrange(256)
        elif choice < 0.7:
            out[at : at + 4] = rng.choice([b"\xff\xff\xff\xff", b"\0\0\0\0", b"\xfe\xff\0\xe0", b"\xfe\xff\xdd\xe0", b"\xff\xff\xff\x7f"])
        elif choice < 0.85:
            del out[at : at + rng.randint(1, 9)]
        else:
            out[at:at] = rng.randbytes(rng.randint(1, 9))
    return bytes(out) or b"\0"


@fuzzing.short_and_long(4)
def test_broken_bytes_are_read_or_refused_in_time(seconds: float) -> None:
    names = ["CT_small.dcm", "emri_small_RLE.dcm", "MR_small_implicit.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "kos.dcm",
             "seg_image_ct_binary.dcm", "rtplan.dcm", "test-SR.dcm", "chrH32.dcm"]  # fmt: skip
    seeds = [kept(name).read_bytes()[:20_000] for name in names]
    rng = fuzzing.seeded(seconds, 1)
    stop, count, slowest = time.monotonic() + seconds, 0, 0.0
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < stop:
            data = broken(rng.choice(seeds), rng)
            began = time.monotonic()
            try:
                source = io.BytesIO(data)
                meta = part10.split(source)
                source.seek(meta.dataset_offset)
                header.read_header(source, meta.transfer_syntax_uid)
            except Invalid as error:
                assert error.code in CODES, error
            count, slowest = count + 1, max(slowest, time.monotonic() - began)
    assert count > 100
    assert slowest < 3


def test_every_element_is_bounded_in_number() -> None:
    data = encoded(minimal()) + b"\x11\0\x10\0LO\0\0" * (walk.ELEMENTS_MAX + 10)
    with pytest.raises(Invalid) as caught:
        read(data)
    assert caught.value.code == "too-large"
