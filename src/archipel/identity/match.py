"""After a record changed: link it by its INS where that is certain, else propose those that it may be of one person with."""

from __future__ import annotations

from archipel.identity import likeness, rows, rows_decisions, rows_proposals
from archipel.identity.decisions import decide_now
from archipel.identity.model import Decision, DecisionKind, Record
from archipel.identity.rows_match import candidates
from archipel.kit.actor import Actor
from archipel.kit.database import Tx

PROPOSED_MAX = 20
"""Proposals that one record may be part of by being taken once: the best of them."""


def certain_link(tx: Tx, actor: Actor, record: Record) -> Decision | None:
    """Link a record to the one person that has a record of a qualified identity with its INS and its strict traits. None in all doubt.

    It must be a person of its own, bear no flag, and contradict no record of that person; nobody may have said that they differ.
    """
    ins = record.usable_ins
    if ins is None or record.flags or record.joined_to:
        return None
    same = [
        other
        for other in rows.by_ins(tx, ins.number, demo=record.demo)
        if other.key != record.key and other.usable_ins is not None and other.usable_ins.oid == ins.oid
    ]
    if not same or any(other.person_id == record.person_id for other in same):
        return None
    persons = rows.persons(tx, {record.person_id, *(other.person_id for other in same)})
    if len(persons[record.person_id].records) > 1 or len(persons) != 2:
        return None
    others = next(p for p in persons.values() if p.id != record.person_id).records
    if any(_contradicts(record, other) for other in others) or rows_proposals.are_apart(tx, record.key, [o.key for o in others]):
        return None
    target = max((o for o in others if _certain(record, o)), key=lambda o: o.trust, default=None)
    return decide_now(tx, actor, DecisionKind.LINK, record, target, source=record.source, automatic=True) if target else None


def _certain(record: Record, other: Record) -> bool:
    ins, its = record.usable_ins, other.usable_ins
    if ins is None or its is None or (ins.number, ins.oid) != (its.number, its.oid) or other.flags:
        return False
    return likeness.concordant(record.traits, other.traits)


def _contradicts(record: Record, other: Record) -> bool:
    """Whether a qualified identity of the person has another number or other strict traits."""
    return other.usable_ins is not None and not _certain(record, other)


def doubt_links(tx: Tx, record: Record) -> None:
    """Bring automatic links of a record whose ground is gone to the work list: a person confirms them or takes them apart.

    A link is not taken back by itself: exams would change their person while somebody reads them.
    """
    made = [d for d in rows_decisions.touching(tx, [record.key]) if d.is_automatic and not d.is_undone]
    others = rows.by_keys(tx, {key for d in made for key in (d.record_key, d.target_key)} - {record.key})
    for other in others.values():
        if other.person_id == record.person_id and not _certain(record, other):
            rows_proposals.doubt(tx, record, other, likeness.compare(record, other))


def propose(tx: Tx, record: Record) -> tuple[str, ...]:
    """Bring the proposals of a record up to date; the ids of those that are new."""
    found = []
    if not record.is_invented:
        for other in candidates(tx, record):
            if other.person_id != record.person_id and not other.is_invented:
                alike = likeness.compare(record, other)
                if alike.score >= likeness.PROPOSED_FROM:
                    found.append((other, alike))
    found.sort(key=lambda pair: (-pair[1].score, pair[0].key))
    return rows_proposals.renew(tx, record, found[:PROPOSED_MAX])
