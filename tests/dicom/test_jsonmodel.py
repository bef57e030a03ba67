"""DICOM JSON and XML: against pydicom on every sample, there and back, and on bytes that somebody broke."""

from __future__ import annotations

import base64
import io
import json
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pydicom
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.dicom import jsonmodel, part10, uids, values, walk, xmlmodel
from archipel.kit.errors import Invalid
from tests import fuzzing
from tests.dicom.samples import all_files, kept
from tests.dicom.test_header import broken

SYNTAXES = [uids.IMPLICIT_LITTLE, uids.EXPLICIT_LITTLE, uids.EXPLICIT_BIG, uids.DEFLATED]
#: pydicom leaves these out or reads them otherwise: broken DS values, big endian OW that it does not swap, GB 2312.
OTHERWISE = {
    "badVR.dcm",
    "OBXXXX1A_expb.dcm",
    "DX-Im-Carestream_DR7500-2.dcm",
    "chrGB2312.dcm",
    "OBXXXX1A_expb_2frame.dcm",
    "no_preamble_dicm_in_data",
    "3gb-bulk-data-truncated",
    "GH133.dcm",
}


def plain(row: dict[str, Any]) -> dict[str, Any]:
    """The row without what may differ by taste: padding, number or text of DS and IS, empty values, group lengths."""
    out: dict[str, Any] = {}
    for name, element in row.items():
        found, vr = element.get("Value") or [], element["vr"]
        if name == "00080005" or name[4:] == "0000":
            continue
        if vr == "SQ":
            out[name] = ("SQ", [plain(item) for item in found])
        elif vr in values.BINARY:
            out[name] = (vr, base64.b64decode(element.get("InlineBinary", "")).rstrip(b"\0"))
        elif vr == "PN":
            names = [{group: text.rstrip(" ^") for group, text in (one or {}).items() if text.rstrip(" ^")} for one in found]
            out[name] = (vr, names if any(names) else [])
        else:
            flat = [
                _number(one) if vr in ("DS", "IS", "UV", "SV") else one.strip(" \0") or None if isinstance(one, str) else one
                for one in found
            ]
            out[name] = (vr, flat if any(one is not None for one in flat) else [])
    return out


def _number(one: Any) -> Any:
    try:
        return float(f"{float(one):.12g}")
    except (TypeError, ValueError):
        return one or None


def differences(ours: dict[str, Any], theirs: dict[str, Any]) -> list[Any]:
    return [(k, ours.get(k), theirs.get(k)) for k in sorted({*ours, *theirs}) if ours.get(k) != theirs.get(k)][:3]


def rows() -> Iterator[tuple[Path, str, dict[str, Any]]]:
    for path in all_files():
        with path.open("rb") as source:
            try:
                meta = part10.split(source)
                source.seek(meta.dataset_offset)
                yield path, meta.transfer_syntax_uid, jsonmodel.to_json(source, meta.transfer_syntax_uid)
            except Invalid:
                continue


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> None:
    """pydicom warns of every value that breaks a rule, and the samples are full of them."""
    caplog.set_level("ERROR", logger="pydicom")


def test_json_agrees_with_pydicom_on_every_sample() -> None:
    count, problems = 0, []
    for path, _, row in rows():
        if path.name in OTHERWISE or path.name.startswith("rtdose"):
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            try:
                ds = pydicom.dcmread(path, force=True, stop_before_pixels=True)
                theirs = ds.to_json_dict(suppress_invalid_tags=True)
            except Exception:  # pydicom's own troubles are not ours
                continue
        if not theirs:
            continue
        json.dumps(row, allow_nan=False)
        count += 1
        expected = plain({k: v for k, v in theirs.items() if k < "7FE00008"})  # pydicom leaves out what breaks a VR's rule
        found = differences({k: v for k, v in plain(row).items() if k in expected}, expected)
        problems += [(path.name, found)] if found else []
    assert not problems, problems[:5]
    assert count > 80


def test_json_to_bytes_and_back_in_every_syntax_and_through_xml() -> None:
    for path, _, row in rows():
        if path.stat().st_size > 400_000:
            continue
        first = plain(row)
        for syntax in SYNTAXES[1:]:
            again = jsonmodel.to_json(io.BytesIO(jsonmodel.dataset_bytes(row, "ISO_IR 192", syntax)), syntax)
            top = {k: v for k, v in first.items() if k[:4] != "0002"}
            assert not differences(top, plain(again)) or "priv_SQ" in path.name or "meta_missing" in path.name, (path.name, syntax)
        if path.name == "GH626.dcm":
            continue  # broken: control characters in a text, which XML has no form for
        assert not differences(first, plain(xmlmodel.from_xml(xmlmodel.to_xml(row)))), path.name


