"""Link, unlink, merge, undo: each a decision, and what the decisions that count add up to.

Where a record is follows from the decisions alone: it starts as a person of its own, and every decision that counts moves it, in the order
in which they were made; merges that no decision of a person separates take their places by the instants of their messages. So messages that
arrive out of order come to the same end, and decisions can be undone in any order.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime

from archipel import audit
from archipel.identity import rows, rows_decisions, rows_proposals
from archipel.identity.changes import PersonsChanged
from archipel.identity.model import Decision, DecisionKind, LocalId, Record
from archipel.identity.taking import named
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, Invalid, LimitReached, NotFound
from archipel.kit.ids import new_id

# Decisions hang together through the records that they name; more than this is no person.
RECORDS_TOGETHER_MAX = 2000


def replace_id(tx: Tx, actor: Actor, prior: LocalId, survivor: LocalId, *, site_id: str, source: str, at: datetime) -> Decision:
    """A40: the prior joins the survivor's person, with those that joined the prior before.

    Identifiers that are not known yet become known. The same message again gives the decision that is there. Raises Invalid for an
    identifier that would replace itself, Conflict across the wall of the training region.
    """
    if prior == survivor:
        raise Invalid("An identifier cannot replace itself.", code="merge-self", field="prior")
    rows.lock(tx)
    gone, stays = (named(tx, one, site_id=site_id, source=source, at=at) for one in (prior, survivor))
    if prior.issuer != survivor.issuer and {gone.site_id, stays.site_id} != {site_id}:
        raise Conflict("A site merges identifiers of its own.", code="merge-site", detail=f"{site_id} {gone.key} {stays.key}")
    known = rows_decisions.same_merge(tx, gone.key, stays.key, to_text(at))
    if known:
        return known
    return decide_now(tx, actor, DecisionKind.MERGE, gone, stays, source=source, at=at, site_id=site_id)


def link(tx: Tx, actor: Actor, record_key: str, target_key: str, *, comment: str = "") -> Decision:
    """The person of the record and that of the target are one. NotFound, or Conflict when they are already, or across the wall."""
    rows.lock(tx)
    one, other = record_with(tx, record_key), record_with(tx, target_key)
    if one.person_id == other.person_id:
        raise Conflict("These records are of one person already.", code="linked-already", detail=f"{record_key} {target_key}")
    made = decide_now(tx, actor, DecisionKind.LINK, one, other, comment=comment)
    rows_proposals.forget_apart(tx, one.key, other.key)
    return made


def unlink(tx: Tx, actor: Actor, record_key: str, *, comment: str = "") -> Decision:
    """The record becomes a person of its own again, with those that it replaced; nothing links it back by itself."""
    rows.lock(tx)
    one = record_with(tx, record_key)
    others = [r for r in rows.persons(tx, [one.person_id])[one.person_id].records if r.key != one.key]
    if not others:
        raise Conflict("This record is a person of its own.", code="not-linked", detail=record_key)
    made = decide_now(tx, actor, DecisionKind.UNLINK, one, None, comment=comment)
    went = {key for key, _, _ in made.moved}
    left = [r for r in others if r.key not in went]
    if not left:
        raise Conflict("All records of this person joined this one; undo a merge instead.", code="not-linked", detail=record_key)
    rows_proposals.keep_apart(tx, actor.id, one, left)
    return made


def undo(tx: Tx, actor: Actor, decision_id: str, *, comment: str = "") -> Decision:
    """A decision counts no more; undoing that lets it count again. NotFound, or Conflict when it is undone already."""
    rows.lock(tx)
    done = decision_with(tx, decision_id)
    if done.is_undone:
        raise Conflict("This decision is undone already.", code="undone-already", detail=decision_id)
    rows_decisions.put_undone(tx, done.id, True)
    about = done
    while about.kind is DecisionKind.UNDO:  # undoing an undo lets what it undid count again, and so on down
        about = decision_with(tx, about.undoes)
        rows_decisions.put_undone(tx, about.id, not about.is_undone)
    now = tx.now()
    made = Decision(
        new_id(), DecisionKind.UNDO, False, about.record_key, about.target_key, about.site_id, "person", actor.id[:64], now, now,
        undoes=done.id, comment=comment,
    )  # fmt: skip
    rows_decisions.add(tx, [made])
    counts = not (decision_with(tx, about.id).is_undone)
    if about.is_automatic and not counts:
        pair = rows.by_keys(tx, (about.record_key, about.target_key))
        rows_proposals.keep_apart(tx, actor.id, pair[about.record_key], [pair[about.target_key]])
    elif not counts:
        rows_proposals.reopen(tx, about.id)
    return _carry_out(tx, actor, made)


def decision_with(tx: Tx, decision_id: str) -> Decision:
    """One decision, or NotFound."""
    found = rows_decisions.with_id(tx, decision_id)
    if found is None:
        raise NotFound(f"There is no decision {decision_id[:32]}.", code="no-decision", field="decision_id")
    return found


def decisions_of(tx: Tx, person_id: str) -> list[Decision]:
    """What was decided about the records of a person, the newest first, with what was undone."""
    keys = [record.key for one in rows.persons(tx, [person_id]).values() for record in one.records]
    return sorted(rows_decisions.touching(tx, keys), key=lambda d: -d.number)


def record_with(tx: Tx, key: str) -> Record:
    """One record, or NotFound."""
    found = rows.by_keys(tx, [key]).get(key)
    if found is None:
        raise NotFound(f"There is no record {key[:32]}.", code="no-record", field="record_key")
    return found


def decide_now(
    tx: Tx, actor: Actor, kind: DecisionKind, one: Record, other: Record | None, *, source: str = "person", at: datetime | None = None,
    site_id: str = "", automatic: bool = False, comment: str = "",
) -> Decision:  # fmt: skip
    """Write a decision and carry it out. The caller holds the lock."""
    if other is not None and one.demo != other.demo:
        raise Conflict("The training region and real sites never share a person.", code="training-region", detail=f"{one.key} {other.key}")
    now = tx.now()
    made = Decision(
        new_id(), kind, automatic, one.key, other.key if other else "", site_id or one.site_id, source[:40], actor.id[:64], at or now, now,
        comment=comment[:2000],
    )  # fmt: skip
    rows_decisions.add(tx, [made])
    return _carry_out(tx, actor, made)


def _carry_out(tx: Tx, actor: Actor, made: Decision) -> Decision:
    """Bring the records that hang together to where their decisions put them; note and publish what moved."""
    records, decisions = _together(tx, [made.record_key, made.target_key])
    placed = replay(records.values(), decisions)
    for one in {person_id for person_id, _ in placed.values()}:
        rows.add_person(tx, one, demo=records[made.record_key].demo)
    changed = [(key, *place) for key, place in placed.items() if place != (records[key].person_id, records[key].joined_to)]
    rows.move(tx, changed)
    moved = tuple((key, records[key].person_id, to) for key, to, _ in sorted(changed) if records[key].person_id != to)
    rows_decisions.put_moved(tx, made.id, moved)
    if moved:
        persons = tuple(sorted({person_id for _, *both in moved for person_id in both}))
        rows_proposals.settle(tx, persons, made.id)
        tx.publish(PersonsChanged(persons))
    audit.record(
        tx, actor, f"identity.{made.kind.value}", object_id=made.id, record=made.record_key, target=made.target_key,
        automatic=made.is_automatic, moved=[list(one) for one in moved], undoes=made.undoes,
    )  # fmt: skip
    return replace(made, moved=moved)


def _together(tx: Tx, keys: Iterable[str]) -> tuple[dict[str, Record], list[Decision]]:
    """All records that decisions tie to these, with those decisions."""
    found: dict[str, Decision] = {}
    seen: set[str] = set()
    new = {key for key in keys if key}
    while new:
        seen |= new
        if len(seen) > RECORDS_TOGETHER_MAX:
            raise LimitReached(f"More than {RECORDS_TOGETHER_MAX} records hang together.", code="records-together", detail=sorted(seen)[0])
        for one in rows_decisions.touching(tx, new):
            found[one.id] = one
        new = {key for d in found.values() for key in (d.record_key, d.target_key) if key} - seen
    return rows.by_keys(tx, seen), list(found.values())


def replay(records: Iterable[Record], decisions: Iterable[Decision]) -> dict[str, tuple[str, str]]:
    """Where the decisions that count put each record: (person, record that it is joined to)."""
    at = {record.key: record.own_person_id for record in records}
    joined: dict[str, str] = {}
    for one in _in_order([d for d in decisions if not d.is_undone and d.kind is not DecisionKind.UNDO]):
        if one.kind is DecisionKind.MERGE:
            joined.pop(one.target_key, None)  # it lives again, whatever it was joined to
        if one.kind is DecisionKind.UNLINK:
            joined.pop(one.record_key, None)
        to = at[one.target_key] if one.target_key else one.id  # who leaves is a person named after the decision, in every replay
        whole = [key for key, person_id in at.items() if person_id == at[one.record_key]]
        for key in whole if one.kind is DecisionKind.LINK else _with_joined(one.record_key, joined):
            at[key] = to
        if one.kind is DecisionKind.MERGE:
            joined[one.record_key] = one.target_key
    return {key: (person_id, joined.get(key, "")) for key, person_id in at.items()}


def _in_order(decisions: list[Decision]) -> list[Decision]:
    """As they were made, but merges in the order of their messages, on the places that merges have between two decisions of a person.

    What a person decided was about the merges made before: one that comes late must not change what that decision did.
    """
    found: list[Decision] = []
    run: list[Decision] = []
    for one in sorted(decisions, key=lambda d: d.number):
        if one.kind is not DecisionKind.MERGE and not one.is_automatic:
            found += [*_merges_in_order(run), one]
            run = []
        else:
            run.append(one)
    return found + _merges_in_order(run)


def _merges_in_order(run: list[Decision]) -> list[Decision]:
    merges = iter(sorted((d for d in run if d.kind is DecisionKind.MERGE), key=lambda d: (d.at, d.number)))
    return [next(merges) if d.kind is DecisionKind.MERGE else d for d in run]


def _with_joined(key: str, joined: dict[str, str]) -> list[str]:
    """A record and those that joined it, directly or through others."""
    found = [key]
    for one in found:
        found += [other for other, to in joined.items() if to == one and other not in found]
    return found
