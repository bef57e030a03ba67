"""The trail: written with the act, read by study and in pages."""

from __future__ import annotations

import pytest

from archipel import audit
from archipel.audit import Outcome
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock, to_text
from archipel.kit.database import Database

CLAIRE = Actor("account", "claire", "Claire", "technician", "default", "10.0.0.1")


def test_a_record_goes_with_its_act(database: Database) -> None:
    with pytest.raises(RuntimeError), database.write() as tx:
        audit.record(tx, CLAIRE, "archive.reject", study_uid="1.2")
        raise RuntimeError("no")
    with database.read() as tx:
        assert audit.trace(tx, "1.2") == []


def test_a_record_keeps_who_what_and_how_it_ended(database: Database, clock: SetClock) -> None:
    with database.write() as tx:
        audit.record(tx, CLAIRE, "archive.reject", study_uid="1.2", object_id="x", outcome=Outcome.REFUSED, code="113001", count=3)
    with database.read() as tx:
        (record,) = audit.trace(tx, "1.2")
    assert (record.actor, record.action, record.outcome, record.at) == (CLAIRE, "archive.reject", Outcome.REFUSED, clock.now())
    assert record.detail == {"code": "113001", "count": 3}


def test_long_names_and_addresses_do_not_stop_an_act(database: Database) -> None:
    with database.write() as tx:
        audit.record(tx, Actor("device", "x" * 500, "n" * 500, address="a" * 500), "archive.receive", object_id="o" * 500)


def test_records_are_searched_in_pages_newest_first(database: Database, clock: SetClock) -> None:
    with database.write() as tx:
        for n in range(10):
            audit.record(tx, CLAIRE if n % 2 else Actor.system("task"), f"room.act{n % 3}", study_uid=f"1.{n}")
            clock.advance(1)
    with database.read() as tx:
        assert [r.study_uid for r in audit.search(tx)] == [f"1.{n}" for n in range(9, -1, -1)]
        assert [r.study_uid for r in audit.search(tx, action="room.act0")] == ["1.9", "1.6", "1.3", "1.0"]
        assert [r.study_uid for r in audit.search(tx, actor_id="claire", limit=2)] == ["1.9", "1.7"]
        before = to_text(audit.search(tx, limit=4)[-1].at)
        assert [r.study_uid for r in audit.search(tx, before=before, limit=3)] == ["1.5", "1.4", "1.3"]
