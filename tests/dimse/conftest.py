"""Fixtures of the DIMSE door."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.dimse.region import Region


@pytest.fixture
def make_region(tmp_path: Path) -> Iterator[Callable[..., Region]]:
    """Builds doors with the given settings; all are stopped at the end."""
    made: list[Region] = []

    def make(**options: Any) -> Region:
        made.append(Region(tmp_path / f"region{len(made)}", **options))
        return made[-1]

    yield make
    for region in made:
        region.close()


@pytest.fixture
def region(make_region: Callable[..., Region]) -> Region:
    """A door with default limits that knows the device MODALITY."""
    made = make_region()
    made.device("MODALITY")
    return made
