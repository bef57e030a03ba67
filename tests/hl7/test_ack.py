"""Acknowledgements: what they say, to whom, in which mode; and those of peers."""

from __future__ import annotations

from datetime import UTC, datetime
from itertools import product

import hl7
import pytest

from archipel.hl7 import ack, er7
from archipel.hl7.problems import Place, Problem, from_error, place
from archipel.kit.errors import Invalid, LimitReached, Unavailable

AT = datetime(2026, 3, 2, 10, 16, 5, tzinfo=UTC)
MSH = "MSH|^~\\&|GAM|HOP-A|ARCHIPEL|REGION|20260302101500||ADT^A01^ADT_A01|42|P|2.5^FRA^2.11|||{}|{}|FRA|8859/15|FR||2.11^IHE_FRANCE-2.11-PAM\r"
PROBLEM = Problem("required-field", Place("PID", 1, 3, 2, 4, 1), "Who assigned the identifier is not said.")


def message(accept: str = "", application: str = "", text: str = MSH) -> er7.Message:
    return er7.parse(text.format(accept, application).encode("iso8859-15"))


def test_the_answer_is_byte_for_byte() -> None:
    """HL7 v2.5.1 2.9.2 and 2.15.5: MSH mirrored, MSA-2 the control id, ERR-2 the place, ERR-3 table 0357, ERR-8 for the user."""
    answer = ack.acknowledge(message(), code="AE", control_id="R7", at=AT, problems=[PROBLEM])
    assert answer.decode() == (
        "MSH|^~\\&|ARCHIPEL|REGION|GAM|HOP-A|20260302101605+0000||ACK^A01^ACK|R7|P|2.5^FRA^2.11|||||FRA|8859/15\r"
        "MSA|AE|42\r"
        "ERR||PID^1^3^2^4^1|101^Required field missing^HL70357|E||||Who assigned the identifier is not said.\r"
    )
    theirs = hl7.parse(answer.decode())
    assert str(theirs.segment("MSA")[2]) == "42"
    assert ack.read(er7.parse(answer)) == ack.Acknowledgement("AE", "42", "", (PROBLEM,))


def test_older_peers_get_err_1_and_msa_3() -> None:
    old = message(text=MSH.replace("2.5^FRA^2.11", "2.3.1"))
    answer = ack.acknowledge(old, code="AE", control_id="R7", at=AT, problems=[PROBLEM])
    assert answer.split(b"\r")[1:3] == [
        b"MSA|AE|42|Who assigned the identifier is not said.",
        b"ERR|PID^1^3^101&Required field missing&HL70357",
    ]
    assert b"|ACK^A01|" in answer
    told = ack.read(er7.parse(answer))
    assert [(p.condition, str(p.place)) for p in told.problems] == [("required-field", "PID-3")]


def test_the_delimiters_and_the_letters_are_those_of_the_sender() -> None:
    text = MSH.replace("^~\\&", "\0").replace("|", "#").replace("^", "*").replace("\0", "*!?@").replace("GAM", "CŒUR")
    answer = ack.acknowledge(message(text=text), code="AA", control_id="a#b", at=AT)
    assert answer.startswith(b"MSH#*!?@#ARCHIPEL#REGION#C\xbcUR#HOP-A#")
    assert er7.parse(answer).control_id == "a#b"


@pytest.mark.parametrize(
    ("accept", "application", "expected"),
    [
        ("", "", {"AA", "AE", "AR"}),
        ("AL", "NE", {"CA", "CE", "CR"}),
        ("AL", "AL", {"CA", "CE", "CR", "AA", "AE", "AR"}),
        ("NE", "AL", {"AA", "AE", "AR"}),
        ("ER", "SU", {"CE", "CR", "AA"}),
        ("SU", "ER", {"CA", "AE", "AR"}),
        ("AL", "", {"CA", "CE", "CR"}),
        ("NE", "NE", set()),
    ],
)
def test_modes(accept: str, application: str, expected: set[str]) -> None:
    asked = ack.wanted(message(accept, application))
    assert asked.is_enhanced is bool(accept or application)
    assert {a + b for a, b in product("AC", "AER") if asked.accepts(a + b)} == expected


