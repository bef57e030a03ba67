"""Health: whether this process lives, and whether it can serve; the reasons are codes that tell a stranger nothing more."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from archipel.kit.errors import ArchipelError

WAIT_S = 3.0
KEPT_S = 1.0


@dataclass
class Health:
    """The life of a process: ``ready`` once every door listens, ``draining`` from the moment it was told to end."""

    ready: bool = False
    draining: bool = False
    in_flight: int = 0

    @property
    def is_up(self) -> bool:
        """Whether it takes work."""
        return self.ready and not self.draining


class Readiness:
    """Asks the parts that serving needs. ``checks`` are acts by code; one that raises, says no or hangs is a reason against."""

    def __init__(self, health: Health, checks: Mapping[str, Callable[[], bool]]) -> None:
        self._health = health
        self._checks = {code: _Check(code, act) for code, act in checks.items()}

    def reasons(self) -> list[str]:
        """Why this process cannot serve now, as codes; none when it can. Blocks for up to ``WAIT_S``."""
        found = [] if self._health.ready else ["starting"]
        if self._health.draining:
            found.append("draining")
        if found:
            return found
        until = time.monotonic() + WAIT_S
        for check in self._checks.values():
            check.begin()
        return [code for code, check in self._checks.items() if not check.passes(until)]


class _Check:
    """One check, in a thread of its own, so that one that hangs holds nobody up; its answer is kept for a moment."""

    def __init__(self, code: str, act: Callable[[], bool]) -> None:
        self._code, self._act = code, act
        self._passed, self._at = False, -KEPT_S
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def begin(self) -> None:
        with self._lock:
            under_way = self._thread is not None and self._thread.is_alive()
            if not under_way and time.monotonic() - self._at >= KEPT_S:
                self._thread = threading.Thread(target=self._run, name=f"ready-{self._code}", daemon=True)
                self._thread.start()

    def passes(self, until: float) -> bool:
        with self._lock:
            thread = self._thread
        if thread is not None:
            thread.join(max(0.0, until - time.monotonic()))
            if thread.is_alive():
                return False
        return self._passed

    def _run(self) -> None:
        try:
            passed = self._act()
        except (ArchipelError, OSError):
            passed = False
        self._passed, self._at = passed, time.monotonic()
