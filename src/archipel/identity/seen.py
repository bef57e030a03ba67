"""The way in: what a message or an image says of a person."""

from __future__ import annotations

from dataclasses import replace

from archipel.identity import rows, taking
from archipel.identity.match import certain_link, doubt_links, propose
from archipel.identity.model import Seen, Taken, checked
from archipel.kit.actor import Actor
from archipel.kit.database import Tx

KEY_WRONG = "ins-key"


def take_seen(tx: Tx, actor: Actor, seen: Seen) -> Taken:
    """What was said makes a record or brings it up to date; the record may be linked by its INS, and is compared with others.

    The same again changes nothing; what is older than what is known, or from a source that weighs less, is left. Raises Invalid for an
    identifier out of bounds, NotFound for a site that is not there, Conflict across the wall of the training region.
    """
    rows.lock(tx)
    seen = checked(seen)
    record, taken = taking.record_of(tx, seen)
    taking.note(tx, actor, taken)
    warnings = (KEY_WRONG,) if seen.ins is not None and seen.ins.key_fits is False else ()
    if not taken.is_changed:
        return replace(taken, warnings=warnings)
    linked = certain_link(tx, actor, record)
    if linked is not None:
        record = rows.by_keys(tx, [record.key])[record.key]
    proposed = propose(tx, record)
    doubt_links(tx, record)
    return replace(taken, record=record, linked=linked, proposed=proposed, warnings=warnings)
