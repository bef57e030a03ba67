"""Hours of mixed traffic, sound and damaged, at one server: it neither grows nor leaks nor slows down (`make soak`; a short form always runs)."""

from __future__ import annotations

import os
import random
import threading
import time

import pytest

from tests.faults.traffic import DAMAGED, SOUND, Act
from tests.faults.watch import Served, unharmed
from tests.platform import Platform

SOAK_SECONDS = float(os.environ.get("ARCHIPEL_TEST_SOAK_SECONDS", "600"))
LONG = (pytest.mark.soak, pytest.mark.timeout(SOAK_SECONDS + 300))
GROWTH_BYTES_MAX = 60 << 20


class Lane(threading.Thread):
    """One act after the other until told to stop."""

    def __init__(self, served: Served, acts: tuple[Act, ...], seed: int, stop: threading.Event) -> None:
        super().__init__(daemon=True)
        self._served, self._acts, self._chance, self._stop_asked = served, acts, random.Random(seed), stop
        self.count = 0
        self.failure: BaseException | None = None

    def run(self) -> None:
        with self._served.client() as client:
            while not self._stop_asked.is_set():
                try:
                    self._chance.choice(self._acts)(self._served, client, self._chance)
                except BaseException as error:
                    self.failure = error
                    return
                self.count += 1


@pytest.mark.faults
@pytest.mark.parametrize("seconds", [20, pytest.param(SOAK_SECONDS, marks=LONG)], ids=["short", "long"])
def test_mixed_traffic(platform: Platform, seconds: float) -> None:
    platform.device("MODALITY")
    platform.start()
    served, stop = Served(platform), threading.Event()
    with unharmed(served):
        lanes = [Lane(served, acts, seed, stop) for seed, acts in enumerate((SOUND, SOUND, DAMAGED))]
        for lane in lanes:
            lane.start()
        settled, until = 0, time.monotonic() + seconds
        while time.monotonic() < until and all(lane.is_alive() for lane in lanes):
            time.sleep(1)
            if not settled and time.monotonic() > until - seconds * 0.6:
                settled = served.status("VmRSS")
        stop.set()
        for lane in lanes:
            lane.join(60)
            assert lane.failure is None, repr(lane.failure)
    grown = served.status("VmRSS") - settled
    print(
        f"{[lane.count for lane in lanes]} acts in {seconds:.0f} s; {settled >> 20} MB, grown by {grown >> 20} MB, {served.peak_bytes >> 20} MB at most"
    )
    assert grown < GROWTH_BYTES_MAX
    assert platform.stop() == 0
    assert " 0 damaged" in platform.command("verify").stdout
