"""Records, persons, decisions and proposals."""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum

from archipel.hl7 import tables
from archipel.kit.errors import Invalid


class Status(StrEnum):
    """How sure an identity is (RNIV). UNSAID: the message says nothing of it."""

    UNSAID = ""
    PROVISIONAL = "provisional"
    RETRIEVED = "retrieved"
    VALIDATED = "validated"
    QUALIFIED = "qualified"


FLAGS = frozenset(tables.FLAGS.values())
INVENTED = frozenset({"fictitious", "anonymous"})
"""Flags of records whose traits are nobody's: they are compared with nothing."""
STRICT = ("birth_family", "birth_first", "birth_date", "sex", "birth_place_insee")
_ORDER = (Status.UNSAID, Status.PROVISIONAL, Status.RETRIEVED, Status.VALIDATED, Status.QUALIFIED)
# What an image carries is a copy: it fills a record that nobody else spoke of, and overrules nothing.
RANKS = {"dicom": 0, "hl7": 1, "fhir": 1, "person": 2}


@dataclass(frozen=True)
class LocalId:
    """A local identifier: what one assigning authority calls a patient. ``issuer`` as the archive keeps it."""

    value: str
    issuer: str


@dataclass(frozen=True)
class Traits:
    """Who somebody is; "" for what is not known. ``birth_date`` is YYYYMMDD with noughts for parts that are not known."""

    birth_family: str = ""
    birth_first: str = ""
    birth_given_names: tuple[str, ...] = ()
    used_family: str = ""
    used_given: str = ""
    birth_date: str = ""
    sex: str = ""
    birth_place_insee: str = ""


@dataclass(frozen=True)
class Ins:
    """A matricule with the OID of its authority; 13 characters, or 15 with the key."""

    value: str
    oid: str

    @property
    def number(self) -> str:
        """The 13 characters that identify, without the key."""
        return self.value[:13]

    @property
    def is_test(self) -> bool:
        """Whether its authority gives numbers that stand for nobody."""
        return self.oid in tables.INS_TEST_OIDS

    @property
    def key_fits(self) -> bool | None:
        """Whether the two digits of the key fit; None without a key. The rule is unverified: it warns, it decides nothing."""
        return self.value[13:] == tables.nir_key(self.number) if len(self.value) == 15 else None


@dataclass(frozen=True)
class Seen:
    """What one message or one image says of a person.

    ``source`` starts with dicom, hl7, fhir or person (``hl7:RIS-A``); ``at`` is the instant of the message, aware.
    """

    id: LocalId
    site_id: str
    traits: Traits = Traits()
    ins: Ins | None = None
    status: Status = Status.UNSAID
    flags: frozenset[str] = frozenset()
    source: str = "hl7"
    at: datetime = field(kw_only=True)

    @property
    def rank(self) -> int:
        """How much the source's word weighs."""
        return RANKS.get(self.source.split(":")[0], 0)


@dataclass(frozen=True)
class Record:
    """What one assigning authority says of a person. ``joined_to`` is the key of the record that replaced it (A40)."""

    key: str
    id: LocalId
    site_id: str
    demo: bool
    person_id: str
    own_person_id: str
    traits: Traits
    ins: Ins | None
    status: Status
    flags: frozenset[str]
    source: str
    said_at: datetime
    joined_to: str = ""
    fills: bool = False
    """Nobody has spoken of it yet: it was only named, by a merge."""

    @property
    def is_invented(self) -> bool:
        """Whether its traits stand for nobody: an unidentified or anonymous patient."""
        return bool(self.flags & INVENTED)

    @property
    def usable_ins(self) -> Ins | None:
        """The INS by which it may be linked: that of a qualified identity, and a test authority's only in the training region."""
        if self.ins is None or self.status is not Status.QUALIFIED or (self.ins.is_test and not self.demo):
            return None
        return self.ins

    @property
    def trust(self) -> tuple[bool, bool, int, bool, datetime]:
        """Sorts records by how much they say of their person, the best last."""
        return (not self.is_invented, not self.joined_to, _ORDER.index(self.status), not self.fills, self.said_at)


@dataclass(frozen=True)
class Person:
    """The set of records that are held to be of one human being; traits, INS, status and flags are those of its best record."""

    id: str
    demo: bool
    records: tuple[Record, ...]

    @property
    def best(self) -> Record:
        """The record that speaks for her."""
        return max(self.records, key=lambda record: record.trust)


