"""Typed readers of data types (HL7 v2.5.1 2.A) from a repetition of a field; what is absent is "". French use: IHE France's constraints
on them.

They read what stands there and refuse nothing but dates; whether a value is right is for who knows the field.
"""

from __future__ import annotations

from dataclasses import dataclass

from archipel.hl7.er7 import Repetition
from archipel.hl7.moment import Moment, moment
from archipel.hl7.tables import PROFESSIONALS


@dataclass(frozen=True, slots=True)
class HD:
    """Hierarchic designator: a local name, or a universal id with its type (ISO; in France also N, M, L for local numbers)."""

    namespace: str = ""
    universal_id: str = ""
    type: str = ""

    @property
    def oid(self) -> str:
        """The universal id where it is an ISO one, else ""."""
        return self.universal_id if self.type == "ISO" else ""


@dataclass(frozen=True, slots=True)
class CX:
    """Extended composite id: number, who assigned it, of what kind (table 0203), from when until when."""

    id: str
    authority: HD = HD()
    type: str = ""
    facility: HD = HD()
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    check_digit: str = ""


@dataclass(frozen=True, slots=True)
class EI:
    """Entity identifier."""

    id: str
    authority: HD = HD()


@dataclass(frozen=True, slots=True)
class CWE:
    """Coded element, also CE: code, text, coding system; the alternate one beside."""

    code: str
    text: str = ""
    system: str = ""
    alternate: tuple[str, str, str] = ("", "", "")


@dataclass(frozen=True, slots=True)
class XPN:
    """A person's name. ``others`` are the further given names as written: in French use the list of birth given names; ``type`` of table
    0200."""

    family: str
    given: str = ""
    others: str = ""
    suffix: str = ""
    prefix: str = ""
    type: str = ""
    own_family: str = ""
    own_prefix: str = ""
    valid_from: Moment | None = None


@dataclass(frozen=True, slots=True)
class XAD:
    """An address; ``type`` of table 0190 (H, BDL, ...); ``county`` holds the INSEE code of a birth place."""

    street: str = ""
    other: str = ""
    city: str = ""
    state: str = ""
    postal_code: str = ""
    country: str = ""
    type: str = ""
    county: str = ""


@dataclass(frozen=True, slots=True)
class XTN:
    """A telephone or an address on a net; ``use`` of table 0201 (PRN, WPN, NET), ``equipment`` of table 0202 (PH, CP, Internet, X.400)."""

    number: str = ""
    use: str = ""
    equipment: str = ""
    email: str = ""


@dataclass(frozen=True, slots=True)
class XCN:
    """A person with an id: a professional. ``identity`` names the register that the id is of."""

    id: str
    family: str = ""
    given: str = ""
    prefix: str = ""
    authority: HD = HD()
    name_type: str = ""
    type: str = ""

    @property
    def identity(self) -> tuple[str, str]:
        """(RPPS, 11 digits), (ADELI, 9 characters), or (local, the id as it stands); ("", "") without an id.

        Of the national register (OID 1.2.250.1.71.4.2.1): type RPPS or ADELI, or IDNPS, which is "8" and the RPPS number.
        """
        if not self.id:
            return "", ""
        national = self.authority.universal_id == PROFESSIONALS
        if national and self.type == "IDNPS" and self.id.startswith("8") and len(self.id) == 12:
            return "RPPS", self.id[1:]
        if (national or not self.authority.universal_id) and self.type in ("RPPS", "ADELI"):
            return self.type, self.id
        return "local", self.id


@dataclass(frozen=True, slots=True)
class XON:
    """An organisation; ``type`` UF, FINEG, FINEJ, ..."""

    name: str = ""
    id: str = ""
    authority: HD = HD()
    type: str = ""


@dataclass(frozen=True, slots=True)
class PL:
    """Where a patient is: point of care, room, bed, facility."""

    point_of_care: str = ""
    room: str = ""
    bed: str = ""
    facility: HD = HD()
    status: str = ""


NOWHERE = PL()


def hd(parts: list[str]) -> HD:
    """Of the subcomponents of a component, or the components of a field."""
    namespace, universal_id, kind = ([part.strip() for part in parts] + ["", "", ""])[:3]
    return HD(namespace, universal_id, kind)


def cx(of: Repetition, path: str) -> CX:
    """Raises ``Invalid`` at ``path`` for a date that is none."""
    starts, ends = moment(of.text(7), f"{path}.7"), moment(of.text(8), f"{path}.8")
    return CX(of.text(1), hd(of.subcomponents(4)), of.text(5), hd(of.subcomponents(6)), starts, ends, of.text(2))


def ei(of: Repetition) -> EI:
    """An entity identifier: its authority is in components of its own."""
    return EI(of.text(1), HD(of.text(2), of.text(3), of.text(4)))


def cwe(of: Repetition) -> CWE:
    """CE and CWE alike."""
    return CWE(of.text(1), of.text(2), of.text(3), (of.text(4), of.text(5), of.text(6)))


def xpn(of: Repetition, path: str) -> XPN:
    """Raises ``Invalid`` at ``path`` for a date that is none."""
    starts = moment(of.text(12), f"{path}.12")
    names = of.text(1), of.text(2), of.text(3), of.text(4), of.text(5)
    return XPN(*names, of.text(7), of.text(1, 3), of.text(1, 2), starts)


def xad(of: Repetition) -> XAD:
    """An address."""
    return XAD(of.text(1), of.text(2), of.text(3), of.text(4), of.text(5), of.text(6), of.text(7), of.text(9))


def xtn(of: Repetition) -> XTN:
    """The number is where v2.5 puts it (XTN-12), else in pieces (6 and 7), else where it used to be (XTN-1)."""
    pieces = " ".join(part for part in (of.text(5), of.text(6), of.text(7)) if part)
    return XTN(of.text(12) or pieces or of.text(1), of.text(2), of.text(3), of.text(4))


def xcn(of: Repetition) -> XCN:
    """A professional."""
    return XCN(of.text(1), of.text(2), of.text(3), of.text(6), hd(of.subcomponents(9)), of.text(10), of.text(13))


def xon(of: Repetition) -> XON:
    """An organisation; its id is XON-10, or XON-3 in older messages."""
    return XON(of.text(1), of.text(10) or of.text(3), hd(of.subcomponents(6)), of.text(7))


def pl(of: Repetition) -> PL:
    """A location."""
    return PL(of.text(1), of.text(2), of.text(3), hd(of.subcomponents(4)), of.text(5))
