"""Sites: those that an account may see, and their administration."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter
from pydantic import BaseModel, Field

from archipel import directory, sharing
from archipel.directory import Site
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, SignedIn, needs
from archipel.web.words import Body, Listed, Text, Word, whole

router = APIRouter(route_class=DoorRoute, tags=["directory"])
SiteManager = Annotated[Call, needs("site.manage")]
FINESS = "Number of its geographic entity, which the directory must know."
Kind = Literal["hospital", "practice", "screening_centre", "other"]


class NewSite(Body):
    """A site that joins."""

    id: Word
    name: Text
    kind: Kind = "hospital"
    issuer: Text | None = None
    services: Annotated[list[Word], Field(max_length=20, default_factory=lambda: ["archive"])]
    second_factor_roles: Annotated[list[Word], Field(max_length=40, default_factory=list)]
    finess: Annotated[Word, Field(max_length=9, description=FINESS)] | None = None


class SiteChanges(Body):
    """What to change; the rest stays."""

    name: Text | None = None
    kind: Kind | None = None
    issuer: Text | None = None
    services: Annotated[list[Word], Field(max_length=20)] | None = None
    second_factor_roles: Annotated[list[Word], Field(max_length=40)] | None = None
    finess: Annotated[Word, Field(max_length=9, description=FINESS)] | None = None
    active: bool | None = None


class SiteAnswer(BaseModel):
    """A site. ``issuer`` is the assigning authority of Patient IDs that come without one."""

    id: str
    name: str
    kind: str
    issuer: str | None
    services: list[str]
    second_factor_roles: list[str] = Field(description="Roles whose people sign in there with a second factor.")
    finess: str | None = Field(description=FINESS)
    active: bool
    demo: bool


@router.get("/sites", summary="List sites")
def list_sites(call: SignedIn) -> Listed[SiteAnswer]:
    """The sites that the account may see, by name."""
    with call.database.read() as tx:
        visible = sharing.visible_site_ids(tx, call.actor)
        return whole([_answer(site) for site in directory.sites(tx) if site.id in visible])


@router.post("/sites", status_code=201, summary="Add a site", openapi_extra=REPEATABLE)
def add_site(body: NewSite, call: SiteManager) -> SiteAnswer:
    """Let a site join."""
    if call.actor.demo:
        raise NotAllowed("People of the training region add no sites.", code="demo-region")
    site = Site(
        body.id,
        body.name,
        body.kind,
        body.issuer or "",
        tuple(dict.fromkeys(body.services)),
        second_factor_roles=tuple(dict.fromkeys(body.second_factor_roles)),
        finess=body.finess or "",
    )
    return once(call, body, SiteAnswer, lambda tx: _answer(directory.add_site(tx, call.actor, site)))


@router.patch("/sites/{site_id}", summary="Change a site")
def change_site(site_id: Word, body: SiteChanges, call: SiteManager) -> SiteAnswer:
    """Change a site's name, kind, issuer, services or activity."""
    changes = body.changes(clearable=("issuer", "finess"))
    for name in {"services", "second_factor_roles"} & changes.keys():
        changes[name] = tuple(dict.fromkeys(changes[name]))

    def act(tx: Tx) -> Site:
        directory.site_named(tx, site_id)
        sharing.reaches_site(tx, call.actor, site_id)
        return directory.change_site(tx, call.actor, site_id, **changes)

    return _answer(call.database.transact(act))


def _answer(site: Site) -> SiteAnswer:
    return SiteAnswer(
        id=site.id, name=site.name, kind=site.kind, issuer=site.issuer or None, services=list(site.services),
        second_factor_roles=list(site.second_factor_roles), finess=site.finess or None, active=site.active, demo=site.demo,
    )  # fmt: skip
