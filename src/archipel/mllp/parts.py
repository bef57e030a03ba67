"""What the queue and the door work with, handed in by the composition."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from archipel.hl7 import er7
from archipel.hl7.problems import Problem
from archipel.kit.actor import Actor
from archipel.kit.cipher import Cipher
from archipel.kit.database import Database, Tx

SOFTWARE = "ARCHIPEL"

Hears = Callable[[Tx, Actor, er7.Message], Sequence[Problem]]
"""The act that applies a message: the actor is its sender, with its site. It gives what is wrong or odd in the message; a problem of
severity E, or an error that it raises, undoes whatever it did."""


@dataclass(frozen=True)
class Listens:
    """One message code: the triggers that are taken (an empty set takes all), and the act."""

    triggers: frozenset[str]
    hears: Hears


@dataclass(frozen=True)
class Queue:
    """The kept messages: where they are, under which key their bytes lie, and who applies them, by message code (MSH-9.1)."""

    database: Database
    listens: Mapping[str, Listens]
    cipher: Cipher | None = None

    @property
    def events(self) -> dict[str, frozenset[str]]:
        """What ``ack.check_header`` takes."""
        return {code: one.triggers for code, one in self.listens.items()}

    def label(self, event: str) -> str:
        """The event for a metric: one that we know, or ``other``."""
        code, _, trigger = event.partition("^")
        known = code in self.listens and (not self.listens[code].triggers or trigger in self.listens[code].triggers)
        return event if known else "other"
