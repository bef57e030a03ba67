"""Sweep: remove objects whose contents are elsewhere by now, and only those: what nobody let go is never touched.

An archive that is pointed at a wrong or an older database names none of its objects; it has let go none of them either.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

import structlog

from archipel.archive import rows_copies, rows_let_go
from archipel.kit.blobs import Blobs
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx

PAGE = 500
# How long this process must have seen that nothing names an object, by a clock that nobody sets: a segment grows for ten minutes.
SEEN_S = 3600.0

log = structlog.get_logger(__name__)


class Sweeper:
    """Removes what was let go more than ``after_hours`` ago; keep that longer than the time between two backups of the database."""

    def __init__(
        self, database: Database, blobs: Blobs, *, after_hours: float, seen_s: float = SEEN_S, ticks: Callable[[], float] = time.monotonic
    ) -> None:
        self._database, self._blobs = database, blobs
        self._after, self._seen_s, self._ticks = timedelta(hours=after_hours), seen_s, ticks
        self._seen: dict[str, float] = {}

    def sweep(self) -> int:
        """Look at what is due once; returns how many objects were removed."""
        with self._database.read() as tx:
            due = rows_let_go.due(tx, to_text(tx.now() - self._after), PAGE)
            named = rows_let_go.named(tx, due)
            now = to_text(tx.now())
        idle = [key for key in due if key not in named]
        self._seen = {key: self._seen.get(key, self._ticks()) for key in idle}
        gone = [key for key in idle if self._ticks() - self._seen[key] >= self._seen_s]
        if named or gone:  # claimed before it is removed: a sealing that is about to turn to it finds that out
            gone = self._database.transact(lambda tx: self._claimed(tx, named, gone, now))
        for key in gone:
            self._blobs.delete(key)
        if gone:
            with self._database.write(durable=False) as tx:
                rows_let_go.forget(tx, gone)
                rows_copies.forget(tx, gone)
            log.info("sweep.removed", objects=len(gone))
        return len(gone)

    @staticmethod
    def _claimed(tx: Tx, named: set[str], gone: list[str], now: str) -> list[str]:
        rows_let_go.put_off(tx, named, now)
        return rows_let_go.claim(tx, gone)
