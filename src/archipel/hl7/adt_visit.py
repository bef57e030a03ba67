"""Reading the visit of an ADT message: PV1, PV2, ZBE, ZFA, ROL, CON (HL7 v2.5.1 3.4 and 9.6; IHE ITI-31; PAM.FR 2.11)."""

from __future__ import annotations

from archipel.hl7 import tables, types
from archipel.hl7.adt_model import Consent, Dmp, Movement, Visit
from archipel.hl7.adt_patient import yes_no
from archipel.hl7.er7 import Message, Segment
from archipel.hl7.moment import Moment, moment
from archipel.hl7.problems import ERROR, WARNING, Problems
from archipel.hl7.types import XCN, XON


def visit(pv1: Segment, pv2: Segment | None, problems: Problems) -> Visit:
    """PV1 and PV2."""
    kind = pv1.text(2)
    if not kind:
        problems.add("required-field", pv1.path(2), "The class of the patient is required.")
    elif kind not in tables.PATIENT_CLASSES:
        problems.add("table-value", pv1.path(2), "The class of the patient is not in table 0004.", WARNING)
    number = pv1.field(19).first
    reason = pv2.field(3) if pv2 else None
    return Visit(
        patient_class=kind,
        location=types.pl(pv1.field(3).first),
        prior_location=types.pl(pv1.field(6).first),
        number=None if number.is_empty else problems.take(WARNING, types.cx, number, pv1.path(19)),
        hospital_service=pv1.text(10),
        attending=people(pv1, 7),
        referring=people(pv1, 8),
        admitting=people(pv1, 17),
        admitted_at=instant(pv1, 44, problems, ERROR),
        discharged_at=instant(pv1, 45, problems, ERROR),
        discharge_disposition=pv1.text(36),
        expected_admission_at=instant(pv2, 8, problems),
        expected_discharge_at=instant(pv2, 9, problems),
        reason=types.cwe(reason.first) if reason and not reason.is_empty else None,
    )


def movement(zbe: Segment, problems: Problems) -> Movement:
    """ZBE (ITI-31 3.31.4.1.2.3): ZBE-1, 2, 4 and 5 are required; ZBE-6 names the event of a movement that is updated or cancelled."""
    action = zbe.text(4)
    for number in (1, 2, 4):
        if zbe.field(number).is_empty:
            problems.add("required-field", zbe.path(number), f"A movement has a ZBE-{number}.")
    if action and action not in tables.MOVEMENT_ACTIONS:
        problems.add("table-value", zbe.path(4), "ZBE-4 is INSERT, UPDATE or CANCEL.")
    if action in ("UPDATE", "CANCEL") and not zbe.text(6):
        problems.add("required-field", zbe.path(6), "An UPDATE or CANCEL names the original trigger event.", WARNING)
    return Movement(
        ids=tuple(types.ei(of) for of in zbe.field(1).repetitions if not of.is_empty),
        starts_at=instant(zbe, 2, problems, ERROR),
        action=action,
        ends_at=instant(zbe, 3, problems),
        is_historic=yes_no(zbe, 5, problems),
        original_trigger=zbe.text(6),
        medical_unit=_unit(zbe, 7),
        care_unit=_unit(zbe, 8),
        nature=zbe.text(9),
    )


def dmp(zfa: Segment, problems: Problems) -> Dmp:
    """ZFA."""
    feeding, consultation = zfa.text(9), zfa.text(11)
    if feeding and feeding not in tables.ZFA_FEEDING:
        problems.add("table-value", zfa.path(9), "ZFA-9 is INO, IO or NA.", WARNING)
    if consultation and consultation not in tables.ZFA_CONSULTATION:
        problems.add("table-value", zfa.path(11), "ZFA-11 is IC, INC or NA.", WARNING)
    return Dmp(
        status=zfa.text(1),
        status_at=instant(zfa, 2, problems),
        closed_at=instant(zfa, 3, problems),
        is_authorised=yes_no(zfa, 4, problems),
        authorised_at=instant(zfa, 5, problems),
        opposes_break_glass=yes_no(zfa, 6, problems),
        opposes_regulation=yes_no(zfa, 7, problems),
        oppositions_at=instant(zfa, 8, problems),
        feeding=feeding,
        feeding_at=instant(zfa, 10, problems),
        consultation=consultation,
        consultation_at=instant(zfa, 12, problems),
    )


def consents(message: Message, problems: Problems) -> tuple[Consent, ...]:
    """The CON segments (9.6.2)."""
    return tuple(
        Consent(
            type=types.cwe(con.field(2).first),
            mode=con.text(10),
            status=con.text(11),
            decided_at=instant(con, 13, problems),
            starts_at=instant(con, 14, problems),
            ends_at=instant(con, 15, problems),
        )
        for con in message.all("CON")
    )


def professionals(message: Message) -> tuple[tuple[str, XCN], ...]:
    """The ROL segments: role and person, those that are taken away (ROL-2 DE) left out."""
    return tuple((rol.text(3), person) for rol in message.all("ROL") if rol.text(2) != "DE" for person in people(rol, 4))


def people(segment: Segment, number: int) -> tuple[XCN, ...]:
    """A field of professionals."""
    return tuple(types.xcn(of) for of in segment.field(number).repetitions if not of.is_empty and not of.is_delete())


def instant(segment: Segment | None, number: int, problems: Problems, severity: str = WARNING) -> Moment | None:
    """A field of date and time."""
    return problems.take(severity, moment, segment.text(number), segment.path(number)) if segment else None


def _unit(segment: Segment, number: int) -> XON | None:
    of = segment.field(number).first
    return None if of.is_empty else types.xon(of)
