"""The identity officer's work list: pairs of records that may be of one person, both beside each other, and what is decided of them."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, fields

from archipel import audit
from archipel.identity import rows, rows_decisions, rows_proposals
from archipel.identity.decisions import link, undo, unlink
from archipel.identity.fold import fold
from archipel.identity.model import Person, Proposal, ProposalState, Record, Traits, Verdict
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict, NotFound

_OPEN = (ProposalState.OPEN, ProposalState.LATER)
_NAMES = frozenset({"birth_family", "birth_first", "birth_given_names", "used_family", "used_given"})


@dataclass(frozen=True)
class Beside:
    """One trait of both records. ``is_same`` is None where one of them does not say it; accents and hyphens make no difference."""

    trait: str
    low: str
    high: str
    is_same: bool | None


@dataclass(frozen=True)
class Pair:
    """A proposal with both records, the persons that they are of now, and their traits beside each other."""

    proposal: Proposal
    low: Record
    high: Record
    low_person: Person
    high_person: Person
    traits: tuple[Beside, ...]


def proposals(
    tx: Tx, *, site_ids: Collection[str] | None, state: str = "open", after: tuple[int, str] | None = None, limit: int = 50
) -> list[Proposal]:
    """The likeliest first; both records of each are of these sites (None: of all). ``after`` is (score, id) of the last one seen."""
    return rows_proposals.listed(tx, state=state, site_ids=site_ids, after=after, limit=limit)


def count_proposals(tx: Tx, *, site_ids: Collection[str] | None, state: str = "open") -> int:
    """How many there are."""
    return rows_proposals.count(tx, state=state, site_ids=site_ids)


def pairs_of(tx: Tx, listed: Collection[Proposal]) -> list[Pair]:
    """Both records of each proposal beside each other."""
    records = rows.by_keys(tx, {key for p in listed for key in (p.low_key, p.high_key)})
    persons = rows.persons(tx, {record.person_id for record in records.values()})
    return [
        Pair(
            p, low, high, persons[low.person_id], persons[high.person_id], beside(low.traits, high.traits)
        )
        for p in listed
        for low, high in ((records[p.low_key], records[p.high_key]),)
    ]  # fmt: skip


def pair_with(tx: Tx, proposal_id: str, *, site_ids: Collection[str] | None) -> Pair:
    """One proposal, or NotFound: there is none, or one of its records is of a site that is not among these."""
    found = rows_proposals.with_id(tx, proposal_id)
    if found is not None:
        (pair,) = pairs_of(tx, [found])
        if site_ids is None or {pair.low.site_id, pair.high.site_id} <= set(site_ids):
            return pair
    raise NotFound(f"There is no proposal {proposal_id[:32]}.", code="no-proposal", field="proposal_id")


def beside(low: Traits, high: Traits) -> tuple[Beside, ...]:
    """Each trait that one of them says."""
    found = []
    for one in fields(Traits):
        a, b = (" ".join(v) if isinstance(v, tuple) else v for v in (getattr(low, one.name), getattr(high, one.name)))
        if a or b:
            same = (fold(a) == fold(b) if one.name in _NAMES else a == b) if a and b else None
            found.append(Beside(one.name, a, b, same))
    return tuple(found)


def decide(tx: Tx, actor: Actor, proposal_id: str, verdict: Verdict, *, site_ids: Collection[str] | None, comment: str = "") -> Proposal:
    """Link both persons, note that they differ, or leave it for later; the two last can be decided anew.

    NotFound as :func:`pair_with`, Conflict when the records are of one person already.
    """
    rows.lock(tx)
    pair = pair_with(tx, proposal_id, site_ids=site_ids)
    is_doubted = pair.proposal.state in _OPEN and rows_proposals.DOUBTFUL in pair.proposal.reasons
    if pair.proposal.state is ProposalState.LINKED or (pair.low.person_id == pair.high.person_id and not is_doubted):
        raise Conflict("These records are of one person already.", code="linked-already", detail=proposal_id)
    if pair.low.person_id == pair.high.person_id and verdict is not Verdict.LATER:
        _judge_link(tx, actor, pair, verdict, comment)
    elif verdict is Verdict.LINK:
        fewer, more = sorted((pair.low, pair.high), key=lambda r: _weight(pair, r))
        made = link(tx, actor, fewer.key, more.key, comment=comment)
        rows_proposals.put_state(tx, proposal_id, ProposalState.LINKED, actor.id, made.id)
    else:
        state = ProposalState.DIFFERENT if verdict is Verdict.DIFFERENT else ProposalState.LATER
        rows_proposals.put_state(tx, proposal_id, state, actor.id)
        audit.record(tx, actor, f"identity.{verdict.value}", object_id=proposal_id, records=[pair.low.key, pair.high.key])
    found = rows_proposals.with_id(tx, proposal_id)
    assert found is not None
    return found


def _judge_link(tx: Tx, actor: Actor, pair: Pair, verdict: Verdict, comment: str) -> None:
    """Confirm an automatic link whose ground is gone, or take it back."""
    keys = {pair.low.key, pair.high.key}
    made = [d for d in rows_decisions.touching(tx, keys) if {d.record_key, d.target_key} == keys and d.is_automatic and not d.is_undone]
    if verdict is Verdict.LINK:
        rows_proposals.put_state(tx, pair.proposal.id, ProposalState.LINKED, actor.id)
        audit.record(tx, actor, "identity.confirm", object_id=pair.proposal.id, records=sorted(keys))
    elif made:
        undo(tx, actor, made[-1].id, comment=comment)
    else:
        unlink(tx, actor, pair.high.key, comment=comment)


def _weight(pair: Pair, record: Record) -> tuple[int, str]:
    """The person with fewer records moves to the other; the younger one where they are as many."""
    person = pair.low_person if record.key == pair.low.key else pair.high_person
    return len(person.records), "" if record.key == pair.high.key else record.key
