"""The machine's clock jumps a day ahead and a day back while the platform works: what waits for an hour by the clock does not wait a day."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from sqlalchemy import select, text

from archipel.archive.rows import quiet
from archipel.kit import feed, jobs, rows
from archipel.kit.database import Database
from tests.faults.sending import Senders, Sent, check, prepared
from tests.platform import Platform
from tests.servers import missing, wait_until

LONG = os.environ.get("ARCHIPEL_TEST_FAULTS") == "long"
# Where the clock goes while instances arrive, and where it is set while studies wait to settle and jobs to run.
JUMPS = ((1, 0), (-1, 0), (1, -1)) * 2 if LONG else ((1, 0), (-1, 0))
MORE = 60 if LONG else 20
LIBRARY = next(iter(Path("/usr/lib").glob("*/faketime/libfaketimeMT.so.1")), None)

pytestmark = [pytest.mark.faults, pytest.mark.timeout(900 if LONG else 240)]


class Watch:
    """The clock of a process: it follows a file within a moment. Time that only counts, as the kernel's, goes on."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self.set(0)

    def set(self, days: int) -> None:
        """So many days from now, or ago."""
        part = self._file.with_suffix(".part")
        part.write_text(f"{days * 86_400:+d}\n")
        part.rename(self._file)
        time.sleep(1.2)  # it is looked at every second

    @property
    def environment(self) -> dict[str, str]:
        return {
            "LD_PRELOAD": str(LIBRARY), "FAKETIME_TIMESTAMP_FILE": str(self._file), "FAKETIME_CACHE_DURATION": "1", "FAKETIME_DONT_FAKE_MONOTONIC": "1",
        }  # fmt: skip


@pytest.fixture
def watch(tmp_path: Path) -> Watch:
    if LIBRARY is None:
        missing("libfaketime")
    return Watch(tmp_path / "clock")


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.faults_long)])
def running(watch: Watch, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Platform, str]]:
    """Its bytes are files: an object store refuses every request whose clock is not its own."""
    database = f"sqlite:///{tmp_path / 'archipel.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = Platform(
        tmp_path, {"ARCHIPEL_DATABASE__URL": database} | {"ARCHIPEL_ARCHIVE__QUIET_S": "2", "ARCHIPEL_ARCHIVE__SWEEP_AFTER_HOURS": "1"}
    )
    token = prepared(made)
    made.environment |= watch.environment
    made.start()
    yield made, token
    made.stop(signal.SIGKILL)


def test_a_day_ahead_and_a_day_back(running: tuple[Platform, str], watch: Watch) -> None:
    platform, token = running
    database = Database(platform.environment["ARCHIPEL_DATABASE__URL"])
    sent = Sent()

    def idle() -> bool:
        """every study has settled, every follower is level, no job waits"""
        with database.read() as tx:
            behind = select(rows.follower.c.name).where(rows.follower.c.position < feed.position(tx))
            counts = jobs.counts(tx)
            waiting = tx.execute(select(quiet.c.study_uid)).first() or tx.execute(behind).first()
        return not waiting and not counts["waiting"] and not counts["running"]

    for arriving, waiting in JUMPS:
        senders = Senders(platform.dicom_port, platform.url, token, sent=sent).start()
        senders.more(MORE, 60)
        watch.set(arriving)
        senders.more(MORE, 30)
        senders.stop()
        watch.set(waiting)
        wait_until(idle, seconds=60, every_s=0.3)
    with database.read() as tx:
        assert jobs.counts(tx)["failed"] == 0, tx.execute(text("SELECT name, error FROM job WHERE state = 'failed'")).all()
        assert feed.parked_changes(tx) == []
    with httpx.Client(base_url=platform.url, headers={"Authorization": f"Bearer {token}"}) as client:
        assert client.get("/api/v1/exams").status_code == 200, "who is signed in stays so"
    check(platform, token, sent, fault="clock a day ahead and a day back", back_end=f"{database.dialect}, files", tries=2 * len(JUMPS))
    assert sent.answers.keys() <= {"dicom 0000", "stow 200"}, sent.answers
    assert "Traceback" not in platform.log
    database.close()
    assert platform.stop() == 0
    assert " 0 damaged" in platform.command("verify").stdout
