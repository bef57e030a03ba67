"""Keeping a message: durable, as it came, before anything is answered."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace

from archipel.directory import Hl7Peer
from archipel.hl7 import er7
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Unavailable
from archipel.kit.ids import new_id
from archipel.mllp import rows
from archipel.mllp.model import Kept, State
from archipel.mllp.parts import Queue

CONTROL_ID_LENGTH_MAX = 199


@dataclass(frozen=True)
class Found:
    """A message that is kept now. ``answer`` is what was answered when it was applied, empty while it was not."""

    id: str
    answer: bytes = b""
    code: str = ""


def keep(queue: Queue, peer: Hl7Peer, address: str, data: bytes, message: er7.Message | None) -> Found:
    """Keep a message of a peer that is to be applied; the same one again is found, not kept twice."""
    kept = described(queue, peer, address, data, message)

    def act(tx: Tx) -> Found:
        rows.take_turn(tx, kept.digest)
        earlier = rows.same(tx, kept.peer, kept.control_id, kept.digest) if kept.control_id else None
        if earlier is None:
            rows.add(tx, kept, sealed(queue, kept, data))
            return Found(kept.id)
        original, answer = earlier
        if original.state is not State.APPLIED:
            return Found(original.id)  # it may fare better now
        again = replace(kept, state=State.DUPLICATE, key_name="", code=original.code, ended_at=kept.received_at, original_id=original.id)
        rows.add(tx, again, b"")
        return Found(original.id, answer, original.code)

    return queue.database.transact(act)


def keep_refused(queue: Queue, kept: Kept, data: bytes, answer: bytes) -> None:
    """Keep what is not applied: it was no message, or not one for us. The same one again is kept once."""

    def act(tx: Tx) -> None:
        rows.take_turn(tx, kept.digest)
        if rows.same(tx, kept.peer, kept.control_id, kept.digest) is None:
            rows.add(tx, kept, sealed(queue, kept, data), answer)

    queue.database.transact(act)


def described(queue: Queue, peer: Hl7Peer, address: str, data: bytes, message: er7.Message | None) -> Kept:
    """What is noted of a message beside its bytes."""
    said = message.control_id if message else ""
    control_id = "".join(c if c.isprintable() else "?" for c in said)[:CONTROL_ID_LENGTH_MAX]
    return Kept(
        id=new_id(), peer=peer.name, site_id=peer.site_id, address=address[:64], control_id=control_id, event=event_of(message),
        received_at=to_text(queue.database.clock.now()), digest=hashlib.sha256(data).hexdigest(), size_bytes=len(data),
        key_name=queue.cipher.suffix if queue.cipher else "",
    )  # fmt: skip


def event_of(message: er7.Message | None) -> str:
    """Message code and trigger of MSH-9 in letters and digits, cut to what a column holds."""
    if message is None:
        return ""
    code, trigger = ("".join(c for c in part if c.isascii() and c.isalnum())[:8] for part in message.type)
    return f"{code}^{trigger}" if trigger else code


def sealed(queue: Queue, kept: Kept, data: bytes) -> bytes:
    """The bytes as they are kept: encrypted where objects are."""
    return queue.cipher.crypt(_name(kept), 0, data) if queue.cipher and kept.key_name else data


def read(queue: Queue, tx: Tx, kept: Kept) -> bytes:
    """The bytes as they came; of a repetition those of its original. Unavailable without the key that they lie under."""
    if kept.state is State.DUPLICATE:
        original = rows.get(tx, kept.original_id)
        return read(queue, tx, original) if original else b""
    found = rows.data(tx, kept.id)
    if not kept.key_name:
        return found
    if queue.cipher is None or not queue.cipher.knows(_name(kept)):
        raise Unavailable("The key of this message is not in the key file.", code="key-missing", detail=kept.key_name)
    return queue.cipher.crypt(_name(kept), 0, found)


def _name(kept: Kept) -> str:
    return f"mllp/{kept.id}{kept.key_name}"
