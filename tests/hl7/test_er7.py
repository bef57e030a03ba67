"""ER7 text: delimiters, escapes, character sets, separators, bounds; python-hl7 is the second opinion."""

from __future__ import annotations

import time
from pathlib import Path

import hl7
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.hl7 import er7
from archipel.hl7.er7 import DELETE, Encoding, Limits
from archipel.hl7.escape import escape, unescape
from archipel.kit.errors import ArchipelError, Invalid, LimitReached

HEAD = "MSH|^~\\&|A|B|C|D|20260302101500||ADT^A28|1|P|2.5|||||FRA|UNICODE UTF-8\r"


def message(*segments: str, head: str = HEAD) -> er7.Message:
    return er7.parse((head + "".join(s + "\r" for s in segments)).encode())


def test_the_example_of_the_standard() -> None:
    """HL7 v2.5.1 2.16, the first example message."""
    read = message(
        "EVN|A01|200708181123||",
        "PID|1||PATID1234^5^M11^ADT1^MR^GOOD HEALTH HOSPITAL~123456789^^^USSSA^SS||EVERYMAN^ADAM^A^III||19610615|M||C|2222 HOME STREET^^GREENSBORO^NC^27401-1020",
    )
    assert read.value("PID-3.4") == "ADT1"
    assert read.value("PID-3[2].1") == "123456789"
    assert read.value("PID-3[2].5") == "SS"
    assert read.value("PID-5.4") == "III"
    assert (read.value("PID-11.5"), read.value("PID-99"), read.value("ZZZ-1"), read.value("PID-3[3].1")) == ("27401-1020", "", "", "")
    assert read.type == ("ADT", "A28")


def test_nothing_and_delete_are_apart() -> None:
    pid = message('PID|||""||""^X|').first("PID")
    assert pid is not None
    assert (pid.field(3).is_delete, pid.field(3).is_empty, pid.text(3)) == (True, False, "")
    assert (pid.field(2).is_delete, pid.field(2).is_empty) == (False, True)
    assert (pid.field(5).is_delete, pid.field(5).first.is_delete(1), pid.field(5).first.is_delete(2)) == (False, True, False)


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (r"a\F\b\S\c\T\d\R\e\E\f", "a|b^c&d~e\\f"),
        (r"one\.br\two", "one\ntwo"),
        (r"one\.sp2\two\.sk3\x", "one\n\ntwo   x"),
        (r"\H\loud\N\ low", "loud low"),
        (r"\XC3A9\t", "ét"),
        (r"\XC3\t", r"\XC3\t"),
        (r"C:\temp\new", r"C:\temp\new"),
        (r"\Zlocal\ and \XZZ\ and \X4\ ", r"\Zlocal\ and \XZZ\ and \X4\ "),
        ("lone \\ mark", "lone \\ mark"),
        (r"\.in+4\text\.ti-2\\.fi\\.nf\ ", "text "),
    ],
)
def test_escape_sequences(written: str, meant: str) -> None:
    assert unescape(written) == meant


def test_text_is_written_so_that_it_comes_back() -> None:
    assert escape("a|b^c~d\\e&f\ng\th") == r"a\F\b\S\c\R\d\E\e\T\f\.br\g\X09\h"
    assert escape("a#b", Encoding(truncation="#")) == r"a\P\b"
    assert escape('""') != DELETE
    assert unescape(escape('""')) == '""'


@given(st.text(st.characters(codec="utf-8", exclude_characters="\r")))
@settings(max_examples=300, deadline=None)
def test_any_text_survives_a_field(text: str) -> None:
    data = er7.compose([("MSH", ["A", *[None] * 14, "UNICODE UTF-8"]), ("NTE", [None, None, [text, (text, (text, "x"))]])])
    nte = er7.parse(data).first("NTE")
    assert nte is not None
    first, second = nte.field(3).repetitions if text else [nte.field(3).first, nte.field(3).repetitions[1]]
    assert first.subcomponents(1) == [text]
    assert second.subcomponents(1) == [text]
    assert second.subcomponents(2) == [text, "x"]


@pytest.mark.parametrize("mark", ["\r", "\n", "\r\n", "\r\r\n", "\n\n"])
def test_ends_of_segments(mark: str) -> None:
    data = (HEAD.strip() + mark + "EVN|A01" + mark + "PID|1" + mark).encode()
    read = er7.parse(data)
    assert [segment.raw for segment in read] == [HEAD.strip(), "EVN|A01", "PID|1"]
    assert read.data == data


