"""Fixtures of the archive: an empty one on each back end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.archive.room import Room
from tests.servers import Backend


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Every test of an archive runs on open series, and on series that are sealed as soon as something has arrived.

    Nobody may see a difference, but for tests of where exactly bytes lie (``bytes_lie_open``).
    """
    if "make_room" in metafunc.fixturenames:
        both = not any(mark.name == "bytes_lie_open" for mark in metafunc.definition.iter_markers())
        metafunc.parametrize("make_room", ["open", "sealed"] if both else ["open"], indirect=True)


@pytest.fixture
def make_room(request: pytest.FixtureRequest, backend: Backend, tmp_path: Path) -> Iterator[Callable[..., Room]]:
    """Opens the archive of a back end, with settings; the same archive when called again."""
    made: list[Room] = []

    def open_room(**settings: Any) -> Room:
        made.append(Room(backend, tmp_path, seals=request.param == "sealed", **settings))
        return made[-1]

    yield open_room
    for room in made:
        room.close()


@pytest.fixture
def room(make_room: Callable[..., Room]) -> Room:
    """An empty archive with default settings."""
    return make_room()