class DecisionKind(StrEnum):
    """What was decided."""

    LINK = "link"
    UNLINK = "unlink"
    MERGE = "merge"
    UNDO = "undo"


@dataclass(frozen=True)
class Decision:
    """A link, unlink, merge or the undoing of one. ``moved`` has (record key, person before, person after) as it was carried out.

    ``number`` orders decisions; merges have the instant of their message in ``at``, which orders them among themselves. ``record_key`` is
    the prior of a merge; ``target_key`` the survivor, "" for an unlink. ``undoes`` names a decision. ``is_undone``: it counts no more.
    """

    id: str
    kind: DecisionKind
    is_automatic: bool
    record_key: str
    target_key: str
    site_id: str
    source: str
    actor_id: str
    at: datetime
    made_at: datetime
    moved: tuple[tuple[str, str, str], ...] = ()
    undoes: str = ""
    is_undone: bool = False
    comment: str = ""
    number: int = 0


class ProposalState(StrEnum):
    """Where a proposal is. GONE: what made it so no longer holds."""

    OPEN = "open"
    LATER = "later"
    LINKED = "linked"
    DIFFERENT = "different"
    GONE = "gone"


class Verdict(StrEnum):
    """What the identity officer says of a proposal."""

    LINK = "link"
    DIFFERENT = "different"
    LATER = "later"


@dataclass(frozen=True)
class Proposal:
    """Two records that may be of one person. ``score`` is 0 to 100, ``reasons`` are slugs of ``compare``."""

    id: str
    low_key: str
    high_key: str
    score: int
    reasons: tuple[str, ...]
    state: ProposalState
    demo: bool
    created_at: datetime
    decided_at: datetime | None = None
    decided_by: str = ""
    decision_id: str = ""


@dataclass(frozen=True)
class Taken:
    """What became of what was said. ``outdated``: something newer was said before. ``linked`` is the automatic link, if it made one."""

    record: Record
    is_new: bool = False
    is_changed: bool = False
    outdated: bool = False
    linked: Decision | None = None
    proposed: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()


def clean(text: str, length_max: int = 300) -> str:
    """A line of text without control characters and surplus blanks, cut at its end."""
    plain = "".join(c if unicodedata.category(c) not in ("Cc", "Cs", "Cf") else " " for c in text)
    return " ".join(plain.split())[:length_max]


def check_id(one: LocalId) -> None:
    """Raises Invalid for a local identifier that cannot be kept."""
    value, issuer = one.value, one.issuer
    if not issuer or len(value) > 300 or len(issuer) > 300 or (not value and not issuer.startswith("study:")):
        raise Invalid("A local identifier has a value and an issuer of at most 300 characters each.", code="local-id", field="id")
    if any(unicodedata.category(c) in ("Cc", "Cs") for c in value + issuer):
        raise Invalid("A local identifier has no control characters.", code="local-id", field="id")


def checked(seen: Seen) -> Seen:
    """What was said, in bounds and by the rules of the INS: a matricule stays only with a qualified identity. Raises Invalid."""
    check_id(seen.id)
    if seen.at.tzinfo is None:
        raise Invalid("An instant has a zone.", code="instant", field="at")
    t = seen.traits
    date = t.birth_date if len(t.birth_date) == 8 and t.birth_date.isascii() and t.birth_date.isdigit() else ""
    traits = Traits(
        clean(t.birth_family), clean(t.birth_first), tuple(clean(name) for name in t.birth_given_names)[:20], clean(t.used_family),
        clean(t.used_given), "" if date == "00000000" else date, clean(t.sex, 1).upper(), clean(t.birth_place_insee, 10).upper(),
    )  # fmt: skip
    flags, status, ins = seen.flags & FLAGS, seen.status, seen.ins
    if flags & {"doubtful", "fictitious"}:
        status = Status.PROVISIONAL
    if status is Status.QUALIFIED and ins is None:
        status = Status.VALIDATED
    if ins is not None and (status is not Status.QUALIFIED or ins.oid not in tables.INS_OIDS or len(ins.value) not in (13, 15)):
        status = Status.VALIDATED if status is Status.QUALIFIED else status
        ins = None
    return replace(seen, traits=traits, flags=flags, status=status, ins=ins, source=clean(seen.source, 40))