def test_a_line_feed_in_a_text_stays_in_it() -> None:
    read = message("OBX|1|TX|||first\nsecond|x", "OBX|2|TX|||a")
    assert [obx.text(5) for obx in read.all("OBX")] == ["first\nsecond", "a"]
    assert read.value("OBX-6") == "x"


def test_a_carriage_return_in_a_text_is_said() -> None:
    with pytest.raises(Invalid) as raised:
        message("OBX|1|TX|||first\rsecond|x")
    assert raised.value.code == "segment-sequence"
    assert "line break" in raised.value.public
    assert "second" not in str(raised.value)


def test_what_stands_before_and_behind_is_tolerated() -> None:
    data = b"\xef\xbb\xbf\r\n" + HEAD.encode() + b"PID|1\r\n\x00\x1a\x1c\r"
    assert [s.name for s in er7.parse(data)] == ["MSH", "PID"]


@pytest.mark.parametrize(
    ("declared", "codec", "notes"),
    [
        ("UNICODE UTF-8", "utf-8", 0),
        ("8859/1", "latin-1", 0),
        ("8859/15", "iso8859-15", 0),
        ("8859/15~UNICODE UTF-8", "iso8859-15", 0),
        ("iso-8859-1", "latin-1", 0),
        ("", "utf-8", 1),
        ("", "latin-1", 1),
        ("ASCII", "latin-1", 1),
        ("8859/1", "utf-8", 1),
    ],
)
def test_character_sets(declared: str, codec: str, notes: int) -> None:
    text = HEAD.replace("UNICODE UTF-8", declared) + "PID|||||NOËL^ÉMILE\r"
    read = er7.parse(text.encode(codec))
    believed = (declared, codec) == ("8859/1", "utf-8")  # what is declared is believed, and the doubt is noted
    assert read.value("PID-5.1") == ("NOËL".encode().decode("latin-1") if believed else "NOËL")
    assert len(read.notes) == notes


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (HEAD.encode() + b"PID|||||NO\xcbL\r", "data-type"),
        (HEAD.replace("UNICODE UTF-8", "KLINGON").encode(), "table-value"),
        (b"", "segment-sequence"),
        (b"hello", "segment-sequence"),
        (b"PID|1\r" + HEAD.encode(), "segment-sequence"),
        (HEAD.encode() + HEAD.encode(), "segment-sequence"),
        (HEAD.encode() + b"pid|1\r", "segment-sequence"),
        (HEAD.encode() + b"PID^1\r", "segment-sequence"),
        (b"MSH|^^\\&|A\r", "data-type"),
        (b"MSH|^|Application\r", "data-type"),
        (b"MSHa^~\\&aA\r", "data-type"),
        (b"MSH|^~\\&#!|A\r", "data-type"),
        (b"MSH|\xc3\xa9~\\&|A\r", "data-type"),
    ],
)
def test_what_is_no_message_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(Invalid) as raised:
        er7.parse(data)
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("limits", "code"),
    [
        (Limits(message_bytes=50), "message-too-long"),
        (Limits(segments=2), "too-many-segments"),
        (Limits(fields=5), "too-many-fields"),
        (Limits(field_length=3), "field-too-long"),
        (Limits(repetitions=2), "too-many-repetitions"),
    ],
)
def test_bounds(limits: Limits, code: str) -> None:
    data = HEAD.encode() + b"NTE|1|\rNTE|2|abc~d~e\r"
    with pytest.raises(LimitReached) as raised:
        er7.parse(data, limits)
    assert raised.value.code == code
    assert len(er7.parse(data)) == 3


def test_a_million_segments_take_time_in_proportion() -> None:
    took = []
    for count in (250_000, 1_000_000):
        data = HEAD.encode() + b"NTE|1||some text ~ of a note\r" * count
        with pytest.raises(LimitReached):
            er7.parse(data)
        started = time.process_time()
        read = er7.parse(data, Limits(segments=2_000_000))
        assert read.count("NTE") == count
        assert read.value(f"NTE{{{count}}}-1") == "1"
        took.append(time.process_time() - started)
    assert took[1] < 12 * took[0] + 0.2
    assert took[1] < 10


