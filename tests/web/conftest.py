"""Fixtures of the door's tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers import Backend
from tests.web.door import Door, running


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """The door on SQLite and files, shared by the tests of a module."""
    with running(tmp_path_factory.mktemp("door")) as made:
        yield made


@pytest.fixture
def door_on(backend: Backend, tmp_path: Path) -> Iterator[Door]:
    """The door on each back end in turn."""
    with running(tmp_path, backend) as made:
        yield made
