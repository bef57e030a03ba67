"""ADT messages through the door: what is answered, and what the register of persons says then."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hl7.client import MLLPClient

from archipel import identity
from archipel.hl7 import ack, er7
from archipel.hl7.ack import Acknowledgement
from archipel.identity import LocalId
from archipel.kit.errors import ArchipelError
from tests.mllp.listening import Listening, adt_message

CASES = sorted((Path(__file__).parents[1] / "hl7" / "adt").glob("*.hl7"))
# An INS alone is read without a fault, and makes no record of a site: the sender is told.
INS_ALONE = {"45", "46", "47", "48", "49", "74"}
NOT_TAKEN = ["required-field", "PID-3", "W"]
SAYS_WHO = {"A01", "A04", "A05", "A08", "A28", "A31"}


def told_by_another_client(port: int, data: bytes) -> Acknowledgement:
    """The answer that python-hl7's client gets."""
    with MLLPClient("127.0.0.1", port) as client:
        return ack.read(er7.parse(client.send_message(data).strip(b"\x0b\x1c\r")))


def test_hand_made_messages_are_answered_and_taken_as_the_standard_says(listening: Listening) -> None:
    seen = set()
    for number, case in enumerate(CASES):
        expected = json.loads(case.with_suffix(".json").read_text())
        patient_id = f"7{number:05d}"
        data = case.read_bytes().replace(b"100001", patient_id.encode())
        told = told_by_another_client(listening.port, data)
        assert told.code == expected["ack"], case.stem
        event = er7.parse(data).type[1] if told.code == "AA" else ""
        if b"|2.3" not in data[:200]:
            problems = [[p.condition, str(p.place).replace("[1]", ""), p.severity] for p in told.problems]
            assert problems == expected["problems"] + ([NOT_TAKEN] if case.stem[:2] in INS_ALONE else []), case.stem
        kept = listening.kept()[-1]
        assert (kept.state, kept.code) == ("applied" if told.code == "AA" else "refused", told.code), case.stem
        if b"100001" in case.read_bytes():
            record = listening.record(patient_id)
            assert (record is not None) is (told.code == "AA" and event in SAYS_WHO | {"A40", "A47"}), case.stem
            if record is not None and event in SAYS_WHO:
                seen.add(event)
                check(record, expected["reads"], case.stem)
    assert seen == SAYS_WHO


def check(record: identity.Record, reads: dict[str, Any], case: str) -> None:
    """The record says what the reading of the message wants."""
    if reads.get("patient.status"):
        assert record.status == reads["patient.status"], case
    for trait in ("birth_family", "birth_first", "sex", "birth_place_insee"):
        if f"patient.traits.{trait}" in reads:
            assert getattr(record.traits, trait) == reads[f"patient.traits.{trait}"], case
    if reads.get("patient.traits.birth_date.on"):
        assert record.traits.birth_date == reads["patient.traits.birth_date.on"].replace("-", ""), case
    assert (record.ins is not None) is (record.status == "qualified"), case


def test_the_national_examples(listening: Listening, shared_data: Path) -> None:
    files = [path for path in sorted((shared_data / "hl7v2").iterdir()) if path.suffix in (".er7", ".hl7")]
    taken = 0
    for path in files:
        data = path.read_bytes()
        told = told_by_another_client(listening.port, data)
        try:
            kind = er7.parse(data).type[0]
        except ArchipelError:
            assert told.code in ("AE", "AR"), path.name
            continue
        if kind == "ADT":
            taken += 1
            assert (told.code, told.problems) == ("AA", ()), path.name
        else:  # documents and requests are for a later door plate
            assert (told.code, told.problems[0].condition) == ("AR", "unsupported-message-type"), path.name
    assert taken == 3
    record = listening.record("000003", "CHU-X")
    assert record is not None
    assert (record.status, record.traits.birth_family, record.traits.birth_date, record.traits.sex) == (
        "qualified", "PAT-TROIS", "19790328", "F",
    )  # fmt: skip
    assert record.ins is not None and record.ins.is_test and record.usable_ins is None


def test_a_merge_joins_the_persons_and_again_changes_nothing(listening: Listening) -> None:
    assert [listening.send(adt_message(str(n), number=one)).code for n, one in enumerate(("1", "2"))] == ["AA", "AA"]
    merge = adt_message("3", "A40", "1", prior="2", at="20260111080000")
    assert [listening.send(merge).code for _ in range(2)] == ["AA", "AA"]
    one, two = listening.record("1"), listening.record("2")
    assert one is not None and two is not None and one.person_id == two.person_id
    unknown = adt_message("4", "A40", "1", prior="never-seen", at="20260111080100")
    assert listening.send(unknown).code == "AA"
    late = listening.record("never-seen")
    assert late is not None and late.person_id == one.person_id
    itself = listening.send(adt_message("5", "A40", "1", prior="1"))
    assert (itself.code, itself.problems[0].condition, str(itself.problems[0].place)) == ("AE", "duplicate-key", "MRG-1")


def test_an_older_message_does_not_overwrite_a_newer_one(listening: Listening) -> None:
    assert listening.send(adt_message("1", "A28", family="NEW", at="20260110120000")).code == "AA"
    assert listening.send(adt_message("2", "A31", family="OLD", at="20260110110000")).code == "AA"
    assert listening.family("100001") == "NEW"
    assert listening.send(adt_message("3", "A31", family="NEWEST", at="20260110130000")).code == "AA"
    assert listening.family("100001") == "NEWEST"
    assert listening.send(adt_message("4", "A31", family="CLOCK", at="20620110130000")).code == "AA"
    assert listening.send(adt_message("5", "A31", family="RIGHT", at="20260115110000")).code == "AA"  # now, by our clock
    assert listening.family("100001") == "RIGHT", "a sender whose clock ran ahead does not silence those that come after"


def test_whose_the_identifiers_are(listening: Listening) -> None:
    listening.site("b", issuer="1.2.250.1.99.2")
    assert listening.send(adt_message("1", number="5", authority="")).code == "AA"
    assert listening.family("5") == "DURAND", "without an authority it is the site's"
    assert listening.send(adt_message("2", number="6", authority="OTHER&1.2.250.1.99.7&ISO")).code == "AA"
    assert listening.family("6", "OTHER") == "DURAND"
    foreign = listening.send(adt_message("3", number="7", authority="B&1.2.250.1.99.2&ISO"))
    assert (foreign.code, foreign.problems[0].condition, str(foreign.problems[0].place)) == ("AE", "unknown-key", "PID-3")
    with listening.database.read() as tx:
        assert identity.person_of(tx, LocalId("7", "1.2.250.1.99.2")) is None
    assert [one.state for one in listening.kept()] == ["applied", "applied", "refused"]


def test_events_about_visits_are_kept_and_change_no_person(listening: Listening) -> None:
    assert listening.send(adt_message("1", "A11")).code == "AA"
    assert listening.record("100001") is None
    assert [(one.event, one.state) for one in listening.kept()] == [("ADT^A11", "applied")]


@pytest.mark.parametrize(
    ("more", "code", "condition"), [("ORU^R01", "AR", "unsupported-message-type"), ("ADT^A99", "AR", "unsupported-event")]
)
def test_what_is_not_taken_here_is_refused_and_kept(listening: Listening, more: str, code: str, condition: str) -> None:
    told = listening.send(adt_message().replace(b"ADT^A28", more.encode()))
    assert (told.code, told.problems[0].condition) == (code, condition)
    assert [(one.state, one.code, one.event) for one in listening.kept()] == [("refused", code, more)]
