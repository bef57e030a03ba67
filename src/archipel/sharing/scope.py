"""The scope of an actor: which exams every register may show to it, and which sites' things it may manage."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable

from archipel import directory
from archipel.directory import Device
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed
from archipel.kit.scope import Scope
from archipel.sharing.permissions import EVERY_SITE, require

_DOCUMENTATION = tuple(ipaddress.ip_network(text) for text in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24"))


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


def trace_scope_for(tx: Tx, actor: Actor) -> Scope:
    """The exams whose acts the actor may look up, and the sites whose people's. NotAllowed without the right to read the trail.

    It shows no exam: who may look acts up need not be allowed to read exams.
    """
    require(actor, "audit.read")
    reason = f"audit:{actor.kind}:{actor.id}"
    return Scope.everything(reason) if _reaches_all(actor) else Scope.of_sites(visible_site_ids(tx, actor), reason)


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


def require_store(tx: Tx, actor: Actor) -> None:
    """NotAllowed without the right to store, or when the actor's site or its archive is off: what it sends would belong to nobody."""
    require_store_at(tx, actor, actor.site_id)


def require_store_at(tx: Tx, actor: Actor, site_id: str) -> None:
    """The same for what is added to an exam of a site that the actor sees; the training region and real sites add nothing to each other."""
    require(actor, "exam.store")
    if not directory.same_region(tx, actor.site_id, site_id):
        raise NotAllowed("The training region and real sites never share an exam.", code="training-region", detail=f"{actor.id} {site_id}")
    site = directory.site_named(tx, site_id)
    if not site.archives:
        what = "Your site" if site_id == actor.site_id else "The exam's site"
        why = "has no archive" if site.active else "is switched off"
        raise NotAllowed(f"{what} {why}; it stores nothing.", code="no-archive" if site.active else "site-closed", detail=site_id)


def check_device_host(actor: Actor, host: str) -> None:
    """NotAllowed when someone of the training region, whose password is public, would have us call a machine that may exist.

    Addresses for documentation (RFC 5737) may be named: nothing answers there.
    """
    if actor.demo and not _is_for_documentation(host):
        raise NotAllowed("Devices of the training region have an address of 192.0.2.0/24.", code="demo-address", detail=actor.id)


def _is_for_documentation(host: str) -> bool:
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return False
    return any(address in network for network in _DOCUMENTATION)


def check_destination(tx: Tx, site_ids: Iterable[str], destination_site_id: str) -> None:
    """NotAllowed when exams would leave the training region, or real ones enter it: what is synthetic is never taken for a patient."""
    crossing = sorted({site_id for site_id in site_ids if not directory.same_region(tx, site_id, destination_site_id)})
    if crossing:
        raise NotAllowed("Exams of the training region cannot be sent outside it.", code="demo-stays", detail=", ".join(crossing))


def may_receive(tx: Tx, device: Device, site_id: str) -> bool:
    """Whether what belongs to a site may be sent to a device: an active one of that site, or one that is open to other sites.

    What is synthetic stays in the training region, and what is real never enters it: its people's passwords are public.
    """
    at = directory.site_named(tx, device.site_id)
    if not (device.active and at.active):
        return False
    if device.site_id == site_id:
        return True
    return device.receives_from_other_sites and directory.same_region(tx, at.id, site_id)


def require_device_change(actor: Actor, device: Device) -> None:
    """NotAllowed when a device that is, or is to be, open to other sites is in the hands of who manages one site only."""
    if device.receives_from_other_sites:
        require(actor, "site.manage")


def _reaches_all(actor: Actor) -> bool:
    return actor.kind == "account" and actor.role in EVERY_SITE and not actor.demo
