"""Figures that take long on a big archive: gathered aside, so that no page waits for them."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

from pydantic import BaseModel

from archipel import archive
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database
from archipel.kit.scope import Scope

COUNTS_KEPT_S, VOLUME_KEPT_S, BLOBS_KEPT_S = 30.0, 60.0, 600.0
WAIT_S = 0.5


class Counts(BaseModel):
    """What the archive holds, at most half a minute old; -1 before the first count is done."""

    patients: int = -1
    studies: int = -1
    series: int = -1
    instances: int = -1
    conflicts_open: int = -1


class Gathered:
    """A figure that may take long: gathered in a thread of its own, kept for a while, and never waited for longer than a moment."""

    def __init__(self, gather: Callable[[], Any], kept_s: float, before: Any) -> None:
        self._gather, self._kept_s, self._value = gather, kept_s, before
        self._at = -kept_s
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def value(self) -> Any:
        """The newest value; the old one while a new one is under way."""
        with self._lock:
            if time.monotonic() - self._at >= self._kept_s and (self._thread is None or not self._thread.is_alive()):
                self._thread = threading.Thread(target=self._run, name="web-gather", daemon=True)
                self._thread.start()
            thread = self._thread
        if thread is not None:
            thread.join(WAIT_S)
        return self._value

    def _run(self) -> None:
        value = self._gather()
        self._value, self._at = value, time.monotonic()


def gatherers(database: Database, blobs: Blobs) -> dict[str, Gathered]:
    """The figures that are gathered aside."""

    def counts() -> Counts:
        with database.read() as tx:
            open_count = archive.count_conflicts(tx, Scope.system("web.counts"), state="open")
            return Counts(**archive.totals(tx), conflicts_open=open_count)

    def volume() -> dict[str, int]:
        with database.read() as tx:
            return archive.volume(tx)

    return {
        "counts": Gathered(counts, COUNTS_KEPT_S, Counts()),
        "volume": Gathered(volume, VOLUME_KEPT_S, {"open_series": -1, "received_bytes": -1}),
        "blobs": Gathered(lambda: sum(size for _, size in blobs.list("")), BLOBS_KEPT_S, -1),
    }
