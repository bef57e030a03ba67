"""The scope of an actor: which exams every register may show to it."""

from __future__ import annotations

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
    if actor.kind == "account" and actor.role in EVERY_SITE:
        return Scope.everything(reason)
    site = directory.site_named(tx, actor.site_id)
    return Scope.of_sites([site.id] if site.active else [], reason)


def visible_site_ids(tx: Tx, actor: Actor) -> list[str]:
    """The sites that an actor may see in lists and choose."""
    if actor.role in EVERY_SITE:
        return [site.id for site in directory.sites(tx)]
    return [actor.site_id]


def reaches_site(actor: Actor, site_id: str) -> None:
    """NotAllowed when the actor manages another site's things; administrators manage all."""
    if actor.role not in EVERY_SITE and actor.site_id != site_id:
        raise NotAllowed("This belongs to another site.", code="other-site", detail=f"{actor.id} {site_id}")
