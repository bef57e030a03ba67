"""Asking for the training region to be reset: whoever does the work carries it out, and of two who ask one is told to wait."""

from __future__ import annotations

import threading

import pytest

from archipel import app, migrations
from archipel.kit import jobs
from archipel.kit.database import Database
from archipel.kit.errors import Conflict
from tests.servers import Backend


def test_of_two_who_ask_one_waits_whichever_process_they_reach(backend: Backend) -> None:
    databases = [Database(backend.database_url) for _ in range(2)]
    migrations.upgrade(databases[0])
    together, answers = threading.Barrier(2), []

    def ask(database: Database) -> None:
        together.wait()
        try:
            database.transact(app.ask_for_demo_reset)
            answers.append("asked")
        except Conflict as refused:
            answers.append(refused.code)

    threads = [threading.Thread(target=ask, args=(database,)) for database in databases]
    for one in threads:
        one.start()
    for one in threads:
        one.join(30)
    with databases[0].read() as tx:
        assert [one["name"] for one in jobs.recent(tx)] == [app.DEMO_RESET], "however close they were, it is done once"
    assert "asked" in answers and set(answers) <= {"asked", "reset-under-way"}
    with pytest.raises(Conflict):
        databases[1].transact(app.ask_for_demo_reset)
    leased = jobs.lease(databases[0])
    assert leased is not None and leased[2] == app.DEMO_RESET
    with pytest.raises(Conflict):
        databases[1].transact(app.ask_for_demo_reset)
    jobs.finish(databases[0], leased[0], leased[1], None)
    databases[1].transact(app.ask_for_demo_reset)
    for database in databases:
        database.close()
