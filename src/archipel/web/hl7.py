"""HL7 v2: the peers that we know, and the messages that came from them, without what they say of patients."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Path, Query
from pydantic import BaseModel, Field

from archipel import directory, sharing
from archipel.directory import Hl7Peer
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, NotFound
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, Hl7Queue, needs
from archipel.web.words import Body, Listed, Text, Word, whole

router = APIRouter(route_class=DoorRoute, tags=["hl7"])
PeerManager = Annotated[Call, needs("device.manage")]
Operator = Annotated[Call, needs("system.operate")]
Name = Annotated[Word, Path(description="The peer's name, as in MSH-3 or MSH-4.")]
Port = Annotated[int, Field(ge=1, le=65535)]
TLS = "It is called, and heard, over TLS alone."
CERTIFICATE = "Subject of its certificate (RFC 4514), or the common name alone: it is known by it then, wherever it calls from."
State = Literal["taken", "applied", "failed", "refused", "duplicate"]


class NewPeer(Body):
    """An application that sends HL7 v2; without ``site_id`` it belongs to the site of who adds it."""

    name: Word
    host: Text
    port: Port
    site_id: Word | None = None
    active: bool = True
    tls: Annotated[bool, Field(description=TLS)] = False
    certificate: Annotated[Text | None, Field(description=CERTIFICATE)] = None


class PeerChanges(Body):
    """What to change; the rest stays."""

    host: Text | None = None
    port: Port | None = None
    site_id: Word | None = None
    active: bool | None = None
    tls: Annotated[bool | None, Field(description=TLS)] = None
    certificate: Annotated[Text | None, Field(description=CERTIFICATE)] = None


class PeerAnswer(BaseModel):
    """An application that sends HL7 v2 from ``host``; ours to it go to ``port``."""

    name: str
    host: str
    port: int
    site_id: str
    active: bool
    tls: Annotated[bool, Field(description=TLS)]
    certificate: Annotated[str | None, Field(description=CERTIFICATE)]


class MessageAnswer(BaseModel):
    """A kept message: where it came from and what became of it."""

    id: str
    peer: str
    site_id: str
    event: str
    control_id: str
    received_at: datetime
    ended_at: datetime | None
    size_bytes: int
    state: State
    attempts: int
    code: str | None = Field(description="AA, AE or AR, as it was answered last.")
    text: str | None = Field(description="What was wrong, with its place in the message.")


class Messages(Listed[MessageAnswer]):
    """Messages, newest first."""

    counts: dict[str, int] = Field(description="How many there are in each state.")


@router.get("/hl7/peers", summary="List HL7 peers")
def list_peers(call: PeerManager) -> Listed[PeerAnswer]:
    """The peers of the sites that the account manages, by name."""
    with call.database.read() as tx:
        visible = sharing.visible_site_ids(tx, call.actor)
        return whole([_answer(peer) for peer in directory.hl7_peers(tx) if peer.site_id in visible])


@router.post("/hl7/peers", status_code=201, summary="Add an HL7 peer", openapi_extra=REPEATABLE)
def add_peer(body: NewPeer, call: PeerManager) -> PeerAnswer:
    """Make an application known that sends HL7 v2."""
    site_id = body.site_id or call.actor.site_id
    peer = Hl7Peer(body.name, body.host, body.port, site_id, body.active, body.tls, body.certificate or "")

    def act(tx: Tx) -> PeerAnswer:
        sharing.reaches_site(tx, call.actor, site_id)
        sharing.check_device_host(call.actor, body.host)
        if any(known.name == body.name for known in directory.hl7_peers(tx)):
            raise Conflict(f"There is an HL7 peer {body.name} already.", code="hl7-peer-exists", field="name")
        return _answer(directory.add_hl7_peer(tx, call.actor, peer))

    return once(call, body, PeerAnswer, act)


@router.patch("/hl7/peers/{name:path}", summary="Change an HL7 peer")
def change_peer(name: Name, body: PeerChanges, call: PeerManager) -> PeerAnswer:
    """Change where a peer is, what it belongs to, or whether it is heard."""
    changes = body.changes(clearable=("certificate",))

    def act(tx: Tx) -> Hl7Peer:
        known = replace(_reachable(tx, call, name), **changes)
        sharing.reaches_site(tx, call.actor, known.site_id)
        sharing.check_device_host(call.actor, known.host)
        return directory.change_hl7_peer(tx, call.actor, name, **changes)

    return _answer(call.database.transact(act))


@router.delete("/hl7/peers/{name:path}", status_code=204, summary="Remove an HL7 peer")
def remove_peer(name: Name, call: PeerManager) -> None:
    """Forget a peer; what it sent stays."""

    def act(tx: Tx) -> None:
        directory.remove_hl7_peer(tx, call.actor, _reachable(tx, call, name).name)

    call.database.transact(act)


@router.get("/hl7/messages", summary="List kept HL7 messages")
def list_messages(
    call: Operator,
    state: Annotated[list[State] | None, Query(description="Only these states.")] = None,
    peer: Annotated[Word | None, Query(description="Only of this peer.")] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[str, Query(pattern="^([0-9a-f]{32})?$")] = "",
) -> Messages:
    """Messages of the sites that the account may see, newest first, without what they say of patients."""
    queue, peers = _queue(call), [peer] if peer else []
    with call.database.read() as tx:
        visible = sharing.visible_site_ids(tx, call.actor)
        found = queue.messages(tx, states=state or (), peers=peers, site_ids=visible, before=cursor, limit=limit)
        counts = queue.counts(tx, visible, peers)
    total = sum(count for name, count in counts.items() if not state or name in state)
    more = found[-1].id if len(found) == limit else None
    return Messages(items=[_message(one) for one in found], total=total, next_cursor=more, counts=counts)


@router.post("/hl7/messages/{message_id}/replay", summary="Apply a kept HL7 message again")
def replay_message(message_id: Word, call: Operator) -> MessageAnswer:
    """For a message that failed or was refused, once its cause is mended; its state says how it went."""
    queue = _queue(call)
    with call.database.read() as tx:
        if queue.message_of(tx, message_id).site_id not in sharing.visible_site_ids(tx, call.actor):
            raise NotFound("There is no such message.", code="no-message", field="id")
    queue.replay(call.actor, message_id)
    with call.database.read() as tx:
        return _message(queue.message_of(tx, message_id))


def _queue(call: Call) -> Hl7Queue:
    if call.parts.hl7 is None:
        raise NotFound("This process keeps no HL7 messages.", code="no-hl7")
    return call.parts.hl7


def _reachable(tx: Tx, call: Call, name: str) -> Hl7Peer:
    """The peer, if the actor manages its site; another site's is not there for him."""
    peer = directory.hl7_peer_named(tx, name)
    if peer.site_id not in sharing.visible_site_ids(tx, call.actor):
        raise NotFound(f"There is no HL7 peer {name.strip()}.", code="no-hl7-peer", field="name")
    return peer


def _answer(peer: Hl7Peer) -> PeerAnswer:
    return PeerAnswer(**{**vars(peer), "certificate": peer.certificate or None})


def _message(kept: Any) -> MessageAnswer:
    values = {name: getattr(kept, name) for name in MessageAnswer.model_fields}
    return MessageAnswer(**{**values, **{name: values[name] or None for name in ("ended_at", "code", "text")}})
