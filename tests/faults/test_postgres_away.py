"""PostgreSQL is restarted, crashes and is failed over to a synchronous standby while instances arrive at every door.

The platform goes on by itself, what it acknowledged is there once and whole, and nothing hangs.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from archipel.archive.rows import quiet
from archipel.kit import feed, rows
from archipel.kit.database import Database
from tests.faults.sending import Senders, Sent, check, prepared
from tests.platform import Platform
from tests.postgres import NAME, STANDBY, Cluster, clusters
from tests.servers import fetch, wait_until

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
ROUNDS = 6 if LONG else 1
MORE = 40 if LONG else 15
# From the moment that the database is back to the next acknowledgement.
GOES_ON_S = 30
SYNCHRONOUS = {"synchronous_standby_names": f"FIRST 1 ({STANDBY})", "synchronous_commit": "on"}
# What a sender may be told, or see instead of an answer, while the database is away.
ANSWERS = {"dicom 0000", "dicom A700", "dicom Unavailable", "stow 200", "stow 202", "stow 503", "stow ReadError", "stow ReadTimeout"}
BACK_END = "postgresql, files"

pytestmark = [pytest.mark.faults, pytest.mark.timeout(1800 if LONG else 240)]


@pytest.fixture
def folder() -> Iterator[Path]:
    with clusters() as folder:
        yield folder


@pytest.fixture
def primary(folder: Path) -> Iterator[Cluster]:
    cluster = Cluster(folder / "one").create().start()
    with cluster.admin() as connection:
        connection.execute(f"CREATE DATABASE {NAME}")  # type: ignore[call-overload]
    yield cluster
    cluster.stop("immediate")


@pytest.fixture
def pair(primary: Cluster, folder: Path) -> Iterator[list[Cluster]]:
    """A primary and its synchronous standby; whichever is which by the end, both are stopped."""
    standby = primary.standby(folder / "two").start()
    primary.stop()
    primary.start(**SYNCHRONOUS)
    primary.wait_for_standby()
    both = [primary, standby]
    yield both
    for one in both:
        one.stop("immediate")


class Region:
    """A running platform on a database, and senders at it."""

    def __init__(self, folder: Path, url: str) -> None:
        self.platform = Platform(folder, {"ARCHIPEL_DATABASE__URL": url, "ARCHIPEL_ARCHIVE__QUIET_S": "1"})
        self.token = prepared(self.platform)
        self.platform.start()
        self.database = Database(url)
        self.senders = Senders(self.platform.dicom_port, self.platform.url, self.token).start()
        self.senders.more(MORE, 60)

    def end(self, fault: str, tries: int) -> Sent:
        """Stop sending; then all is there, the work behind is done, and it was one process all the time."""
        sent = self.senders.stop()
        wait_until(self._caught_up, seconds=60, every_s=0.5)
        check(self.platform, self.token, sent, fault=fault, back_end=BACK_END, tries=tries)
        assert sent.answers.keys() <= ANSWERS, sent.answers
        assert self.platform.process is not None and self.platform.process.popen is not None
        assert self.platform.process.popen.poll() is None, "the platform ended"
        assert "Traceback" not in self.platform.log
        assert "receive.failed" not in self.platform.log
        assert self.platform.stop() == 0
        assert " 0 damaged" in self.platform.command("verify").stdout
        return sent

    def _caught_up(self) -> bool:
        """every follower has read the feed, parked nothing, and every study has settled"""
        with self.database.read() as tx:
            behind = select(rows.follower.c.name).where(rows.follower.c.position < feed.position(tx))
            assert feed.parked_changes(tx) == []
            return not tx.execute(behind).first() and not tx.execute(select(quiet.c.study_uid)).first()


@pytest.fixture
def begin(tmp_path: Path) -> Iterator[Any]:
    regions: list[Region] = []

    def one(url: str) -> Region:
        regions.append(Region(tmp_path, url))
        return regions[-1]

    yield one
    for region in regions:
        region.database.close()
        region.platform.stop(signal.SIGKILL)


def test_the_database_is_restarted_under_load(primary: Cluster, begin: Any) -> None:
    """In order, at once (crash recovery), and switched off."""
    region = begin(primary.url())
    for _ in range(ROUNDS):
        for how in ("fast", "immediate", "killed"):
            primary.stop(how)
            wait_until(lambda: not ready(region.platform), seconds=20)
            primary.start()
            region.senders.more(MORE, GOES_ON_S)
            wait_until(lambda: ready(region.platform), seconds=20)
    region.end("PostgreSQL restarted: fast, immediate, switched off", 3 * ROUNDS)
    assert "database system was not properly shut down" in primary.log


def test_failover_to_the_standby_that_the_address_names_too(pair: list[Cluster], folder: Path, begin: Any) -> None:
    """``host=one&host=two&target_session_attrs=read-write``: the platform finds who takes writes.

    Before that the standby is away for a while: nothing is acknowledged that it does not hold.
    """
    region = begin(pair[0].url(pair[1]))
    pair[1].stop("killed")
    time.sleep(0.5)
    before = len(region.senders.sent.acknowledged)
    time.sleep(1.5)
    assert len(region.senders.sent.acknowledged) == before
    pair[1].start()
    region.senders.more(MORE, GOES_ON_S)
    ports = [one.port for one in pair]
    for number in range(ROUNDS):
        primary, standby = pair
        primary.stop("killed")
        standby.promote()
        region.senders.more(MORE, GOES_ON_S)
        if number < ROUNDS - 1:  # the machine that failed comes back as the new one's standby, on its old port
            pair[:] = [standby, standby.standby(folder / f"again-{number}")]
            pair[1].port = ports[0] if standby.port == ports[1] else ports[1]
            pair[1].start()
            with standby.admin() as connection:
                for name, value in SYNCHRONOUS.items():
                    connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")  # type: ignore[call-overload]
                connection.execute("SELECT pg_reload_conf()")
            standby.wait_for_standby()
            region.senders.more(MORE, GOES_ON_S)
    region.end("PostgreSQL failed over, both in the address", ROUNDS)


def test_failover_to_a_standby_that_takes_over_the_address(pair: list[Cluster], begin: Any) -> None:
    """The address moves before the standby is promoted: for a while it answers and refuses to write."""
    primary, standby = pair
    region = begin(primary.url())
    primary.stop("killed")
    standby.stop()
    standby.port = primary.port
    standby.start()
    time.sleep(2)
    acknowledged = len(region.senders.sent.acknowledged)
    standby.promote()
    region.senders.more(MORE, GOES_ON_S)
    assert acknowledged < len(region.senders.sent.acknowledged)
    region.end("PostgreSQL failed over, the standby takes the address", 1)
    assert "read-only transaction" in standby.log, "the standby was never asked to write"


def ready(platform: Platform) -> bool:
    """Whether /readyz answers 200."""
    try:
        return bool(fetch(f"{platform.url}/readyz", seconds=5)["status"] == "ok")
    except OSError:
        return False
