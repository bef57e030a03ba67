"""A running server that many hostile cases share."""

from __future__ import annotations

import signal
from collections.abc import Iterator

import pytest

from tests.faults.watch import Served
from tests.platform import Platform


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    """The platform, running, one per module; time limits are short, so that stalls end within a test."""
    limits = {"ARCHIPEL_DICOM__STALL_S": "3", "ARCHIPEL_DICOM__ARTIM_S": "3", "ARCHIPEL_HTTP__STALL_S": "3", "ARCHIPEL_HTTP__HEAD_S": "3"}
    platform = Platform(tmp_path_factory.mktemp("served"), limits)
    platform.start()
    try:
        yield Served(platform)
    finally:
        platform.stop(signal.SIGKILL)
