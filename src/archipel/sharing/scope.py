"""The scope of an actor: which exams every register may show to it, and which sites' things it may manage."""

from __future__ import annotations

from collections.abc import Iterable

from archipel import directory
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed
from archipel.kit.scope import Scope
from archipel.sharing.permissions import EVERY_SITE, require


def scope_for(tx: Tx, actor: Actor, purpose: str) -> Scope:
    """What the actor may see for a purpose (``care``, ``retrieve``, ``operate`` ...). NotAllowed without the right to read.

    The purpose goes into the audit record. A site that was switched off shows nothing to its own people.
    """
    require(actor, "exam.read")
    reason = f"{purpose}:{actor.kind}:{actor.id}"
    if _reaches_all(actor):
        return Scope.everything(reason)
    if actor.kind == "account" and actor.role in EVERY_SITE:
        return Scope.of_sites(visible_site_ids(tx, actor), reason)
    site = directory.site_named(tx, actor.site_id)
    return Scope.of_sites([site.id] if site.active else [], reason)


def visible_site_ids(tx: Tx, actor: Actor) -> list[str]:
    """The sites that an actor may see in lists and choose."""
    if _reaches_all(actor):
        return [site.id for site in directory.sites(tx)]
    if actor.demo and actor.role in EVERY_SITE:
        return [site.id for site in directory.sites(tx) if site.demo]
    return [actor.site_id]


def reaches_site(tx: Tx, actor: Actor, site_id: str) -> None:
    """NotAllowed when the actor manages another site's things; administrators manage all, those of the demo the demo's."""
    if site_id not in visible_site_ids(tx, actor):
        raise NotAllowed("This belongs to another site.", code="other-site", detail=f"{actor.id} {site_id}")


def check_destination(tx: Tx, site_ids: Iterable[str], destination_site_id: str) -> None:
    """NotAllowed when exams of the training region would leave it: what is synthetic must never be taken for a patient."""
    if directory.site_named(tx, destination_site_id).demo:
        return
    leaving = sorted({site_id for site_id in site_ids if directory.site_named(tx, site_id).demo})
    if leaving:
        raise NotAllowed("Exams of the training region cannot be sent outside it.", code="demo-stays", detail=", ".join(leaving))


def _reaches_all(actor: Actor) -> bool:
    return actor.kind == "account" and actor.role in EVERY_SITE and not actor.demo
