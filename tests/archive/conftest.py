"""Fixtures of the archive: an empty one on each back end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive.room import Room
from tests.servers import Backend


@pytest.fixture
def make_room(backend: Backend, tmp_path: Path) -> Iterator[Callable[..., Room]]:
    """Opens the archive of a back end, with settings; the same archive when called again."""
    made: list[Room] = []

    def open_room(**settings: Any) -> Room:
        made.append(Room(backend, tmp_path, **settings))
        return made[-1]

    yield open_room
    for room in made:
        room.close()


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    """An empty archive with default settings."""
    return make_room()
