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
