"""A thread that does something every few seconds until it is stopped."""

from __future__ import annotations

import threading
from collections.abc import Callable

import structlog

log = structlog.get_logger(__name__)


class Ticker:
    """Calls ``act`` every ``every_s`` seconds; an act that returns a number above zero is called again at once."""

    def __init__(self, name: str, act: Callable[[], int | None], *, every_s: float) -> None:
        self._name, self._act, self._every_s = name, act, every_s
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._run, name=name, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, timeout_s: float = 30) -> None:
        """Finish the act in hand and stop."""
        self._stopping.set()
        self._thread.join(timeout_s)

    def _run(self) -> None:
        while not self._stopping.is_set():
            try:
                again = self._act()
            except Exception as error:  # the database may be away for a while; the next tick tries again
                log.error("ticker.failed", ticker=self._name, error=repr(error))
                again = None
            if not again:
                self._stopping.wait(self._every_s)
