"""Doors of DICOMweb for the tests: one for a module on the embedded default, one for a test on each back end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.dicomweb.region import Region, running
from tests.servers import Backend

# Whose tests read: they run on open series, and on series that are sealed as soon as something has arrived.
READING = ("test_retrieve", "test_rendered", "test_video", "test_documents_served")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Nobody who reads may see a difference between open and sealed series."""
    if "region" in metafunc.fixturenames:
        both = metafunc.module.__name__.rpartition(".")[2] in READING
        metafunc.parametrize("region", ["open", "sealed"] if both else ["open"], indirect=True, scope="module")


@pytest.fixture(scope="module")
def region(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """A door on SQLite and files, shared by the tests of a module."""
    folder = tmp_path_factory.mktemp("region")
    backend = Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")
    with running(folder, backend, seals=request.param == "sealed") as made:
        yield made


@pytest.fixture
def region_on(backend: Backend, tmp_path: Path) -> Iterator[Region]:
    """An empty door on each back end in turn."""
    with running(tmp_path, backend) as made:
        yield made
