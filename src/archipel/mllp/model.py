"""A kept message, without its bytes."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """What became of a message."""

    TAKEN = "taken"
    """Kept, and not applied yet."""
    APPLIED = "applied"
    FAILED = "failed"
    """Applying it failed and left nothing behind; it can be replayed."""
    REFUSED = "refused"
    """It is wrong, or not for us; the sender was told why."""
    DUPLICATE = "duplicate"
    """The same message again: answered as before, not applied; its bytes are those of the original."""


STATES = tuple(state.value for state in State)


@dataclass(frozen=True, kw_only=True)
class Kept:
    """One message as the queue knows it: ids, instants and outcome, nothing of the patient."""

    id: str
    peer: str
    site_id: str
    address: str
    control_id: str
    event: str
    """Message code and trigger: ``ADT^A01``."""
    received_at: str
    digest: str
    """SHA-256 of the bytes."""
    size_bytes: int
    key_name: str = ""
    """The key under which the bytes are encrypted; empty: they are not."""
    state: State = State.TAKEN
    attempts: int = 0
    ended_at: str = ""
    code: str = ""
    """AA, AE or AR as answered last."""
    condition: str = ""
    """The first problem, as a slug of table 0357 or a code of ours."""
    text: str = ""
    original_id: str = ""
