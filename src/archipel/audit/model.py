"""The audit record."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from archipel.kit.actor import Actor


class Outcome(StrEnum):
    """How the act ended (PS3.15 A.5.2, EventOutcomeIndicator 0, 4, 8)."""

    SUCCESS = "success"
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True)
class AuditRecord:
    """One act. ``action`` is ``room.verb``; ``detail`` holds ids and counts, never a person's attributes."""

    id: str
    at: datetime
    actor: Actor
    action: str
    outcome: Outcome
    study_uid: str = ""
    object_id: str = ""
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Search:
    """What records are looked for; what is empty (or None) does not narrow.

    ``who`` is part of the actor's id or name; ``actions``, ``study_uids`` and ``site_ids`` (of the actor) are lists of which one holds.
    ``since`` and ``before`` are instants as text; ``after`` is the instant and id of the record that ended the page before.
    """

    who: str = ""
    actor_id: str = ""
    actions: tuple[str, ...] | None = None
    study_uids: tuple[str, ...] | None = None
    site_ids: tuple[str, ...] | None = None
    object_id: str = ""
    outcome: str = ""
    since: str = ""
    before: str = ""
    after: tuple[str, str] | None = None
    limit: int = 100
