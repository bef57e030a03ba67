"""Gauges that are read when metrics are asked for: feed, jobs, database, spool and disk."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from archipel.kit import feed, jobs
from archipel.kit.clock import from_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError
from archipel.kit.feed import Follower

# The database is asked at most this often, however many ask for metrics.
KEPT_S = 10.0


class Gauges(Collector):
    """What the database and the disks say, as every process sees it. ``more`` gives a room's own figures: text and value by name."""

    def __init__(
        self,
        database: Database,
        followers: Sequence[Follower],
        data: Path,
        spool: Path,
        more: Callable[[Tx], Mapping[str, tuple[str, float]]] = lambda _: {},
    ) -> None:
        self._database, self._followers, self._data, self._spool, self._more = database, followers, data, spool, more
        self._lock = threading.Lock()
        self._kept: tuple[float, dict[str, Any] | None] = (-KEPT_S, None)

    def describe(self) -> list[Any]:
        """Nothing is asked when the collector is registered."""
        return []

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """The figures of this moment; those of the database are left out while it does not answer."""
        yield _gauge("archipel_disk_free_bytes", "Free disk of the data folder.", shutil.disk_usage(self._data).free)
        yield _gauge("archipel_spool_bytes", "Bytes that arrive and are not stored yet.", spool_bytes(self._spool))
        state = self.state()
        yield _gauge("archipel_database_up", "Whether the database answers.", int(state is not None))
        if state is None:
            return
        yield _gauge("archipel_database_bytes", "Bytes that the database takes.", state["database_bytes"])
        for name, text, key in (
            ("archipel_feed_lag", "Changes that a follower has not read.", "lag"),
            ("archipel_feed_parked", "Changes that a follower could not take.", "parked"),
        ):
            family = GaugeMetricFamily(name, text, labels=["follower"])
            for one in state["followers"]:
                family.add_metric([one["name"]], one[key])
            yield family
        counts = GaugeMetricFamily("archipel_jobs", "Jobs by state.", labels=["state"])
        ages = GaugeMetricFamily("archipel_jobs_oldest_seconds", "Age of the oldest job by state.", labels=["state"])
        now = self._database.clock.now()
        for name, (count, oldest) in state["jobs"].items():
            counts.add_metric([name], count)
            ages.add_metric([name], max(0.0, (now - from_text(oldest)).total_seconds()) if oldest else 0.0)
        yield counts
        yield ages
        for name, (text, value) in state["more"].items():
            yield _gauge(name, text, value)

    def state(self) -> dict[str, Any] | None:
        """Followers, jobs and size of the database, some seconds old at most; None while it does not answer."""
        with self._lock:
            at, state = self._kept
            if time.monotonic() - at >= KEPT_S:
                state = self._asked()
                self._kept = time.monotonic(), state
            return state

    def _asked(self) -> dict[str, Any] | None:
        try:
            with self._database.read() as tx:
                followers, open_jobs, more = feed.status(tx, self._followers), jobs.unfinished(tx), self._more(tx)
            return {"followers": followers, "jobs": open_jobs, "database_bytes": self._database.size_bytes(), "more": more}
        except (ArchipelError, OSError):
            return None


def spool_bytes(folder: Path) -> int:
    """Bytes of what is arriving in a spool folder."""
    total = 0
    for path in folder.rglob("*"):
        try:
            total += path.stat().st_size if path.is_file() else 0
        except FileNotFoundError:  # it has arrived meanwhile
            continue
    return total


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(name, text, value=value)
