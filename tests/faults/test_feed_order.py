"""A reader that polls the feed while sixteen writers commit misses nothing (the experiment behind the lock of ``write_changes``)."""

from __future__ import annotations

import os
import random
import sys
import threading
import time
from pathlib import Path

import pytest

from archipel import migrations
from archipel.kit import feed
from archipel.kit.database import Database
from tests.faults.counts import record
from tests.kit.tables import Counted, add, make

WRITERS = 16
EACH = 200 if os.environ.get("ARCHIPEL_TEST_FAULTS") == "long" else 25

pytestmark = pytest.mark.faults


@pytest.fixture(params=["sqlite", "postgres"])
def database(request: pytest.FixtureRequest, tmp_path: Path) -> Database:
    url = f"sqlite:///{tmp_path / 'feed.db'}" if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    database = Database(url, pool_size=WRITERS + 4)
    migrations.upgrade(database)
    make(database)
    return database


def test_positions_follow_commits_and_a_polling_reader_loses_nothing(database: Database) -> None:
    over = threading.Event()
    read: list[tuple[int, int, int]] = []
    failures: list[BaseException] = []

    def write(writer: int) -> None:
        randomly = random.Random(writer)
        try:
            for number in range(EACH):
                with database.write() as tx:
                    add(tx, writer * 100_000 + number)
                    tx.publish(Counted(writer, number))
                    if database.dialect == "postgresql":
                        time.sleep(randomly.choice((0, 0, 0.001, 0.01)))  # transactions that end in another order than they began
                if randomly.random() < 0.1:
                    with pytest.raises(ZeroDivisionError), database.write() as tx:
                        tx.publish(Counted(writer, -1))
                        raise ZeroDivisionError
        except BaseException as error:
            failures.append(error)

    def poll() -> None:
        after = 0
        while True:
            last = over.is_set()
            with database.read() as tx:
                found = feed.changes_after(tx, after, limit=50)
            read.extend((position, payload["writer"], payload["number"]) for position, _, payload in found)
            after = found[-1][0] if found else after
            if last and not found:
                return

    reader = threading.Thread(target=poll)
    reader.start()
    writers = [threading.Thread(target=write, args=(n,)) for n in range(WRITERS)]
    for one in writers:
        one.start()
    for one in writers:
        one.join()
    over.set()
    reader.join()
    assert failures == []
    lost = WRITERS * EACH - len(read)
    sys.stdout.write(f"\n{database.dialect}: {WRITERS} writers, {len(read)} changes read, {lost} lost\n")
    record("16 concurrent writers of the feed (changes)", database.dialect, tries=WRITERS, sent=WRITERS * EACH, acknowledged=WRITERS * EACH,
           found=len(read), doubled=len(read) - len({position for position, *_ in read}))  # fmt: skip
    assert lost == 0
    positions = [position for position, *_ in read]
    assert positions == sorted(set(positions))
    for writer in range(WRITERS):
        assert [number for _, w, number in read if w == writer] == list(range(EACH))
    database.close()
