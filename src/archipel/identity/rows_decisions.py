"""SQL of decisions."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import insert, select, union, update

from archipel.identity.model import Decision, DecisionKind
from archipel.identity.rows import decision
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Tx
from archipel.kit.prepared import Prepared, among

_TOUCHING = Prepared(
    lambda dialect: union(
        select(decision).where(among(dialect, decision.c.record_key, "keys")),
        select(decision).where(among(dialect, decision.c.target_key, "keys")),
    )
)


def _to_decision(row: Any) -> Decision:
    return Decision(
        row.id, DecisionKind(row.kind), bool(row.is_automatic), row.record_key, row.target_key, row.site_id, row.source, row.actor_id,
        from_text(row.at), from_text(row.made_at), tuple((a, b, c) for a, b, c in json.loads(row.moved)), row.undoes, bool(row.is_undone),
        row.comment, row.number,
    )  # fmt: skip


def add(tx: Tx, decisions: Sequence[Decision]) -> None:
    """Insert decisions; each gets the next number."""
    if decisions:
        tx.execute(insert(decision), [_values(d) for d in decisions])


def _values(d: Decision) -> dict[str, Any]:
    plain = {name: value for name, value in vars(d).items() if name != "number"}
    return {**plain, "kind": d.kind.value, "at": to_text(d.at), "made_at": to_text(d.made_at), "moved": json.dumps(d.moved)}


def put_moved(tx: Tx, decision_id: str, moved: Sequence[tuple[str, str, str]]) -> None:
    """Note what carrying it out moved."""
    tx.execute(update(decision).where(decision.c.id == decision_id).values(moved=json.dumps(moved)))


def put_undone(tx: Tx, decision_id: str, is_undone: bool) -> None:
    """Let a decision count no more, or again."""
    tx.execute(update(decision).where(decision.c.id == decision_id).values(is_undone=is_undone))


def with_id(tx: Tx, decision_id: str) -> Decision | None:
    """One decision."""
    row = tx.execute(select(decision).where(decision.c.id == decision_id)).first()
    return _to_decision(row) if row else None


def touching(tx: Tx, keys: Iterable[str]) -> list[Decision]:
    """Decisions that name one of these records."""
    wanted = sorted(set(keys))
    return [_to_decision(row) for row in _TOUCHING.all(tx, keys=wanted)] if wanted else []


def same_merge(tx: Tx, prior_key: str, survivor_key: str, at: str) -> Decision | None:
    """The merge that the same message asked for already."""
    d = decision.c
    same = select(decision).where(d.record_key == prior_key, d.target_key == survivor_key, d.at == at, d.kind == DecisionKind.MERGE.value)
    row = tx.execute(same).first()
    return _to_decision(row) if row else None
