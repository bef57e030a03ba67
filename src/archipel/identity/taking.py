"""Take what a message or an image says of a person: make its record, bring it up to date, or leave it when something newer was said."""

from __future__ import annotations

from dataclasses import fields, replace
from datetime import datetime

from archipel import audit, directory
from archipel.identity import rows
from archipel.identity.changes import PersonsChanged
from archipel.identity.fold import fold
from archipel.identity.model import INVENTED, STRICT, Ins, LocalId, Record, Seen, Status, Taken, Traits, check_id, checked
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict
from archipel.kit.ids import new_id


def record_of(tx: Tx, seen: Seen) -> tuple[Record, Taken]:
    """Write what was said. The caller holds the lock."""
    known = rows.by_id(tx, seen.id)
    demo = _is_demo(tx, seen.site_id)
    if known is None:
        made = _new(seen, demo=demo)
        rows.add(tx, [made])
        return made, Taken(made, is_new=True, is_changed=True)
    if known.demo != demo:
        raise Conflict("The training region and real sites never share a person.", code="training-region", detail=known.key)
    if _is_outdated(known, seen):
        return known, Taken(known, outdated=True)
    now = updated(known, seen)
    if now != replace(known, said_at=now.said_at, source=now.source):
        rows.put(tx, now)
        return now, Taken(now, is_changed=True)
    if now != known:
        rows.put(tx, now)
    return now, Taken(now)


def note(tx: Tx, actor: Actor, taken: Taken) -> None:
    """Audit and publish what changed."""
    if taken.is_changed:
        r = taken.record
        audit.record(
            tx, actor, "identity.take", object_id=r.key, site_id=r.site_id, is_new=taken.is_new, status=r.status.value,
            flags=sorted(r.flags), source=r.source,
        )  # fmt: skip
        tx.publish(PersonsChanged((r.person_id,)))


def named(tx: Tx, local_id: LocalId, *, site_id: str, source: str, at: datetime) -> Record:
    """The record of an identifier that a merge names; one that nobody has spoken of is made, empty."""
    check_id(local_id)
    known = rows.by_id(tx, local_id)
    if known is None:
        seen = checked(Seen(local_id, site_id, status=Status.PROVISIONAL, source=source, at=at))
        known = replace(_new(seen, demo=_is_demo(tx, site_id)), fills=True)
        rows.add(tx, [known])
    elif known.demo != _is_demo(tx, site_id):
        raise Conflict("The training region and real sites never share a person.", code="training-region", detail=known.key)
    return known


def updated(known: Record, seen: Seen) -> Record:
    """The record after what was said: what the message does not say stays, unless who says it outranks who spoke before."""
    starts_anew = known.fills or (INVENTED & known.flags and not INVENTED & seen.flags and seen.status is not Status.UNSAID)
    overrules = starts_anew or _rank(known) < seen.rank
    traits = seen.traits if overrules else _laid_over(known.traits, seen.traits)
    said_nothing = seen.status is Status.UNSAID and not overrules
    stays = said_nothing and not _is_another(known.traits, seen.traits)  # whose identity it was that had been proved
    status = known.status if stays else seen.status or Status.PROVISIONAL
    ins: Ins | None = known.ins if stays else seen.ins
    flags = known.flags | seen.flags if said_nothing else seen.flags
    return replace(
        known, traits=traits, status=status, ins=ins, flags=flags, source=seen.source, fills=False,
        said_at=seen.at if overrules else max(seen.at, known.said_at),
        site_id=seen.site_id if overrules else known.site_id,
    )  # fmt: skip


def _is_another(old: Traits, new: Traits) -> bool:
    """Whether a strict trait is said to be another than before."""
    pairs = ((getattr(old, name), getattr(new, name)) for name in STRICT)
    return any(before and after and fold(before) != fold(after) for before, after in pairs)


def _new(seen: Seen, *, demo: bool) -> Record:
    key, person_id = new_id(), new_id()
    return Record(
        key, seen.id, seen.site_id, demo, person_id, person_id, seen.traits, seen.ins, seen.status or Status.PROVISIONAL, seen.flags,
        seen.source, seen.at,
    )  # fmt: skip


def _is_outdated(known: Record, seen: Seen) -> bool:
    if known.fills:
        return False
    return (seen.rank, seen.at) < (_rank(known), known.said_at) if seen.rank == _rank(known) else seen.rank < _rank(known)


def _rank(record: Record) -> int:
    return Seen(record.id, record.site_id, source=record.source, at=record.said_at).rank


def _laid_over(old: Traits, new: Traits) -> Traits:
    return replace(old, **{f.name: value for f in fields(new) if (value := getattr(new, f.name))})


def _is_demo(tx: Tx, site_id: str) -> bool:
    return directory.site_named(tx, site_id).demo