def test_codes() -> None:
    warning = Problem("data-type", Place("PID"), "x", "W")
    assert ack.code([]) == ack.code([warning]) == "AA"
    assert ack.code([warning, PROBLEM]) == "AE"
    assert ack.code([PROBLEM, Problem("unsupported-event", Place("MSH"), "x")]) == "AR"
    assert (ack.code([], on_receipt=True), ack.code([PROBLEM], on_receipt=True)) == ("CA", "CE")
    assert ack.code([from_error(Unavailable("later", code="busy"))], on_receipt=True) == "CR"


def test_the_header_is_checked() -> None:
    events = {"ADT": frozenset({"A01"}), "ORM": frozenset()}
    assert ack.check_header(message(), events) == []
    assert ack.check_header(message(text=MSH.replace("ADT^A01", "ORM^O01")), events) == []

    def conditions(old: str, new: str) -> list[tuple[str, str]]:
        return [(p.condition, str(p.place)) for p in ack.check_header(message(text=MSH.replace(old, new)), events)]

    assert conditions("ADT^A01", "ADT^A02") == [("unsupported-event", "MSH-9.2")]
    assert conditions("ADT^A01", "SIU^S12") == [("unsupported-message-type", "MSH-9.1")]
    assert conditions("|P|", "|X|") == [("unsupported-processing-id", "MSH-11")]
    assert conditions("|2.5^", "|3.0^") == [("unsupported-version", "MSH-12")]
    assert conditions("|42|", "||") == [("required-field", "MSH-10")]


@pytest.mark.parametrize(
    ("data", "control_id", "code", "condition"),
    [
        (MSH.encode() + b"PID|||||\xff\xfe\xfd\r", "42", "AE", "100"),
        (MSH.replace("8859/15", "UTF-9").encode() + b"PID|1\r", "42", "AE", "103"),
        (b"\x00\x01 GET / HTTP/1.1", "", "AE", "100"),
        (b"MSH|^~", "", "AE", "100"),
        (b"\xff\xfe" + MSH.encode("utf-16-le"), "", "AE", "100"),
    ],
)
def test_bytes_that_are_no_message_are_answered(data: bytes, control_id: str, code: str, condition: str) -> None:
    broken = data if condition == "103" or not data.startswith(b"MSH|^~\\") else data + b"\rnothing\r"
    with pytest.raises(Invalid) as raised:
        er7.parse(broken)
    answer = er7.parse(ack.reject(broken, raised.value, control_id="R8", at=AT))
    assert (answer.value("MSA-1"), answer.value("MSA-2"), answer.value("ERR-3.1")) == (code, control_id, condition)


def test_a_limit_is_answered_with_a_rejection() -> None:
    data = MSH.encode() + b"NTE|1\r" * 10
    with pytest.raises(LimitReached) as raised:
        er7.parse(data, er7.Limits(segments=5))
    answer = ack.read(er7.parse(ack.reject(data, raised.value, control_id="R9", at=AT)))
    assert (answer.code, answer.control_id, answer.is_positive) == ("AR", "42", False)
    assert answer.problems[0].condition == "internal"
    assert "at most 5 segments" in answer.problems[0].text


@pytest.mark.parametrize("text", ["MSA|ZZ|42", "MSA", "NTE|1"])
def test_what_is_no_acknowledgement(text: str) -> None:
    with pytest.raises(Invalid):
        ack.read(er7.parse((MSH + text + "\r").encode()))


@pytest.mark.parametrize("path", ["PID", "PID-3", "PID-3[2].4.1", "OBX{3}-5", "PID-3.1"])
def test_places(path: str) -> None:
    assert str(place(path)) == path