@pytest.mark.parametrize(
    "hostile", [b"\\" * 300_000, b"\n" * 300_000 + b"x", b"~" * 900 + b"\\X" * 100_000, b"\\X41" * 100_000, b"^&" * 200_000]
)
def test_no_text_takes_long(hostile: bytes) -> None:
    started = time.process_time()
    nte = er7.parse(HEAD.encode() + b"NTE|1||" + hostile + b"|\r").first("NTE")
    assert nte is not None
    assert all(of.subcomponents(1) is not None for of in nte.field(3).repetitions)
    assert time.process_time() - started < 3


def test_one_field_is_written_anew_and_the_rest_stays() -> None:
    read = message("PID|1||A^^^X||É\\F\\|", "NTE|1")
    changed = read.with_field("PID-3", [("B", None, None, ("Y", "1.2", "ISO")), "C"])
    assert changed.data.decode() == HEAD + "PID|1||B^^^Y&1.2&ISO~C||É\\F\\|\rNTE|1\r"
    assert read.value("PID-3") == "A"
    assert read.with_field("NTE-3", DELETE).data.endswith(b'NTE|1||""\r')


def test_letters_that_the_set_does_not_hold_are_refused() -> None:
    with pytest.raises(Invalid):
        er7.compose([("MSH", ["A", *[None] * 14, "8859/1"]), ("NTE", ["œuvre"])])
    assert "œuvre".encode("iso8859-15") in er7.compose([("MSH", ["A", *[None] * 14, "8859/15"]), ("NTE", ["œuvre"])])


# --- against another implementation -----------------------------------------------------------------------------------------------

parts = st.text(st.characters(codec="ascii", categories=["L", "N", "Zs"]), max_size=6)
fields = st.lists(
    st.lists(st.lists(st.lists(parts, min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=3), min_size=1, max_size=6
)


@given(st.lists(fields, min_size=1, max_size=4))
@settings(max_examples=150, deadline=None)
def test_it_cuts_where_python_hl7_cuts(rows: list[list[list[list[list[str]]]]]) -> None:
    lines = ["NTE|" + "|".join("~".join("^".join("&".join(c) for c in r) for r in f) for f in row) for row in rows]
    data = HEAD + "\r".join(lines)
    theirs, ours = hl7.parse(data.strip()), er7.parse(data.encode())
    assert len(ours) == len(theirs)
    for index, row in enumerate(rows, 1):
        for number, field in enumerate(row, 1):
            assert ours.all("NTE")[index - 1].field(number).raw == str(theirs[index][number])
            for repetition, components in enumerate(field, 1):
                for component, subs in enumerate(components, 1):
                    if str(theirs[index][number]).strip():
                        expected = (
                            theirs.extract_field("NTE", index, number, repetition, component, 1) if len(str(theirs[index][number])) else ""
                        )
                        assert (
                            ours.value(f"NTE{{{index}}}-{number}[{repetition}].{component}") == (expected or "").strip() == subs[0].strip()
                        )


def test_the_national_examples_are_read_as_python_hl7_reads_them(shared_data: Path) -> None:
    files = sorted((shared_data / "hl7v2").iterdir())
    assert len(files) >= 9
    for file in files:
        data = file.read_bytes()
        ours, theirs = er7.parse(data), hl7.parse(data.decode().replace("\r\n", "\r").replace("\n", "\r").strip("\r "))
        assert ours.data == data
        assert [s.raw.strip() for s in ours] == [str(s).strip() for s in theirs]
        for segment, their in zip(ours, theirs, strict=True):
            if segment.name != "MSH":
                assert [segment.field(n).raw for n in range(1, len(their))] == [str(f) for f in list(their)[1:]]
    report = er7.parse((shared_data / "hl7v2" / "message_MDM_CR_Radio_INIT_N1.er7").read_bytes())
    assert (report.type, report.value("TXA-12"), report.value("OBX-5.4")) == (
        ("MDM", "T02"),
        "1.2.250.1.71.4.2.2.120456789.71024000081",
        "Base64",
    )
    assert report.count("OBX") == 12


@given(st.binary(max_size=400))
@settings(max_examples=500, deadline=None)
def test_bytes_from_anywhere_are_read_or_refused(data: bytes) -> None:
    for given_bytes in (data, HEAD.encode() + data, b"MSH" + data):
        try:
            read = er7.parse(given_bytes)
        except ArchipelError:
            continue
        assert read.data == given_bytes
        for segment in read:
            for number in range(1, 6):
                for of in segment.field(number).repetitions:
                    of.text(1), of.text(2, 2)
