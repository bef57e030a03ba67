"""HL7 peers: which applications may send us messages, and where ours to them go."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from archipel import audit
from archipel.directory import rows, rows_hl7
from archipel.directory.devices import same_address
from archipel.directory.model import Hl7Peer, check_endpoint, check_text
from archipel.directory.sites import site_named
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import Invalid, NotFound


def add_hl7_peer(tx: Tx, actor: Actor, peer: Hl7Peer) -> Hl7Peer:
    """Make a peer known; the same name again changes the one that is there."""
    peer = replace(peer, name=peer.name.strip())
    if not peer.name:
        raise Invalid("A peer needs the name that it has in MSH-3 or MSH-4.", code="peer-name", field="name")
    check_text(peer.name, 64, "name")
    check_endpoint(peer.host, peer.port)
    check_text(peer.certificate, 400, "certificate")
    if peer.certificate and not peer.tls:
        raise Invalid("A peer with a certificate speaks TLS.", code="peer-certificate", field="certificate")
    site_named(tx, peer.site_id)
    rows_hl7.put_peer(tx, peer)
    audit.record(tx, actor, "directory.add_hl7_peer", object_id=peer.name, site_id=peer.site_id)
    return peer


def change_hl7_peer(tx: Tx, actor: Actor, name: str, **changes: Any) -> Hl7Peer:
    """Change a peer's host, port, site, TLS, certificate or activity."""
    return add_hl7_peer(tx, actor, replace(hl7_peer_named(tx, name), **changes))


def remove_hl7_peer(tx: Tx, actor: Actor, name: str) -> None:
    """Forget a peer; what it sent stays."""
    if not rows_hl7.delete_peer(tx, name.strip()):
        raise NotFound(f"There is no HL7 peer {name.strip()}.", code="no-hl7-peer", field="name")
    audit.record(tx, actor, "directory.remove_hl7_peer", object_id=name.strip())


def hl7_peer_named(tx: Tx, name: str) -> Hl7Peer:
    """One peer, or NotFound."""
    peer = rows_hl7.get_peer(tx, name.strip())
    if peer is None:
        raise NotFound(f"There is no HL7 peer {name.strip()}.", code="no-hl7-peer", field="name")
    return peer


def hl7_peers(tx: Tx) -> list[Hl7Peer]:
    """All peers by name."""
    return rows_hl7.all_peers(tx)


def hl7_peers_at(tx: Tx, address: str, subject: Sequence[str] | None) -> list[Hl7Peer]:
    """The peers that a connection may be from; one that is switched off, as is one of a site that is, comes with ``active`` False.

    ``subject`` holds the names of its client certificate (the whole subject, the common name), None without TLS. A peer whose certificate
    is known is known by it, wherever it calls from; any other by its address.
    """
    found = []
    for peer in rows_hl7.all_peers(tx):
        if subject is None and peer.tls:
            continue
        fits = peer.certificate in (subject or ()) if peer.certificate else same_address(peer.host, address)
        site = rows.get_site(tx, peer.site_id) if fits else None
        if fits:
            found.append(replace(peer, active=peer.active and site is not None and site.active))
    return found


def sender(peers: Sequence[Hl7Peer], names: Iterable[str]) -> Hl7Peer | None:
    """Which of the peers at an address a message is from, by the names of its MSH-3 and MSH-4; the only one there needs none.

    One that is switched off is at its address all the same: what it sends is not taken for another's.
    """
    named = list(names)
    found = peers[0] if len(peers) == 1 else next((peer for peer in peers if peer.calls_itself(named)), None)
    return found if found is not None and found.active else None
