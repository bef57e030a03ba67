"""Writing and reading the audit trail."""

from __future__ import annotations

from typing import Any

from archipel.audit import rows, rows_chain
from archipel.audit.model import AuditRecord, Outcome, Search
from archipel.kit.actor import Actor
from archipel.kit.database import Tx
from archipel.kit.ids import new_id


def record(
    tx: Tx, actor: Actor, action: str, *, study_uid: str = "", object_id: str = "", outcome: Outcome = Outcome.SUCCESS, **detail: Any
) -> None:
    """Write that ``actor`` did ``action`` (``room.verb``); ``detail`` holds ids and counts only."""
    one = AuditRecord(new_id(), tx.now(), actor, action, outcome, study_uid, object_id, detail)
    rows.add(tx, one)
    rows_chain.wait(tx, one.id)


def trace(tx: Tx, study_uid: str, *, limit: int = 500) -> list[AuditRecord]:
    """Everything done to or with one study, newest first."""
    return rows.of_study(tx, study_uid, limit)


def search(tx: Tx, *, action: str = "", actor_id: str = "", before: str = "", limit: int = 100) -> list[AuditRecord]:
    """The newest records, narrowed by action and actor; ``before`` is an instant as text, for paging."""
    return rows.newest(tx, Search(actor_id=actor_id, actions=(action,) if action else None, before=before, limit=limit))


def look_up(tx: Tx, wanted: Search) -> list[AuditRecord]:
    """The newest records that an auditor looks for."""
    return rows.newest(tx, wanted)
