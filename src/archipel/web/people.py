"""Professionals and structures: found and read by who manages accounts, changed by who manages sites."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from archipel import directory, sharing
from archipel.directory import Membership, Professional, Structure, Unit
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed
from archipel.web.errors import DoorRoute
from archipel.web.parts import Call, needs
from archipel.web.words import Body, Listed, Text, Word, whole

router = APIRouter(route_class=DoorRoute, tags=["directory"])
Reader = Annotated[Call, needs("account.manage")]
Manager = Annotated[Call, needs("site.manage")]
Rpps = Annotated[str, Path(pattern=r"^[0-9]{11}$", description="RPPS number.")]
Finess = Annotated[str, Path(pattern=r"^[0-9AB]{9}$", description="FINESS number.")]
Code = Annotated[str, Field(max_length=10, description="Code of the national value set.")]
Name = Annotated[Text, Field(max_length=100)]


class ProfessionalBody(Body):
    """A professional, whole."""

    family: Annotated[Name, Field(min_length=1)]
    given: Name = ""
    profession: Code = ""
    specialty: Code = ""


class MembershipBody(Body):
    """What a professional is in a structure, from a day on; the same again changes its end."""

    finess: Word
    role: Word
    from_on: date
    to_on: date | None = None


class MembershipAnswer(BaseModel):
    """A membership; ``to_on`` is null while it has no end."""

    finess: str
    role: str
    from_on: str
    to_on: str | None


class ProfessionalAnswer(BaseModel):
    """A professional of the national register."""

    rpps: str
    family: str
    given: str
    profession: str | None
    specialty: str | None


class ProfessionalDetail(ProfessionalAnswer):
    """With what the professional is where, and the login of the account, if there is one."""

    memberships: list[MembershipAnswer]
    login: str | None


class StructureBody(Body):
    """A structure, whole; ``legal_finess`` for a geographic one."""

    kind: Literal["legal", "geographic"]
    name: Annotated[Text, Field(min_length=1)]
    legal_finess: Annotated[Word, Field(max_length=9)] | None = None


class StructureAnswer(BaseModel):
    """A legal or geographic entity."""

    finess: str
    kind: str
    name: str
    legal_finess: str | None


class UnitBody(Body):
    """A unit of a site."""

    name: Annotated[Text, Field(min_length=1)]
    active: bool = True


class UnitAnswer(BaseModel):
    """A unit of a site, as the hospital counts them."""

    code: str
    name: str
    active: bool


@router.get("/professionals", summary="Find professionals")
def find_professionals(
    call: Reader, q: Annotated[Text, Query(description="Beginnings of names, or of the number.")] = ""
) -> Listed[ProfessionalAnswer]:
    """The first 200 by name; ``total`` says how many there are."""
    with call.database.read() as tx:
        found, total = directory.people.find_professionals(tx, q)
    return Listed(items=[_professional(one) for one in found], total=total)


@router.get("/professionals/{rpps}", summary="One professional")
def one_professional(rpps: Rpps, call: Reader) -> ProfessionalDetail:
    """With memberships and account, if it is one of a site that the asker manages."""
    with call.database.read() as tx:
        return _detail(tx, call, rpps)


@router.put("/professionals/{rpps}", summary="Add or change a professional")
def put_professional(rpps: Rpps, body: ProfessionalBody, call: Manager) -> ProfessionalDetail:
    """The whole of it; memberships stay."""
    _outside_training(call)

    def act(tx: Tx) -> ProfessionalDetail:
        directory.people.put_professional(tx, call.actor, Professional(rpps, **body.model_dump()))
        return _detail(tx, call, rpps)

    return call.database.transact(act)


@router.put("/professionals/{rpps}/memberships", summary="Add or change a membership")
def put_membership(rpps: Rpps, body: MembershipBody, call: Manager) -> ProfessionalDetail:
    """One with the same structure, role and first day gets its end; another is added."""
    _outside_training(call)
    made = Membership(rpps, body.finess, body.role, body.from_on.isoformat(), body.to_on.isoformat() if body.to_on else "")

    def act(tx: Tx) -> ProfessionalDetail:
        directory.people.put_membership(tx, call.actor, made)
        return _detail(tx, call, rpps)

    return call.database.transact(act)


@router.get("/structures", summary="List structures")
def list_structures(call: Reader) -> Listed[StructureAnswer]:
    """All legal and geographic entities by number."""
    with call.database.read() as tx:
        return whole([_structure(one) for one in directory.people.structures(tx)])


@router.put("/structures/{finess}", summary="Add or change a structure")
def put_structure(finess: Finess, body: StructureBody, call: Manager) -> StructureAnswer:
    """The whole of it; its kind does not change."""
    _outside_training(call)
    made = Structure(finess, body.kind, body.name, body.legal_finess or "")
    return _structure(call.database.transact(lambda tx: directory.people.put_structure(tx, call.actor, made)))


@router.get("/sites/{site_id}/units", summary="List the units of a site")
def list_units(site_id: Word, call: Reader) -> Listed[UnitAnswer]:
    """By code."""
    with call.database.read() as tx:
        directory.site_named(tx, site_id)
        sharing.reaches_site(tx, call.actor, site_id)
        return whole([_unit(one) for one in directory.people.units_of(tx, site_id)])


@router.put("/sites/{site_id}/units/{code}", summary="Add or change a unit of a site")
def put_unit(site_id: Word, code: Annotated[Word, Path(max_length=20)], body: UnitBody, call: Reader) -> UnitAnswer:
    """The whole of it."""

    def act(tx: Tx) -> Unit:
        directory.site_named(tx, site_id)
        sharing.reaches_site(tx, call.actor, site_id)
        return directory.people.put_unit(tx, call.actor, Unit(site_id, code, body.name, body.active))

    return _unit(call.database.transact(act))


def _outside_training(call: Call) -> None:
    """The register is of the real region: people of the training region, whose passwords are public, change nothing in it."""
    if call.actor.demo:
        raise NotAllowed("People of the training region change no professionals and structures.", code="demo-region")


def _professional(one: Professional) -> ProfessionalAnswer:
    return ProfessionalAnswer(
        rpps=one.rpps, family=one.family, given=one.given, profession=one.profession or None, specialty=one.specialty or None
    )


def _detail(tx: Tx, call: Call, rpps: str) -> ProfessionalDetail:
    found = _professional(directory.people.professional_named(tx, rpps))
    account = directory.account_of_rpps(tx, rpps)
    seen = account is not None and account.site_id in sharing.visible_site_ids(tx, call.actor)
    return ProfessionalDetail(
        **found.model_dump(), login=account.login if account and seen else None,
        memberships=[
            MembershipAnswer(finess=m.finess, role=m.role, from_on=m.from_on, to_on=m.to_on or None)
            for m in directory.people.memberships(tx, rpps=rpps)
        ],
    )  # fmt: skip


def _structure(one: Structure) -> StructureAnswer:
    return StructureAnswer(finess=one.finess, kind=one.kind, name=one.name, legal_finess=one.legal_finess or None)


def _unit(one: Unit) -> UnitAnswer:
    return UnitAnswer(code=one.code, name=one.name, active=one.active)