def test_pydicom_reads_what_we_write() -> None:
    row = {
        "00080005": {"vr": "CS", "Value": ["ISO_IR 192"]},
        "00100010": {"vr": "PN", "Value": [{"Alphabetic": "Yamada^Tarou", "Ideographic": "山田^太郎", "Phonetic": "やまだ^たろう"}]},
        "00101030": {"vr": "DS", "Value": [0.1234567890123456789, "1.50"]},
        "00280010": {"vr": "US", "Value": [512]},
        "00400275": {"vr": "SQ", "Value": [{"00400009": {"vr": "SH", "Value": ["a"]}}, {}]},
    }
    for syntax in SYNTAXES[:3]:
        data = jsonmodel.encode_identifier(row, "\\ISO 2022 IR 87", syntax)
        ds = pydicom.filereader.read_dataset(io.BytesIO(data), syntax == uids.IMPLICIT_LITTLE, syntax != uids.EXPLICIT_BIG)
        ds.decode()
        assert list(ds.SpecificCharacterSet) == ["", "ISO 2022 IR 87"]
        assert str(ds.PatientName) == "Yamada^Tarou=山田^太郎=やまだ^たろう"
        assert [len(str(one)) <= 16 for one in ds.PatientWeight] == [True, True]
        assert ds.RequestAttributesSequence[0].ScheduledProcedureStepID == "a"


def test_a_set_without_the_letters_becomes_unicode() -> None:
    row = {"00100010": {"vr": "PN", "Value": [{"Alphabetic": "Łódź^山"}]}}
    for asked in "", "ISO_IR 100", "ISO_IR 6":
        back = jsonmodel.to_json(io.BytesIO(jsonmodel.encode_identifier(row, asked, uids.IMPLICIT_LITTLE)), uids.IMPLICIT_LITTLE)
        assert back["00080005"]["Value"] == ["ISO_IR 192"]
        assert back["00100010"] == row["00100010"]


def test_text_in_a_nested_character_set_becomes_unicode() -> None:
    item = b"\x08\0\x05\0CS\x0a\0ISO_IR 144\x08\0\x50\0SH\x02\0\xbb\xee"
    data = b"\x08\0\x05\0CS\x0a\0ISO_IR 100\x40\0\x75\x02SQ\0\0" + len(item + b"x" * 8).to_bytes(4, "little")
    data += b"\xfe\xff\0\xe0" + len(item).to_bytes(4, "little") + item + b"\x40\0\x80\x02ST\x02\0\xe9 "
    row = jsonmodel.to_json(io.BytesIO(data), uids.EXPLICIT_LITTLE)
    assert row["00400275"]["Value"][0]["00080050"]["Value"] == ["Лю"]
    assert row["00400280"]["Value"] == ["é"]


def test_numbers_that_are_none_stay_text() -> None:
    data = b"\x20\0\x13\0IS\x04\0abc \x18\0\x50\0DS\x04\x001,5 \x18\0\x51\0FD\x08\0\0\0\0\0\0\0\xf8\x7f\x20\0\x11\0IS\x0c\x00999999999999"
    row = jsonmodel.to_json(io.BytesIO(data), uids.EXPLICIT_LITTLE)
    assert row["00200013"]["Value"] == ["abc"]
    assert row["00180050"]["Value"] == ["1,5"]
    assert row["00180051"]["Value"] == ["NaN"]
    assert row["00200011"]["Value"] == [999999999999]
    json.dumps(row, allow_nan=False)


@pytest.mark.parametrize("name", ["CT_small.dcm", "waveform_ecg.dcm", "MR_small_bigendian.dcm", "image_dfl.dcm", "emri_small.dcm"])
def test_bulk_data_is_where_its_uri_says(name: str) -> None:
    data = kept(name).read_bytes()
    meta = part10.split(io.BytesIO(data))
    dataset = data[meta.dataset_offset :]
    uris: list[str] = []
    jsonmodel.to_json(io.BytesIO(dataset), meta.transfer_syntax_uid, lambda path: uris.append(path) or path, bulk_bytes_min=64)  # type: ignore[func-returns-value]
    assert uris
    ds = pydicom.dcmread(io.BytesIO(data))
    for path in uris:
        place: Any = ds
        for part in path.split("."):
            place = place[int(part)] if len(part) < 8 else place[int(part, 16)].value
        found = jsonmodel.bulk_data(io.BytesIO(dataset), path, meta.transfer_syntax_uid)
        raw = found if isinstance(found, bytes) else dataset[found[0] : found[0] + found[1]]
        expected = bytes(place) if isinstance(place, (bytes, bytearray)) else None
        if expected is not None:
            swapped = values.swapped(expected, 2) if meta.transfer_syntax_uid == uids.EXPLICIT_BIG else expected
            assert raw in (swapped, expected)


@pytest.mark.parametrize("path", ["00420011", "nonsense", "", "00080018.0", "00400275.7.00080050", "7FE00010." * 600 + "0.00080018"])
def test_bulk_data_that_is_not_there(path: str) -> None:
    data = kept("CT_small.dcm").read_bytes()
    with pytest.raises(Invalid) as caught:
        jsonmodel.bulk_data(io.BytesIO(data[part10.split(io.BytesIO(data)).dataset_offset :]), path, uids.EXPLICIT_LITTLE)
    assert caught.value.code == "no-bulk-data"


