"""Who acts: a person with an account, a device, or the platform itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Actor:
    """The author of an act, as it is written into the audit record.

    ``id`` is the login, the AE title of a device, or the name of a background task; ``address`` is where it came from.
    ``demo`` marks people of the training region, whose passwords are public: they reach nothing outside it. ``token_scope`` names what
    a token was given for, in words of ``sharing``; empty for all that the role may.
    """

    kind: Literal["account", "device", "system"]
    id: str
    name: str = ""
    role: str = ""
    site_id: str = ""
    address: str = ""
    demo: bool = False
    token_scope: str = ""

    @classmethod
    def system(cls, task: str) -> Actor:
        """The platform itself, doing the named background task."""
        return cls(kind="system", id=task, name=task)
