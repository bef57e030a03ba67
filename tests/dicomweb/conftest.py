"""Doors of DICOMweb for the tests: one for a module on the embedded default, one for a test on each back end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dicomweb.region import Region, running
from tests.servers import Backend


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """A door on SQLite and files, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("region")
    with running(folder, Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")) as made:
        yield made


@pytest.fixture
def region_on(backend: Backend, tmp_path: Path) -> Iterator[Region]:
    """An empty door on each back end in turn."""
    with running(tmp_path, backend) as made:
        yield made
