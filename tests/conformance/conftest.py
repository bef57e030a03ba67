"""One running platform for all claims."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.doors import samples_roads
from tests.platform import Platform


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Platform]:
    """A platform with an empty archive that knows the device ``samples_roads.AET``."""
    platform = samples_roads.started(tmp_path_factory.mktemp("running"))
    yield platform
    platform.kill()
