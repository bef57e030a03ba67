"""Damaged traffic at every door of the running server: any answer but a failure of ours, and no harm."""

from __future__ import annotations

import time

import pytest

from tests import fuzzing
from tests.faults.traffic import DAMAGED, Act
from tests.faults.watch import Served, unharmed

pytestmark = pytest.mark.faults


@fuzzing.short_and_long(5)
@pytest.mark.parametrize("act", DAMAGED, ids=lambda act: act.__name__)
def test_damaged_traffic(served: Served, act: Act, seconds: float) -> None:
    served.platform.device("MODALITY")
    chance, count, until = fuzzing.seeded(seconds, 7), 0, time.monotonic() + seconds
    with unharmed(served), served.client() as client:
        while time.monotonic() < until:
            act(served, client, chance)
            count += 1
    print(f"{count} times {act.__name__}, {served.peak_bytes >> 20} MB at most")
    assert count > 5
