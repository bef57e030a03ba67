"""Reading the person of an ADT message: PID, PD1, ZFD, MRG, NK1 (HL7 v2.5.1 3.4; PAM.FR 2.11; national rules of the INS)."""

from __future__ import annotations

import re
from datetime import date

from archipel.hl7 import tables, types
from archipel.hl7.adt_model import Contact, Ins, Patient, Prior, Traits
from archipel.hl7.er7 import Message, Repetition, Segment
from archipel.hl7.moment import BirthDate, Moment, birth_date, moment
from archipel.hl7.problems import ERROR, WARNING, Problems
from archipel.hl7.types import CX, XAD, XPN

_MATRICULE = re.compile(r"\d{5}(?:\d\d|2[AB])\d{6}(?:\d\d)?", re.ASCII)
_INSEE = re.compile(r"(?:\d\d|2[AB])\d{3}", re.ASCII)


def patient(pid: Segment, pd1: Segment | None, zfd: Segment | None, *, is_french: bool, on: date | None, problems: Problems) -> Patient:
    """One person; ``on`` is the day of the message, what is wrong goes to ``problems``."""
    identifiers, ins = identity_numbers(pid, 3, problems, on=on, is_required=True)
    codes = tuple(code for code in (of.text() for of in pid.field(32).repetitions) if code)
    flags = tuple(dict.fromkeys(tables.FLAGS[code] for code in codes if code in tables.FLAGS))
    if is_french and not codes:
        problems.add("required-field", pid.path(32), "PAM.FR wants the reliability of the identity.", WARNING)
    if set(codes) - set(tables.RELIABILITY):
        problems.add("table-value", pid.path(32), "PID-32 has a code that is not in table 0445.", WARNING)
    addresses = _addresses(pid, 11)
    zfd_at = _moment(zfd, 6, problems)
    mode = zfd.text(5) if zfd else ""
    if mode and mode not in tables.IDENTITY_MODES:
        problems.add("table-value", "ZFD-5", "ZFD-5 has a code that is not known.", WARNING)
    return Patient(
        identifiers=identifiers,
        ins=ins,
        status=_status(codes, ins, mode, pid, problems),
        reliability=codes,
        flags=flags,
        traits=_traits(pid, zfd, addresses, is_french=is_french, problems=problems),
        account=_one_cx(pid, 18, problems),
        addresses=tuple(address for address in addresses if address.type != tables.BIRTH_PLACE),
        telecoms=tuple(types.xtn(of) for number in (13, 14) for of in pid.field(number).repetitions if not of.is_empty),
        updated_at=_moment(pid, 33, problems),
        identity_mode=mode,
        insi_asked_at=zfd_at,
        proof=zfd.text(7) if zfd else "",
        proof_until=_moment(zfd, 8, problems),
        sms_consent=yes_no(zfd, 3, problems),
        is_protected=yes_no(pd1, 12, problems),
        deleted=tuple(f"PID-{number}" for number in range(3, 40) if pid.field(number).is_delete),
    )


def identity_numbers(
    segment: Segment, number: int, problems: Problems, *, on: date | None, is_required: bool
) -> tuple[tuple[CX, ...], tuple[Ins, ...]]:
    """The local identifiers and the INS of a field of CX. An INS that has not the form of one is left out."""
    local: list[CX] = []
    national: list[Ins] = []
    for position, of in enumerate(segment.field(number).repetitions, 1):
        if of.is_empty or of.is_delete():
            continue
        path = segment.path(number, position)
        read = problems.take(ERROR, types.cx, of, path)
        if read is None:
            continue
        if not read.id:
            problems.add("required-field", f"{path}.1", "An identifier has a number.")
        elif read.authority.universal_id in tables.INS_OIDS:
            national += _ins(read, path, on, problems)
        else:
            if not read.authority.namespace and not read.authority.universal_id:
                problems.add("required-field", f"{path}.4", "Who assigned the identifier is not said.", WARNING)
            local.append(read)
    if is_required and not local and not national:
        problems.add("required-field", segment.path(number), "There is no identifier of the patient.")
    if sum(not ins.is_old for ins in national) > 1:
        problems.add("duplicate-key", segment.path(number), "A person has one INS at a time.", WARNING)
    return tuple(local), tuple(national)


def _ins(read: CX, path: str, on: date | None, problems: Problems) -> list[Ins]:
    matricule = read.id.replace(" ", "").upper()
    if not _MATRICULE.fullmatch(matricule):
        problems.add("data-type", f"{path}.1", "An INS has 13 characters, or 15 with its key; this one is left out.", WARNING)
        return []
    fits = tables.nir_key(matricule[:13]) == matricule[13:] if len(matricule) == 15 else None
    if fits is False:
        problems.add("data-type", f"{path}.1", "The key of the INS does not fit its number.", WARNING)
    oid = read.authority.universal_id
    ends = read.valid_until
    is_old = ends is not None and (on is None or (ends.on or date.max) < on)
    return [Ins(matricule, oid, tables.INS_OIDS[oid], oid in tables.INS_TEST_OIDS, read.valid_from, ends, fits, is_old)]


def _status(codes: tuple[str, ...], ins: tuple[Ins, ...], mode: str, pid: Segment, problems: Problems) -> str:
    """The four statuses of identity vigilance from PID-32 (checked: VALI) and the INS (retrieved), as the national profile crosses them."""
    has_ins = any(not number.is_old for number in ins)
    if {"DOUT", "FICT"} & set(codes):
        if "VALI" in codes or has_ins:
            problems.add("table-value", pid.path(32), "A doubtful or fictitious identity is provisional and has no INS.", WARNING)
        return "provisional"
    if "VALI" in codes:
        return "qualified" if has_ins else "validated"
    if has_ins:
        problems.add("table-value", pid.path(32), "The INS travels with a validated identity only (VALI).", WARNING)
    if not codes:
        return ""
    return "retrieved" if has_ins or mode == "INSI" else "provisional"


