"""Fixtures of distribution: an archive on each back end, and a peer that takes what is sent to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.archive.room import Room
from tests.distribution.peer import StoreScp
from tests.servers import Backend, Dcmtk


@pytest.fixture
def room(backend: Backend, tmp_path: Path) -> Iterator[Room]:
    """An empty archive with the sites a and b."""
    made = Room(backend, tmp_path)
    yield made
    made.close()


@pytest.fixture
def store_scp(dcmtk: Dcmtk, tmp_path: Path) -> Iterator[Callable[..., StoreScp]]:
    """Starts DCMTK's storescp, as often as wanted; all are stopped at the end."""
    made: list[StoreScp] = []

    def start(*options: str, port: int = 0) -> StoreScp:
        made.append(StoreScp(dcmtk, tmp_path / f"peer{len(made)}", options, port))
        return made[-1]

    yield start
    for one in made:
        one.stop()
