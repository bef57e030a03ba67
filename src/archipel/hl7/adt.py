"""Reading an ADT message (HL7 v2.5.1 3.3; IHE ITI-8, ITI-30, ITI-31; PAM.FR 2.11) into one value.

Wrong values are collected, so that the acknowledgement can say all of them; only bytes that are no message raise. What refuses (severity
E): a required segment or field that is missing, an identifier, date of birth, death or movement that cannot be read, a sex out of its
table. The rest warns.
"""

from __future__ import annotations

from datetime import date

from archipel.hl7 import adt_patient, adt_visit, types
from archipel.hl7.adt_model import AdtEvent, Patient, Prior, Visit
from archipel.hl7.er7 import Message, Segment
from archipel.hl7.problems import Problem, Problems
from archipel.hl7.tables import TRIGGERS, Trigger

__all__ = ["EVENTS", "AdtEvent", "read", "subject"]

EVENTS = {"ADT": frozenset(TRIGGERS)}
"""What ``ack.check_header`` takes for a receiver of ADT."""

_READ = {"ZBE", "ZFA", "ZFD"}


def read(message: Message) -> AdtEvent:
    """What the message says. Never raises: what is no ADT has the problem ``unsupported-message-type``."""
    problems = Problems()
    kind, code = message.type
    trigger = TRIGGERS.get(code, Trigger("", visit=False))
    if kind != "ADT":
        problems.add("unsupported-message-type", "MSH-9.1", "This is no ADT message.")
    elif code not in TRIGGERS:
        problems.add("unsupported-event", "MSH-9.2", "This trigger event is not read.")
    for number in (7, 10):
        if not message.value(f"MSH-{number}"):
            problems.add("required-field", f"MSH-{number}", f"MSH-{number} is required.")
    msh, evn = message.all("MSH")[0], message.first("EVN")
    if evn is None:
        problems.add("segment-sequence", "EVN", "An ADT message has an EVN segment.")
    elif evn.field(2).is_empty:
        problems.add("required-field", "EVN-2", "When the event was recorded is required.")
    is_french = "FRA" in (message.value("MSH-12.2"), msh.text(17))
    sent_at, recorded_at = adt_visit.instant(msh, 7, problems), adt_visit.instant(evn, 2, problems)
    on = (sent_at and sent_at.on) or (recorded_at and recorded_at.on) or None
    patient, other = _patients(message, code, is_french=is_french, on=on, problems=problems)
    zbe, zfa = message.first("ZBE"), message.first("ZFA")
    return AdtEvent(
        trigger=code,
        act=trigger.act,
        cancels=trigger.cancels,
        control_id=message.control_id,
        processing_id=message.value("MSH-11.1"),
        sender=(_designator(msh, 3), _designator(msh, 4)),
        receiver=(_designator(msh, 5), _designator(msh, 6)),
        is_french=is_french,
        sent_at=sent_at,
        recorded_at=recorded_at,
        occurred_at=adt_visit.instant(evn, 6, problems),
        reason=evn.text(4) if evn else "",
        operators=adt_visit.people(evn, 5) if evn else (),
        patient=patient,
        other=other,
        prior=_prior(message, trigger, on, problems),
        visit=_visit(message, trigger, problems),
        movement=adt_visit.movement(zbe, problems) if zbe else None,
        dmp=adt_visit.dmp(zfa, problems) if zfa else None,
        contacts=adt_patient.contacts(message, problems),
        consents=adt_visit.consents(message, problems),
        professionals=adt_visit.professionals(message),
        unread=tuple((z.name, z.raw) for name in sorted(message.names) if name[0] == "Z" and name not in _READ for z in message.all(name)),
        problems=tuple(problems.found),
    )


def subject(message: Message) -> tuple[Patient, Visit | None, tuple[Problem, ...]]:
    """The person and the visit of any message that has a PID (ORM, OMI, ORU, SIU, MDM), and what is wrong in them."""
    problems = Problems()
    sent_at = adt_visit.instant(message.first("MSH"), 7, problems)
    is_french = "FRA" in (message.value("MSH-12.2"), message.value("MSH-17"))
    patient, _ = _patients(message, "", is_french=is_french, on=sent_at.on if sent_at else None, problems=problems)
    pv1 = message.first("PV1")
    visit = adt_visit.visit(pv1, message.first("PV2"), problems) if pv1 else None
    return patient, visit, tuple(problems.found)


def _patients(message: Message, code: str, *, is_french: bool, on: date | None, problems: Problems) -> tuple[Patient, Patient | None]:
    """The person, and the other one where the event is about two."""
    pids = message.all("PID")
    wanted = 2 if code in ("A24", "A37") else 1
    if len(pids) != wanted:
        text = "A link is between two PID segments." if wanted == 2 else "The message is about one PID segment; send one message for each."
        problems.add("segment-sequence", "PID", text if pids else "There is no PID segment.")
    if not pids:
        return Patient(), None
    pd1, zfd = message.first("PD1"), message.first("ZFD")
    first = adt_patient.patient(pids[0], pd1, zfd, is_french=is_french, on=on, problems=problems)
    if wanted == 1 or len(pids) < 2:
        return first, None
    return first, adt_patient.patient(pids[1], None, None, is_french=is_french, on=on, problems=problems)


def _prior(message: Message, trigger: Trigger, on: date | None, problems: Problems) -> Prior | None:
    found = message.all("MRG")
    if trigger.prior and len(found) != 1:
        text = "The message has one MRG segment; send one message for each." if found else "There is no MRG segment."
        problems.add("segment-sequence", "MRG", text)
    return adt_patient.prior(found[0], on=on, problems=problems) if found and trigger.prior else None


def _visit(message: Message, trigger: Trigger, problems: Problems) -> Visit | None:
    pv1 = message.first("PV1")
    if pv1 is None:
        if trigger.visit:
            problems.add("segment-sequence", "PV1", "There is no PV1 segment.")
        return None
    if not trigger.visit and pv1.field(2).text() in ("", "N"):
        return None  # the empty PV1 that the structures of identity events ask for
    return adt_visit.visit(pv1, message.first("PV2"), problems)


def _designator(msh: Segment, number: int) -> types.HD:
    first = msh.field(number).first
    return types.hd([first.text(1), first.text(2), first.text(3)])
