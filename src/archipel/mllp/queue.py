"""The queue of kept messages: list, show, replay, what a crash left, what has had its time."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta

import structlog

from archipel import audit
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.mllp import keep, rows
from archipel.mllp.apply import Outcome, apply
from archipel.mllp.model import STATES, Kept, State
from archipel.mllp.parts import Queue

LEFT_AFTER_S = 60
BATCH_COUNT = 200
log = structlog.get_logger(__name__)


def messages(
    tx: Tx,
    *,
    states: Sequence[str] = (),
    peers: Sequence[str] = (),
    site_ids: Sequence[str] | None = None,
    before: str = "",
    limit: int = 100,
) -> list[Kept]:
    """Messages, newest first, after the id ``before``; ``site_ids`` None takes all sites."""
    unknown = sorted(set(states) - set(STATES))
    if unknown:
        raise Invalid(f"There is no state {unknown[0]!r}; there are: {', '.join(STATES)}.", code="state", field="state")
    sites = None if site_ids is None else list(site_ids)
    return rows.newest(tx, states=list(states), peers=list(peers), sites=sites, before=before, limit=limit)


def counts(tx: Tx, site_ids: Sequence[str] | None = None, peers: Sequence[str] = ()) -> dict[str, int]:
    """How many messages there are in each state, of these sites (None: all) and peers (none: all)."""
    found = rows.counts(tx, None if site_ids is None else list(site_ids), list(peers))
    return {state: found.get(state, 0) for state in STATES}


def message_of(tx: Tx, message_id: str) -> Kept:
    """One message, or NotFound."""
    kept = rows.get(tx, message_id)
    if kept is None:
        raise NotFound("There is no such message.", code="no-message", field="id")
    return kept


def contents(queue: Queue, actor: Actor, message_id: str) -> bytes:
    """The bytes of a message as they came: they name a person, so that reading them is in the audit trail."""
    with queue.database.write() as tx:
        kept = message_of(tx, message_id)
        audit.record(tx, actor, "mllp.read", object_id=kept.id, peer=kept.peer)
        return keep.read(queue, tx, kept)


def replay(queue: Queue, actor: Actor, message_id: str) -> Outcome:
    """Apply a message again that failed or was refused. Conflict for one that was applied, or is a repetition."""
    with queue.database.write() as tx:
        kept = message_of(tx, message_id)
        if kept.state in (State.APPLIED, State.DUPLICATE):
            raise Conflict("This message was applied.", code="message-applied", field="id")
        audit.record(tx, actor, "mllp.replay", object_id=kept.id, peer=kept.peer)
    return apply(queue, message_id)


def apply_left(queue: Queue) -> int:
    """Apply what was kept and never got to its end, because a process died in between; how many were tried."""
    before = queue.database.clock.now() - timedelta(seconds=LEFT_AFTER_S)
    with queue.database.read() as tx:
        waiting = rows.left(tx, to_text(before), BATCH_COUNT)
    for message_id in waiting:
        outcome = apply(queue, message_id)
        log.info("mllp.applied_late", message_id=message_id, state=outcome.state.value)
    return len(waiting)


def forget(queue: Queue, *, keep_days: int) -> int:
    """Remove messages that have had their time; those that failed or wait stay. How many went."""
    before = to_text(queue.database.clock.now() - timedelta(days=keep_days))
    return queue.database.transact(lambda tx: rows.forget(tx, before, BATCH_COUNT))
