"""What the register of persons publishes."""

from __future__ import annotations

from dataclasses import dataclass

from archipel.kit.feed import Change


@dataclass(frozen=True)
class PersonsChanged(Change):
    """Records of these persons were made, brought up to date, or moved from one to another."""

    person_ids: tuple[str, ...]
