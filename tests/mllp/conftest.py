"""The listener on each back end, with a site and a sender."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from archipel.kit.database import Database
from tests.mllp.listening import Listening
from tests.signin.conftest import clock, database

__all__ = ["clock", "database"]


@pytest.fixture
def make_listening(database: Database) -> Iterator[Callable[..., Listening]]:
    """Doors on one database, stopped at the end."""
    made: list[Listening] = []

    def make(**options: Any) -> Listening:
        made.append(Listening(database, **options))
        return made[-1]

    yield make
    for one in made:
        one.stop()


@pytest.fixture
def listening(make_listening: Callable[..., Listening]) -> Listening:
    """A door, site ``a`` with the authority HOP-A, and its sender GAM on this machine."""
    made = make_listening()
    made.peer("GAM")
    return made
