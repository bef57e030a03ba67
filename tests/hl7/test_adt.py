"""ADT messages made by hand, with the reading that the standard wants of each, and the national examples."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.hl7 import ack, adt, er7
from archipel.hl7.moment import Moment
from archipel.kit.errors import ArchipelError

CASES = sorted((Path(__file__).parent / "adt").glob("*.hl7"))
AT = datetime(2026, 3, 2, 10, 16, tzinfo=UTC)


def at(value: Any, path: str) -> Any:
    """What stands at a dotted path: attributes, indices, ``#`` for a count; moments as they were written."""
    for step in path.split("."):
        if step == "#":
            value = len(value)
        elif step.isdigit():
            value = value[int(step)]
        else:
            value = getattr(value, step)
    return plain(value)


def plain(value: Any) -> Any:
    if isinstance(value, Moment):
        return value.text
    if isinstance(value, date):
        return value.isoformat()
    return [plain(part) for part in value] if isinstance(value, tuple) else value


def test_there_are_fifty() -> None:
    assert len(CASES) >= 50
    assert all(case.with_suffix(".json").exists() for case in CASES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.stem)
def test_a_message_is_read_as_the_standard_says(case: Path) -> None:
    expected = json.loads(case.with_suffix(".json").read_text())
    data = case.read_bytes()
    message = er7.parse(data)
    event = adt.read(message)
    assert {path: at(event, path) for path in expected["reads"]} == expected["reads"]
    assert [[p.condition, str(p.place), p.severity] for p in event.problems] == expected["problems"]
    assert event.is_acceptable is (expected["ack"] == "AA")
    assert message.data == data

    answer = ack.acknowledge(message, code=ack.code(event.problems), control_id="A1", at=AT, problems=event.problems)
    told = ack.read(er7.parse(answer))
    assert (told.code, told.control_id) == (expected["ack"], message.control_id)
    if not message.value("MSH-12").startswith("2.3"):
        assert [[p.condition, str(p.place).replace("[1]", ""), p.severity] for p in told.problems] == expected["problems"]
    values = [segment.raw for segment in message if segment.name in ("PID", "MRG", "NK1")]
    names = {part for raw in values for part in raw.replace("^", "|").split("|") if len(part) > 5}
    assert not [name for name in names if name.encode() in answer], "an answer holds nothing of the patient"


CONSENTS = {
    "ConsentementConsultation_NonOppositionAlimentation": ("3975", "IC", "20240306111154"),
    "NonConsentementConsultation_NonOppositionAlimentation": ("3976", "INC", "20240307111154"),
    "NonRecueillieConsentementConsultation_NonOppositionAlimentation": ("3978", "NA", None),
}


@pytest.mark.parametrize("name", CONSENTS)
def test_the_national_consents(name: str, shared_data: Path) -> None:
    control_id, consultation, when = CONSENTS[name]
    event = adt.read(er7.parse((shared_data / "hl7v2" / f"{name}.er7").read_bytes()))
    assert event.problems == ()
    assert (event.control_id, event.trigger, event.processing_id, event.is_french) == (control_id, "A01", "D", True)
    person = event.patient
    assert [(i.id, i.authority.namespace, i.authority.universal_id, i.type) for i in person.identifiers] == [
        ("000003", "CHU-X", "000897406", "PI")
    ]
    assert [(i.matricule, i.oid, i.is_test, i.key_fits) for i in person.ins] == [("279035121518989", "1.2.250.1.213.1.4.10", True, True)]
    assert (person.status, person.identity_mode, plain(person.insi_asked_at), person.sms_consent) == ("qualified", "INSI", "20211201", True)
    traits = person.traits
    assert (traits.birth_family, traits.birth_first, traits.sex, traits.birth_place_insee) == ("PAT-TROIS", "DOMINIQUE", "F", "63220")
    assert traits.birth_date is not None
    assert traits.birth_date.on == date(1979, 3, 28)
    assert event.visit is not None
    assert event.visit.attending[0].identity == ("RPPS", "01234567897")
    assert event.visit.attending[0].family == "Réault"
    assert event.movement is not None
    assert (event.movement.action, event.movement.care_unit and event.movement.care_unit.id, event.movement.nature) == (
        "INSERT",
        "6268",
        "HMS",
    )
    assert event.professionals[0][0] == "ODRP"
    assert event.professionals[0][1].identity == ("RPPS", "10000023084")
    assert event.dmp is not None
    assert (event.dmp.status, event.dmp.feeding, event.dmp.consultation, plain(event.dmp.consultation_at)) == (
        "ACTIF",
        "INO",
        consultation,
        when,
    )
    assert event.unread == (("ZFM", "ZFM|8|||"),)


def test_what_is_no_adt_is_refused_and_not_read_as_one(shared_data: Path) -> None:
    event = adt.read(er7.parse((shared_data / "hl7v2" / "tlr-flux1.hl7").read_bytes()))
    assert not event.is_acceptable
    assert ack.code(event.problems) == "AR"


@pytest.mark.parametrize("name", ["tlr-flux1.hl7", "tlr-flux2.hl7", "tlr-flux3.hl7", "tlr-flux4.hl7", "message_MDM_CR_Radio_INIT_N1.er7"])
def test_the_person_of_any_national_example(name: str, shared_data: Path) -> None:
    person, visit, problems = adt.subject(er7.parse((shared_data / "hl7v2" / name).read_bytes()))
    assert problems == ()
    assert [number.matricule for number in person.ins] == ["279035121518989"]
    assert (person.status, person.traits.birth_family, person.traits.birth_place_insee) == ("qualified", "PAT-TROIS", "63220")
    assert person.account is not None
    assert person.account.id == "405660"
    if name == "tlr-flux3.hl7":
        assert visit is None
    else:
        assert visit is not None
        assert visit.number is not None
        assert (visit.number.id, visit.patient_class) == ("000897406", "I" if name.startswith("message") else "O")


@given(
    st.sampled_from(CASES).map(Path.read_bytes),
    st.lists(
        st.tuples(
            st.integers(0, 2000),
            st.integers(0, 12),
            st.sampled_from([b"|", b"^", b"~", b"&", b"\\", b'""', b"\r", b"\n", b"9", b"\xe9", b"^^^"]),
        ),
        min_size=1,
        max_size=8,
    ),
)
@settings(max_examples=400, deadline=None)
def test_a_damaged_message_is_read_or_refused_and_always_answered(data: bytes, cuts: list[tuple[int, int, bytes]]) -> None:
    for start, length, instead in cuts:
        data = data[:start] + instead + data[start + length :]
    try:
        message = er7.parse(data)
    except ArchipelError as error:
        assert ack.read(er7.parse(ack.reject(data, error, control_id="A1", at=AT))).code in ("AE", "AR")
        return
    event = adt.read(message)
    answer = ack.acknowledge(message, code=ack.code(event.problems), control_id="A1", at=AT, problems=event.problems)
    told = ack.read(er7.parse(answer))
    assert told.control_id == message.control_id
    assert told.is_positive is event.is_acceptable
