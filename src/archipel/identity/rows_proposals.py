"""SQL of proposals: pairs of records that may be of one person, and pairs of which somebody said that they are not."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Any

from sqlalchemy import Select, and_, func, or_, select, tuple_, update

from archipel.identity.likeness import Likeness
from archipel.identity.model import Proposal, ProposalState, Record
from archipel.identity.rows import proposal, record
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id
from archipel.kit.rows import insert_new

_P = proposal.c
DOUBTFUL = "link.doubtful"
"""The reason of a proposal about two records that are linked automatically, and no longer agree."""
_OPEN, _LATER = ProposalState.OPEN.value, ProposalState.LATER.value


def _to_proposal(row: Any) -> Proposal:
    return Proposal(
        row.id, row.low_key, row.high_key, row.score, tuple(json.loads(row.reasons)), ProposalState(row.state), bool(row.demo),
        from_text(row.created_at), from_text(row.decided_at) if row.decided_at else None, row.decided_by, row.decision_id,
    )  # fmt: skip


def _of(keys: Collection[str]) -> Any:
    return or_(_P.low_key.in_(keys), _P.high_key.in_(keys))


def _pair(one: Record, other: Record, state: ProposalState, at: str, **more: Any) -> dict[str, Any]:
    low, high = sorted((one, other), key=lambda r: r.key)
    return {
        "id": new_id(), "low_key": low.key, "high_key": high.key, "low_site_id": low.site_id, "high_site_id": high.site_id,
        "demo": one.demo, "score": 0, "reasons": "[]", "state": state.value, "created_at": at, "decided_at": "", "decided_by": "",
        "decision_id": "", **more,
    }  # fmt: skip


def renew(tx: Tx, one: Record, found: Sequence[tuple[Record, Likeness]]) -> tuple[str, ...]:
    """Let the open proposals of a record be these; what was decided stays decided. The ids of the new ones."""
    at = to_text(tx.now())
    known = {row.high_key if row.low_key == one.key else row.low_key: row for row in tx.execute(select(proposal).where(_of([one.key])))}
    new = []
    for other, likeness in found:
        says = {"score": likeness.score, "reasons": json.dumps(likeness.reasons)}
        row = known.pop(other.key, None)
        if row is None:
            new.append(_pair(one, other, ProposalState.OPEN, at, **says))
        elif row.state == ProposalState.GONE.value:
            tx.execute(update(proposal).where(_P.id == row.id).values(state=_OPEN, **says))
        elif row.state in (_OPEN, _LATER) and (row.score, row.reasons) != (says["score"], says["reasons"]):
            tx.execute(update(proposal).where(_P.id == row.id).values(**says))
    gone = [row.id for row in known.values() if row.state in (_OPEN, _LATER)]
    if gone:
        tx.execute(update(proposal).where(_P.id.in_(gone)).values(state=ProposalState.GONE.value))
    insert_new(tx, proposal, new)
    return tuple(row["id"] for row in new)


def doubt(tx: Tx, one: Record, other: Record, likeness: Likeness) -> None:
    """Ask a person about two records that are linked, unless one has confirmed the link."""
    at = to_text(tx.now())
    says = {"score": likeness.score, "reasons": json.dumps((DOUBTFUL, *likeness.reasons))}
    pair = _pair(one, other, ProposalState.OPEN, at, **says)
    insert_new(tx, proposal, [pair])
    same = and_(_P.low_key == pair["low_key"], _P.high_key == pair["high_key"], _P.decided_by == "")
    tx.execute(update(proposal).where(same).values(state=_OPEN, decided_at="", decision_id="", **says))


def keep_apart(tx: Tx, actor_id: str, one: Record, others: Iterable[Record], *, decision_id: str = "") -> None:
    """Note that a record and these are not of one person: nothing links them by itself any more."""
    at = to_text(tx.now())
    said = {"decided_at": at, "decided_by": actor_id[:64], "decision_id": decision_id}
    pairs = [_pair(one, other, ProposalState.DIFFERENT, at, **said) for other in others]
    insert_new(tx, proposal, pairs)
    for pair in pairs:
        same = and_(_P.low_key == pair["low_key"], _P.high_key == pair["high_key"])
        tx.execute(update(proposal).where(same).values(state=ProposalState.DIFFERENT.value, **said))


def are_apart(tx: Tx, key: str, others: Collection[str]) -> bool:
    """Whether somebody said that a record is not of one person with one of these."""
    pairs = [tuple(sorted((key, other))) for other in others]
    apart = select(_P.id).where(tuple_(_P.low_key, _P.high_key).in_(pairs), _P.state == ProposalState.DIFFERENT.value).limit(1)
    return bool(pairs) and tx.execute(apart).first() is not None


def reopen(tx: Tx, decision_id: str) -> None:
    """Let what a decision settled be open again."""
    again = {"state": _OPEN, "decided_at": "", "decided_by": "", "decision_id": ""}
    tx.execute(update(proposal).where(_P.decision_id == decision_id).values(**again))


def settle(tx: Tx, person_ids: Collection[str], decision_id: str) -> None:
    """Close the open proposals between records that are of one person now, and those that are not any more open again."""
    mine = select(record.c.key, record.c.person_id).where(record.c.person_id.in_(sorted(person_ids)))
    of = {row.key: row.person_id for row in tx.execute(mine)}
    if not of:
        return
    keys = sorted(of)
    for start in range(0, len(keys), 400):
        still = (_P.state.in_((_OPEN, _LATER)), ~_P.reasons.contains(DOUBTFUL), _of(keys[start : start + 400]))
        pairs = tx.execute(select(_P.id, _P.low_key, _P.high_key).where(*still))
        joined = [row.id for row in pairs if row.low_key in of and of[row.low_key] == of.get(row.high_key)]
        if joined:
            values = {"state": ProposalState.LINKED.value, "decided_at": to_text(tx.now()), "decision_id": decision_id}
            tx.execute(update(proposal).where(_P.id.in_(joined)).values(**values))


def forget_apart(tx: Tx, key: str, other: str) -> None:
    """A link says that two records are of one person after all."""
    low, high = sorted((key, other))
    apart = and_(_P.low_key == low, _P.high_key == high, _P.state == ProposalState.DIFFERENT.value)
    tx.execute(update(proposal).where(apart).values(state=ProposalState.LINKED.value))


def with_id(tx: Tx, proposal_id: str) -> Proposal | None:
    """One proposal."""
    row = tx.execute(select(proposal).where(_P.id == proposal_id)).first()
    return _to_proposal(row) if row else None


def put_state(tx: Tx, proposal_id: str, state: ProposalState, actor_id: str, decision_id: str = "") -> None:
    """Note what somebody decided about a proposal."""
    values = {"state": state.value, "decided_at": to_text(tx.now()), "decided_by": actor_id[:64], "decision_id": decision_id}
    tx.execute(update(proposal).where(_P.id == proposal_id).values(**values))


def listed(tx: Tx, *, state: str, site_ids: Collection[str] | None, after: tuple[int, str] | None, limit: int) -> list[Proposal]:
    """Proposals in one state, the likeliest first; ``after`` is (score, id) of the last one of the page before."""
    statement = _listed(select(proposal), state, site_ids)
    if after is not None:
        score, last = after
        statement = statement.where(or_(_P.score < score, and_(_P.score == score, _P.id < last)))
    return [_to_proposal(row) for row in tx.execute(statement.order_by(_P.score.desc(), _P.id.desc()).limit(limit))]


def count(tx: Tx, *, state: str, site_ids: Collection[str] | None) -> int:
    """How many there are."""
    return int(tx.execute(_listed(select(func.count()).select_from(proposal), state, site_ids)).scalar_one())


def _listed(statement: Select[Any], state: str, site_ids: Collection[str] | None) -> Select[Any]:
    """Both records must be of sites that the reader sees."""
    statement = statement.where(_P.state == state)
    if site_ids is not None:
        some = sorted(site_ids)
        theirs = select(record.c.key).where(record.c.site_id.in_(some))  # as they are now: a record may come to another site
        statement = statement.where(_P.low_key.in_(theirs), _P.high_key.in_(theirs))
    return statement