def _traits(pid: Segment, zfd: Segment | None, addresses: list[XAD], *, is_french: bool, problems: Problems) -> Traits:
    birth, used, all_names = _names(pid, is_french=is_french, problems=problems)
    sex = pid.text(8)
    if sex and sex not in tables.SEXES:
        problems.add("table-value", pid.path(8), "The sex is not in table 0001.")
        sex = ""
    places = [address.county for address in addresses if address.type == tables.BIRTH_PLACE]
    insee = places[0] if places else ""
    if insee and not _INSEE.fullmatch(insee):
        problems.add("data-type", pid.path(11), "The INSEE code of the birth place has five characters; this one is left out.", WARNING)
        insee = ""
    order = pid.text(25)
    return Traits(
        birth_family=birth.family,
        birth_first=birth.given,
        birth_given_names=tuple(re.split(r"[\s,]+", birth.others)) if birth.others else (),
        used_family=used.family,
        used_given=used.given,
        names=all_names,
        birth_date=_birth_date(pid, zfd, problems),
        sex=sex,
        birth_place_insee=insee,
        birth_place=pid.text(23),
        mother_family=pid.text(6),
        is_multiple_birth=yes_no(pid, 24, problems),
        birth_order=int(order) if re.fullmatch(r"\d{1,2}", order, re.ASCII) else None,
        is_dead=yes_no(pid, 30, problems),
        died_at=_moment(pid, 29, problems, ERROR),
    )


def _names(pid: Segment, *, is_french: bool, problems: Problems) -> tuple[XPN, XPN, tuple[XPN, ...]]:
    """The birth name, the used one, and all. In France L is the birth name and D the used one; elsewhere B or M is the birth
    name where there is one."""
    field = pid.field(5)
    if field.is_empty:
        problems.add("required-field", pid.path(5), "There is no name; an unknown one is sent as ^^^^^^U.")
    read = [
        problems.take(WARNING, types.xpn, of, pid.path(5, n))
        for n, of in enumerate(field.repetitions, 1)
        if not of.is_empty and not field.is_delete
    ]
    names = tuple(name for name in read if name is not None)
    order = ("L", "B", "M", "") if is_french else ("B", "M", "L", "")
    birth = _of_type(names, order)
    used = _of_type(names, ("D",) if is_french else ("D", "L"))
    return birth, used if used is not birth else XPN(""), names


def _of_type(names: tuple[XPN, ...], order: tuple[str, ...]) -> XPN:
    for kind in order:
        for name in names:
            if name.type == kind:
                return name
    return XPN("")


def _birth_date(pid: Segment, zfd: Segment | None, problems: Problems) -> BirthDate | None:
    text = pid.text(7)
    read = problems.take(ERROR, birth_date, text, pid.path(7)) if text else None
    if zfd is None:
        return read
    lunar = zfd.field(1).first
    corrected = zfd.text(4) == "Y"
    day, month, year = lunar.text(1), lunar.text(2), lunar.text(3)
    if year:  # the date of the register; PID-7 holds what fits a calendar
        return BirthDate(text, read.on if read else None, read.precision if read else "unknown", (day, month, year), corrected)
    return BirthDate(read.text, read.on, read.precision, read.lunar, True) if read and corrected else read


def prior(mrg: Segment, *, on: date | None, problems: Problems) -> Prior:
    """MRG (3.4.10): MRG-1 is required."""
    identifiers, ins = identity_numbers(mrg, 1, problems, on=on, is_required=True)
    names = [problems.take(WARNING, types.xpn, of, mrg.path(7, n)) for n, of in enumerate(mrg.field(7).repetitions, 1)]
    known = tuple(name for name in names if name is not None)
    return Prior(identifiers, ins, _one_cx(mrg, 3, problems), _one_cx(mrg, 5, problems), known)


def contacts(message: Message, problems: Problems) -> tuple[Contact, ...]:
    """The NK1 segments (3.4.5)."""
    found = []
    for nk1 in message.all("NK1"):
        names = [problems.take(WARNING, types.xpn, of, nk1.path(2, n)) for n, of in enumerate(nk1.field(2).repetitions, 1)]
        identifiers, _ = identity_numbers(nk1, 33, problems, on=None, is_required=False)
        telecoms = tuple(types.xtn(of) for number in (5, 6) for of in nk1.field(number).repetitions if not of.is_empty)
        known = tuple(name for name in names if name is not None)
        found.append(Contact(known, nk1.text(3), nk1.text(7), telecoms, tuple(_addresses(nk1, 4)), identifiers))
    return tuple(found)


# --- pieces -----------------------------------------------------------------------------------------------------------------------


def yes_no(segment: Segment | None, number: int, problems: Problems) -> bool | None:
    """A field of table 0136; None where it says nothing."""
    text = segment.text(number) if segment else ""
    if segment and text not in ("", "Y", "N"):
        problems.add("table-value", segment.path(number), "The value is Y or N.", WARNING)
    return {"Y": True, "N": False}.get(text)


def _moment(segment: Segment | None, number: int, problems: Problems, severity: str = WARNING) -> Moment | None:
    return problems.take(severity, moment, segment.text(number), segment.path(number)) if segment else None


def _one_cx(segment: Segment, number: int, problems: Problems) -> CX | None:
    of: Repetition = segment.field(number).first
    return None if of.is_empty or of.is_delete() else problems.take(WARNING, types.cx, of, segment.path(number))


def _addresses(segment: Segment, number: int) -> list[XAD]:
    return [types.xad(of) for of in segment.field(number).repetitions if not of.is_empty and not of.is_delete()]
