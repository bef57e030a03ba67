"""What an ADT message says, as frozen values; "", None and () are what it does not say."""

from __future__ import annotations

from dataclasses import dataclass

from archipel.hl7.moment import BirthDate, Moment
from archipel.hl7.problems import ERROR, Problem
from archipel.hl7.types import CWE, CX, EI, HD, NOWHERE, PL, XAD, XCN, XON, XPN, XTN


@dataclass(frozen=True, slots=True)
class Ins:
    """A national health identity number (INS) with the OID of its authority."""

    matricule: str
    """As it was sent: 13 characters, or 15 with the key."""
    oid: str
    kind: str
    """NIR or NIA."""
    is_test: bool
    valid_from: Moment | None = None
    valid_until: Moment | None = None
    key_fits: bool | None = None
    """Whether the two digits of the key fit; None without a key. The rule is unverified: it warns, it decides nothing."""
    is_old: bool = False
    """Whether its end (CX-8) was over when the message was sent: a number that the person had."""


@dataclass(frozen=True, slots=True)
class Traits:
    """Who the person is. The birth names are those of the civil register, the used ones those that she goes by."""

    birth_family: str = ""
    birth_first: str = ""
    birth_given_names: tuple[str, ...] = ()
    used_family: str = ""
    used_given: str = ""
    names: tuple[XPN, ...] = ()
    birth_date: BirthDate | None = None
    sex: str = ""
    """Of table 0001: A F M N O U."""
    birth_place_insee: str = ""
    birth_place: str = ""
    mother_family: str = ""
    is_multiple_birth: bool | None = None
    birth_order: int | None = None
    is_dead: bool | None = None
    died_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Patient:
    """One PID, with what PD1 and ZFD add."""

    identifiers: tuple[CX, ...] = ()
    """Local ones; INS are apart."""
    ins: tuple[Ins, ...] = ()
    status: str = ""
    """provisional, retrieved, validated, qualified; "" where PID-32 says nothing."""
    reliability: tuple[str, ...] = ()
    """The codes of PID-32 as sent."""
    flags: tuple[str, ...] = ()
    """homonym, doubtful, fictitious, hidden, anonymous, usurped, duplicate, collision, disabled, invalidated."""
    traits: Traits = Traits()
    account: CX | None = None
    addresses: tuple[XAD, ...] = ()
    telecoms: tuple[XTN, ...] = ()
    updated_at: Moment | None = None
    identity_mode: str = ""
    """ZFD-5: SM, CV, INSI, CB, RFID, AV."""
    insi_asked_at: Moment | None = None
    proof: str = ""
    """ZFD-7, of what document the identity was checked with."""
    proof_until: Moment | None = None
    sms_consent: bool | None = None
    is_protected: bool | None = None
    """PD1-12: the person asked that her data be protected."""
    deleted: tuple[str, ...] = ()
    """Fields that were sent as two quotation marks: their values are to be removed (``PID-29``)."""


@dataclass(frozen=True, slots=True)
class Visit:
    """PV1 and PV2."""

    patient_class: str = ""
    location: PL = NOWHERE
    prior_location: PL = NOWHERE
    number: CX | None = None
    hospital_service: str = ""
    attending: tuple[XCN, ...] = ()
    referring: tuple[XCN, ...] = ()
    admitting: tuple[XCN, ...] = ()
    admitted_at: Moment | None = None
    discharged_at: Moment | None = None
    discharge_disposition: str = ""
    expected_admission_at: Moment | None = None
    expected_discharge_at: Moment | None = None
    reason: CWE | None = None


@dataclass(frozen=True, slots=True)
class Movement:
    """ZBE (IHE ITI-31): one movement of the visit, inserted, updated or cancelled."""

    ids: tuple[EI, ...]
    starts_at: Moment | None
    action: str
    ends_at: Moment | None = None
    is_historic: bool | None = None
    original_trigger: str = ""
    medical_unit: XON | None = None
    care_unit: XON | None = None
    nature: str = ""


@dataclass(frozen=True, slots=True)
class Dmp:
    """ZFA (PAM.FR): the patient's shared record, and what she was told and wants, each with its instant."""

    status: str = ""
    status_at: Moment | None = None
    closed_at: Moment | None = None
    is_authorised: bool | None = None
    authorised_at: Moment | None = None
    opposes_break_glass: bool | None = None
    opposes_regulation: bool | None = None
    oppositions_at: Moment | None = None
    feeding: str = ""
    """INO informed and does not oppose, IO informed and opposes, NA not asked."""
    feeding_at: Moment | None = None
    consultation: str = ""
    """IC informed and consents, INC informed and refuses, NA not asked."""
    consultation_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Contact:
    """NK1: a person who belongs to the patient."""

    names: tuple[XPN, ...]
    relationship: str = ""
    """Table 0063: GRD guardian, MTH mother, FTH father, SPO spouse, ..."""
    role: str = ""
    telecoms: tuple[XTN, ...] = ()
    addresses: tuple[XAD, ...] = ()
    identifiers: tuple[CX, ...] = ()

    @property
    def is_guardian(self) -> bool:
        """Whether the message calls her the guardian."""
        return self.relationship == "GRD"


@dataclass(frozen=True, slots=True)
class Consent:
    """CON: a consent, with its type, mode (0497) and status (0498)."""

    type: CWE
    mode: str = ""
    status: str = ""
    decided_at: Moment | None = None
    starts_at: Moment | None = None
    ends_at: Moment | None = None


@dataclass(frozen=True, slots=True)
class Prior:
    """MRG: the identifiers that are to go."""

    identifiers: tuple[CX, ...] = ()
    ins: tuple[Ins, ...] = ()
    account: CX | None = None
    visit: CX | None = None
    names: tuple[XPN, ...] = ()


@dataclass(frozen=True, slots=True)
class AdtEvent:
    """An ADT message. ``problems`` with severity E refuse it; it is as complete then as it could be read."""

    trigger: str
    act: str
    cancels: str
    control_id: str
    processing_id: str
    sender: tuple[HD, HD]
    """Sending application and facility."""
    receiver: tuple[HD, HD]
    is_french: bool
    """Whether it follows the French extension (MSH-12.2 or MSH-17 FRA)."""
    sent_at: Moment | None
    recorded_at: Moment | None
    occurred_at: Moment | None
    reason: str
    operators: tuple[XCN, ...]
    patient: Patient
    other: Patient | None = None
    """The second person of A24 and A37."""
    prior: Prior | None = None
    visit: Visit | None = None
    movement: Movement | None = None
    dmp: Dmp | None = None
    contacts: tuple[Contact, ...] = ()
    consents: tuple[Consent, ...] = ()
    professionals: tuple[tuple[str, XCN], ...] = ()
    """ROL: (role, person); ODRP is the treating doctor."""
    unread: tuple[tuple[str, str], ...] = ()
    """Z segments that nothing here reads: (name, text as received)."""
    problems: tuple[Problem, ...] = ()

    @property
    def is_acceptable(self) -> bool:
        """Whether nothing in it refuses it."""
        return all(problem.severity != ERROR for problem in self.problems)
