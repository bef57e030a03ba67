"""Acknowledgements (HL7 v2.5.1 2.9 and 2.15.8): what a message asks for, writing them, and reading those of a peer.

Original mode: one answer, AA, AE or AR. Enhanced mode, when MSH-15 or MSH-16 say something: CA, CE or CR on receipt (MSH-15), AA, AE or
AR after the act (MSH-16). AE: the content is wrong (conditions 100 to 103, 204, 205), sending it again unchanged fails again. AR: not for
us, or not now.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from archipel.hl7 import er7
from archipel.hl7.problems import CONDITIONS, ERROR, Place, Problem, from_error, refuse
from archipel.kit.errors import ArchipelError

PROBLEMS_MAX = 50  # ERR segments of one answer
TEXT_LENGTH_MAX = 250  # ERR-8

_REFUSED = {
    "unsupported-message-type",
    "unsupported-event",
    "unsupported-processing-id",
    "unsupported-version",
    "record-locked",
    "internal",
}
_MIRRORED = {"original": ("AA", "AE", "AR"), "enhanced": ("CA", "CE", "CR")}


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which answers a sender wants: ``accept`` and ``application`` are AL, NE, ER or SU (table 0155)."""

    is_enhanced: bool
    accept: str
    application: str

    def accepts(self, code: str) -> bool:
        """Whether an answer with this code is to be sent."""
        if not self.is_enhanced:
            return code.startswith("A")
        condition = self.accept if code.startswith("C") else self.application
        return condition == "AL" or (condition == "SU" if code.endswith("A") else condition == "ER")


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """The answer of a peer: its MSA and its ERR segments."""

    code: str
    control_id: str
    text: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def is_positive(self) -> bool:
        """AA or CA."""
        return self.code in ("AA", "CA")


def wanted(message: er7.Message) -> Wanted:
    """The mode of a message (2.9.2, 2.9.3); an empty one of two fields is NE."""
    accept, application = message.value("MSH-15").upper(), message.value("MSH-16").upper()
    return Wanted(bool(accept or application), accept or "NE", application or "NE")


def code(problems: Iterable[Problem], *, on_receipt: bool = False) -> str:
    """AA, AE or AR for what was found; CA, CE or CR for an answer on receipt. Warnings refuse nothing."""
    conditions = {problem.condition for problem in problems if problem.severity == ERROR}
    accepted, error, rejected = _MIRRORED["enhanced" if on_receipt else "original"]
    if not conditions:
        return accepted
    return rejected if conditions & _REFUSED else error


def check_header(
    message: er7.Message,
    events: dict[str, frozenset[str]],
    *,
    processing_ids: frozenset[str] = frozenset({"P", "D", "T"}),
    versions: tuple[str, ...] = ("2.3", "2.4", "2.5", "2.6", "2.7", "2.8"),
) -> list[Problem]:
    """What is wrong in MSH for a receiver of these events: {message code: triggers}; an empty set takes every trigger (2.9.2.2)."""
    kind, trigger = message.type
    found = []
    if kind not in events:
        found.append(Problem("unsupported-message-type", Place("MSH", field=9, component=1), "This message type is not taken here."))
    elif events[kind] and trigger not in events[kind]:
        found.append(Problem("unsupported-event", Place("MSH", field=9, component=2), "This trigger event is not taken here."))
    if not message.control_id:
        found.append(Problem("required-field", Place("MSH", field=10), "A message has a control id."))
    if message.value("MSH-11.1") not in processing_ids:
        found.append(Problem("unsupported-processing-id", Place("MSH", field=11), "This processing id is not taken here."))
    if not message.value("MSH-12.1").startswith(versions):
        found.append(Problem("unsupported-version", Place("MSH", field=12), "This version of HL7 is not taken here."))
    return found


def acknowledge(
    message: er7.Message, *, code: str, control_id: str, at: datetime, problems: Sequence[Problem] = (), text: str = "", software: str = ""
) -> bytes:
    """The answer to a message, in its delimiters, character set and version, from its receiver to its sender.

    ``code`` of table 0008, ``control_id`` of the answer itself, ``at`` an aware instant. ``text`` is for MSA-3 of peers older than v2.5,
    which get their errors in ERR-1; newer ones get one ERR segment for each problem.
    """
    return _answer(_Header.of(message), code=code, control_id=control_id, at=at, problems=problems, text=text, software=software)


def reject(data: bytes, error: ArchipelError, *, control_id: str, at: datetime) -> bytes:
    """The answer to bytes that are no message, from what can be read of their MSH: AE when the sender must mend them, AR for a limit."""
    kind = "AE" if error.kind == "invalid" else "AR"
    return _answer(_Header.salvaged(data), code=kind, control_id=control_id, at=at, problems=[from_error(error)], text="", software="")


