"""Fixtures of the archive: an empty one on each back end."""

from __future__ import annotations

import os
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


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Three of the four pairs of back end and form are enough for each change; the long form of the faults takes the fourth too."""
    if os.environ.get("ARCHIPEL_TEST_FAULTS") == "long":
        return
    left_out = [item for item in items if _is_fourth(item)]
    if left_out:
        items[:] = [item for item in items if item not in set(left_out)]
        config.hook.pytest_deselected(items=left_out)


def _is_fourth(item: pytest.Item) -> bool:
    given = item.callspec.params if isinstance(item, pytest.Function) and hasattr(item, "callspec") else {}
    is_open = given.get("make_room") == "open" and not any(mark.name == "bytes_lie_open" for mark in item.iter_markers())
    return is_open and given.get("backend") == "postgres-s3"


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
