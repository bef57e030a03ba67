"""Structures, units of sites, professionals and what they are in structures."""

from __future__ import annotations

import unicodedata
from datetime import date

from archipel import audit
from archipel.directory import rows_people
from archipel.directory.model import Membership, Professional, Structure, Unit, check_day, check_finess, check_rpps, check_text
from archipel.directory.roles import check_role
from archipel.directory.sites import site_named
from archipel.directory.value_sets import check_profession, check_specialty
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, NotFound

STRUCTURE_KINDS = ("legal", "geographic")
FOUND_COUNT_MAX = 200
# A spreadsheet takes a cell that begins so for a formula; no name does.
_FORMULA = ("=", "+", "-", "@")


def check_structure(structure: Structure) -> Structure:
    """The structure, or Invalid: its form alone, not what it belongs to."""
    check_finess(structure.finess)
    if structure.kind not in STRUCTURE_KINDS:
        raise Invalid(f"A structure is one of: {', '.join(STRUCTURE_KINDS)}.", code="structure-kind", field="kind")
    _check_name(structure.name, 200, "name")
    if structure.kind == "legal" and structure.legal_finess:
        raise Invalid("A legal entity belongs to no other one.", code="structure-parent", field="legal_finess")
    if structure.kind == "geographic":
        check_finess(structure.legal_finess, "legal_finess")
    return structure


def put_structure(tx: Tx, actor: Actor, structure: Structure) -> Structure:
    """Add a structure, or change the one of this number. Conflict when its kind would change, NotFound without its legal entity."""
    check_structure(structure)
    known = rows_people.get_structure(tx, structure.finess)
    if known and known.kind != structure.kind:
        raise Conflict(f"{structure.finess} is a {known.kind} entity.", code="structure-kind", field="kind")
    if structure.legal_finess and structure_named(tx, structure.legal_finess).kind != "legal":
        raise Invalid(f"{structure.legal_finess} is no legal entity.", code="structure-parent", field="legal_finess")
    rows_people.put_structure(tx, structure)
    audit.record(tx, actor, "directory.put_structure", object_id=structure.finess)
    return structure


def structure_named(tx: Tx, finess: str) -> Structure:
    """One structure, or NotFound."""
    found = rows_people.get_structure(tx, finess)
    if found is None:
        raise NotFound(f"There is no structure {finess}.", code="no-structure", field="finess")
    return found


def structures(tx: Tx) -> list[Structure]:
    """All structures by number."""
    return rows_people.all_structures(tx)


def put_unit(tx: Tx, actor: Actor, unit: Unit) -> Unit:
    """Add a unit of a site, or change the one of this code."""
    site_named(tx, unit.site_id)
    if not unit.code.strip():
        raise Invalid("A unit has a code of at most 20 characters.", code="unit-code", field="code")
    check_text(unit.code, 20, "code")
    _check_name(unit.name, 200, "name")
    rows_people.put_unit(tx, unit)
    audit.record(tx, actor, "directory.put_unit", object_id=unit.code, site_id=unit.site_id)
    return unit


def units_of(tx: Tx, site_id: str) -> list[Unit]:
    """The units of a site by code."""
    return rows_people.units_of(tx, site_id)


def check_professional(professional: Professional, on: date) -> Professional:
    """The professional, or Invalid; codes must be in the value sets of that day."""
    if not check_rpps(professional.rpps):
        raise Invalid("A professional has an RPPS number.", code="rpps", field="rpps")
    _check_name(professional.family, 100, "family")
    check_text(professional.given, 100, "given")
    if professional.given.startswith(_FORMULA):
        raise Invalid("A name does not begin with = + - or @.", code="name", field="given")
    check_profession(professional.profession, on)
    check_specialty(professional.specialty, on)
    return professional


def put_professional(tx: Tx, actor: Actor, professional: Professional) -> Professional:
    """Add a professional, or change the one of this number."""
    check_professional(professional, tx.now().date())
    rows_people.put_professional(tx, professional, _folded(f"{professional.family} {professional.given}")[:210])
    audit.record(tx, actor, "directory.put_professional", object_id=professional.rpps)
    return professional


def professional_named(tx: Tx, rpps: str) -> Professional:
    """One professional, or NotFound."""
    found = rows_people.get_professional(tx, rpps)
    if found is None:
        raise NotFound(f"There is no professional {rpps}.", code="no-professional", field="rpps")
    return found


def professionals(tx: Tx) -> list[Professional]:
    """All professionals by number."""
    return rows_people.all_professionals(tx)


def find_professionals(tx: Tx, text: str, *, limit: int = FOUND_COUNT_MAX) -> tuple[list[Professional], int]:
    """Those of whom a name, or the number, begins with each word, whatever the case and the accents; and how many there are in all."""
    return rows_people.find_professionals(tx, _folded(text).split()[:10], min(limit, FOUND_COUNT_MAX))


def check_membership(membership: Membership) -> Membership:
    """The membership, or Invalid: its form alone."""
    check_finess(membership.finess)
    check_role(membership.role)
    check_day(membership.from_on, "from_on")
    if membership.to_on and check_day(membership.to_on, "to_on") < membership.from_on:
        raise Invalid("It ends before it begins.", code="membership-days", field="to_on")
    return membership


def put_membership(tx: Tx, actor: Actor, membership: Membership) -> Membership:
    """Say what a professional is in a structure from a day on; again, to change its end. Both must be known."""
    check_membership(membership)
    professional_named(tx, membership.rpps)
    structure_named(tx, membership.finess)
    rows_people.put_membership(tx, membership)
    audit.record(tx, actor, "directory.put_membership", object_id=membership.rpps, finess=membership.finess, role=membership.role)
    return membership


def memberships(tx: Tx, *, rpps: str | None = None, on: str | None = None) -> list[Membership]:
    """The memberships of one professional, or all; only those of a day when one is given."""
    found = rows_people.memberships(tx, rpps=rpps)
    return found if on is None else [m for m in found if m.from_on <= on and (not m.to_on or on <= m.to_on)]


def _check_name(name: str, length_max: int, field: str) -> None:
    check_text(name, length_max, field)
    if not name.strip() or name.startswith(_FORMULA):
        raise Invalid("A name is not empty and does not begin with = + - or @.", code="name", field=field)


def _folded(text: str) -> str:
    """Lower case without accents, one space between words, of which a hyphen or an apostrophe begins another."""
    plain = "".join(c for c in unicodedata.normalize("NFKD", text.casefold()) if not unicodedata.combining(c))
    return " ".join("".join(c if c.isalnum() else " " for c in plain).split())