def test_bulk_data_is_written_from_files_and_frames(tmp_path: Path) -> None:
    pixels = tmp_path / "pixels"
    pixels.write_bytes(b"abc")
    row = {"7FE00010": {"vr": "OB", "BulkDataURI": "x"}, "00420011": {"vr": "OB", "BulkDataURI": "y"}}
    data = jsonmodel.dataset_bytes(row, "", uids.EXPLICIT_LITTLE, bulk={"x": pixels, "y": b"12"}.__getitem__)
    assert data.endswith(b"OB\0\0\x04\0\0\0abc\0")
    data = jsonmodel.dataset_bytes({"7FE00010": row["7FE00010"]}, "", uids.JPEG_BASELINE, bulk=lambda uri: [b"one", b"four"])
    assert [bytes(f) for f in pydicom.encaps.generate_frames(data[12:], number_of_frames=2)] == [b"one\0", b"four"]
    with pytest.raises(Invalid) as caught:
        jsonmodel.dataset_bytes(row, "", uids.EXPLICIT_LITTLE)
    assert caught.value.code == "bulk-missing"


def nested(levels: int) -> dict[str, Any]:
    row: dict[str, Any] = {"00080050": {"vr": "SH", "Value": ["x"]}}
    for _ in range(levels):
        row = {"00400275": {"vr": "SQ", "Value": [row]}}
    return row


def test_two_hundred_levels_pass_and_more_are_refused() -> None:
    row = nested(200)
    for syntax in SYNTAXES:
        data = jsonmodel.dataset_bytes(row, "", syntax)
        assert jsonmodel.to_json(io.BytesIO(data), syntax) == row
    assert json.loads(json.dumps(row)) == row
    assert xmlmodel.from_xml(xmlmodel.to_xml(row)) == row
    with pytest.raises(Invalid) as caught:
        jsonmodel.dataset_bytes(nested(500), "", uids.EXPLICIT_LITTLE)
    assert caught.value.code == "too-deep"


@pytest.mark.parametrize(
    "row",
    [
        {"x": {}},
        {"00100010": []},
        {"00100010": {"vr": "XX"}},
        {"00280010": {"vr": "US", "Value": ["a"]}},
        {"00280010": {"vr": "US", "Value": [70000]}},
        {"00280010": {"vr": "US", "Value": 5}},
        {"00100010": {"vr": "PN", "Value": [5]}},
        {"00400275": {"vr": "SQ", "Value": [5]}},
        {"7FE00010": {"vr": "OB", "InlineBinary": "§§"}},
        {"00080018": {"vr": "UI", "Value": [{"a": 1}]}},
    ],
)
def test_bad_json_is_named(row: dict[str, Any]) -> None:
    with pytest.raises(Invalid) as caught:
        jsonmodel.dataset_bytes(row, "", uids.EXPLICIT_LITTLE)
    assert caught.value.code in ("bad-json", "bad-value")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=True) | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["vr", "Value", "00080018", "00400275"]), inner, max_size=3)
    ),
)


@settings(max_examples=150, deadline=None)
@given(
    row=st.dictionaries(
        st.sampled_from(["00080018", "00100010", "00280010", "00400275", "0008", "00180050", "7FE00010"]),
        st.fixed_dictionaries({"vr": st.sampled_from(["UI", "PN", "US", "SQ", "DS", "IS", "OB", "AT", "FD", "ZZ"]), "Value": JSON}) | JSON,
    )
)
def test_any_json_is_written_or_refused(row: dict[str, Any]) -> None:
    try:
        data = jsonmodel.dataset_bytes(row, "ISO_IR 100", uids.EXPLICIT_LITTLE)
    except Invalid:
        return
    jsonmodel.to_json(io.BytesIO(data), uids.EXPLICIT_LITTLE)


@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<a/>",
        b"<NativeDicomModel><x/></NativeDicomModel>",
        b'<!DOCTYPE x [<!ENTITY a "b">]><NativeDicomModel>&a;</NativeDicomModel>',
        b'<NativeDicomModel><DicomAttribute tag="00100010" vr="PN"><Value number="99999"/></DicomAttribute></NativeDicomModel>',
    ],
)
def test_bad_xml_is_refused(document: bytes) -> None:
    with pytest.raises(Invalid) as caught:
        xmlmodel.from_xml(document)
    assert caught.value.code == "bad-xml"


@fuzzing.short_and_long(4)
def test_broken_bytes_give_json_or_invalid(seconds: float) -> None:
    rng = fuzzing.seeded(seconds, 2)
    seeds = [
        kept(n).read_bytes()[:12_000] for n in ("CT_small.dcm", "emri_small_RLE.dcm", "MR_small_bigendian.dcm", "test-SR.dcm", "kos.dcm")
    ]
    stop = time.monotonic() + seconds
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        while time.monotonic() < stop:
            source = io.BytesIO(broken(rng.choice(seeds), rng))
            try:
                meta = part10.split(source)
                source.seek(meta.dataset_offset)
                row = jsonmodel.to_json(source, meta.transfer_syntax_uid, str)
                json.dumps(row, allow_nan=False)
                xmlmodel.from_xml(xmlmodel.to_xml(row))
            except Invalid:
                pass


def test_depth_bound_is_one_for_all() -> None:
    assert walk.DEPTH_MAX >= 200