@dataclass(frozen=True, slots=True)
class _Header:
    """What of a message's MSH an answer is made of; fields as they stand, still escaped."""

    encoding: er7.Encoding
    fields: dict[int, str]
    trigger: str
    control_id: str

    @staticmethod
    def of(message: er7.Message) -> _Header:
        msh = message.first("MSH")
        assert msh is not None
        return _Header(message.encoding, {n: msh.field(n).raw for n in range(3, 22)}, message.type[1], message.control_id)

    @staticmethod
    def salvaged(data: bytes) -> _Header:
        start = data[:4_096].find(b"MSH")
        head = re.split(rb"[\r\n]", data[start : start + 4_096])[0] if start >= 0 else b""
        fields = head.split(head[3:4])[:17] if len(head) > 4 else []  # MSH-18 may be what is wrong: an answer in ASCII needs none
        try:
            return _Header.of(er7.parse(re.sub(rb"[^\x20-\x7e]", b"?", head[3:4].join(fields))))
        except ArchipelError:
            return _Header(er7.STANDARD, {11: "P", 12: "2.5.1"}, "", "")


def _answer(head: _Header, *, code: str, control_id: str, at: datetime, problems: Sequence[Problem], text: str, software: str) -> bytes:
    marks = head.encoding
    is_old = head.fields.get(12, "2.5")[:3] in ("2.1", "2.2", "2.3", "2.4")
    trigger = "" if is_old and head.fields[12].startswith(("2.1", "2.2")) else head.trigger
    kind = marks.component.join(["ACK", er7.escape(trigger, marks), "" if is_old else "ACK"]).rstrip(marks.component)
    own = head.fields.get(5, "") or er7.escape(software, marks)
    row = {3: own, 4: head.fields.get(6, ""), 5: head.fields.get(3, ""), 6: head.fields.get(4, "")}
    row |= {7: at.strftime("%Y%m%d%H%M%S%z"), 9: kind, 10: er7.escape(control_id, marks), 11: head.fields.get(11, "") or "P"}
    row |= {12: head.fields.get(12, "") or "2.5.1", 17: head.fields.get(17, ""), 18: head.fields.get(18, "")}
    msh = ["MSH", marks.characters, *(row.get(n, "") for n in range(3, 19))]
    lines = [marks.field.join(msh).rstrip(marks.field)]
    said = text or (problems[0].text if problems and is_old else "")
    lines.append(marks.field.join(["MSA", code, er7.escape(head.control_id, marks), er7.escape(said[:80], marks)]).rstrip(marks.field))
    for problem in problems[:PROBLEMS_MAX]:
        lines.append(_error_of_old(problem, marks) if is_old else _error(problem, marks))
    return er7.encoded("".join(line + "\r" for line in lines), "", marks)  # in the codec that the message was read with


def _error(problem: Problem, marks: er7.Encoding) -> str:
    at = problem.place
    numbers = [at.segment, at.number, at.field or "", at.repetition or (1 if at.field else ""), at.component or "", at.subcomponent or ""]
    where = marks.component.join(str(n) for n in numbers).rstrip(marks.component)
    number, meaning = CONDITIONS[problem.condition]
    coded = marks.component.join([number, meaning, "HL70357"])
    return marks.field.join(["ERR", "", where, coded, problem.severity, "", "", "", er7.escape(problem.text[:TEXT_LENGTH_MAX], marks)])


def _error_of_old(problem: Problem, marks: er7.Encoding) -> str:
    at = problem.place
    number, meaning = CONDITIONS[problem.condition]
    coded = (marks.subcomponent or " ").join([number, meaning, "HL70357"])
    return marks.field.join(["ERR", marks.component.join([at.segment, str(at.number), str(at.field or ""), coded])])


# --- reading ----------------------------------------------------------------------------------------------------------------------


def read(message: er7.Message) -> Acknowledgement:
    """The answer that a peer sent. Raises ``Invalid`` when it has no MSA or a code that is none of table 0008."""
    msa = message.first("MSA")
    if msa is None:
        refuse("segment-sequence", "MSA", "An acknowledgement has an MSA segment.")
    if msa.text(1) not in ("AA", "AE", "AR", "CA", "CE", "CR"):
        refuse("table-value", "MSA-1", "MSA-1 is AA, AE, AR, CA, CE or CR.")
    return Acknowledgement(msa.text(1), msa.text(2), msa.text(3), tuple(_told(err) for err in message.all("ERR")))


def _told(err: er7.Segment) -> Problem:
    slugs = {number: slug for slug, (number, _) in CONDITIONS.items()}
    if err.field(3).is_empty:  # before v2.5
        where = Place(err.text(1, 1) or "MSH", _number(err.text(1, 2)) or 1, _number(err.text(1, 3)))
        return Problem(slugs.get(err.text(1, 4), "internal"), where, err.text(1, 4, 2), ERROR)
    numbers = [_number(err.text(2, component)) for component in range(2, 7)]
    where = Place(err.text(2, 1) or "MSH", numbers[0] or 1, *numbers[1:])
    return Problem(slugs.get(err.text(3, 1), "internal"), where, err.text(8) or err.text(7) or err.text(3, 2), err.text(4) or ERROR)


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0
