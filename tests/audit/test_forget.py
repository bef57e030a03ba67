"""Times of keeping: nothing goes until one is set, nothing before its day is signed, and the chain stays verifiable."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from sqlalchemy import text

from archipel import audit
from archipel.audit import Key
from archipel.audit.forget import earlier
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock
from archipel.kit.database import Database

CLAIRE = Actor("account", "claire", "Claire", "technician", "default")
DAY_S = 86_400


@pytest.fixture
def key(database: Database, tmp_path: Path) -> Key:
    made = audit.signing_key(database, tmp_path / "audit.key")
    assert made is not None
    return made


def live(database: Database, key: Key, clock: SetClock, days: int) -> None:
    """Days on which an exam is opened and one rejected, chained at once."""
    for _ in range(days):
        with database.write() as tx:
            audit.record(tx, CLAIRE, "archive.open", study_uid="1.2")
            audit.record(tx, CLAIRE, "archive.reject", study_uid="1.2")
        while database.transact(lambda tx: audit.chain(tx, key)):
            pass
        clock.advance(DAY_S)


def forget(database: Database, key: Key, **months: int) -> int:
    return database.transact(lambda tx: audit.forget(tx, key, {"access": 0, "act": 0, **months}))


def kept(database: Database) -> dict[str, int]:
    """How many records of each act there are."""
    with database.read() as tx:
        return dict(tx.execute(text("SELECT action, count(*) FROM audit_record GROUP BY action")).all())  # type: ignore[arg-type]


def test_nothing_goes_until_a_time_is_set(database: Database, key: Key, clock: SetClock) -> None:
    live(database, key, clock, 2)
    clock.advance(10_000 * DAY_S)
    assert forget(database, key) == 0
    assert kept(database) == {"archive.open": 2, "archive.reject": 2}


def test_each_kind_has_its_time_and_the_chain_stays_whole(database: Database, key: Key, clock: SetClock) -> None:
    live(database, key, clock, 70)  # 15 January to 25 March, now the 26th
    assert forget(database, key, access=1, act=2) == 42 + 11  # before 26 February, before 26 January
    assert forget(database, key, access=1, act=2) == 0
    assert kept(database) == {"archive.open": 28, "archive.reject": 59, "audit.remove": 2}
    while database.transact(lambda tx: audit.chain(tx, key)):
        pass
    found = audit.verify_chain(database, [key.public])
    assert (found.findings, found.removed_count, found.record_count) == ([], 53, 89)


def test_nothing_goes_before_its_day_is_signed(database: Database, key: Key, clock: SetClock) -> None:
    with database.write() as tx:
        audit.record(tx, CLAIRE, "archive.open", study_uid="1.2")
    clock.advance(100 * DAY_S)
    assert forget(database, key, access=1) == 0  # has no place yet
    while database.transact(lambda tx: audit.chain(tx, key)):
        pass
    assert forget(database, key, access=1) == 0  # has a place of today
    clock.advance(DAY_S)
    database.transact(lambda tx: audit.chain(tx, key))
    assert forget(database, key, access=1) == 1


@pytest.mark.parametrize(
    ("statements", "kind"),
    [
        (("UPDATE audit_removal SET record_count = 3",), "removal"),
        (("DELETE FROM audit_removal",), "removed"),
        (
            (
                "UPDATE audit_link SET removal_id = (SELECT min(id) FROM audit_removal) WHERE seq = (SELECT max(seq) FROM audit_link)",
                "DELETE FROM audit_record WHERE id = (SELECT record_id FROM audit_link WHERE seq = (SELECT max(seq) FROM audit_link))",
            ),
            "removal",
        ),
    ],
)
def test_a_record_cannot_be_passed_off_as_one_whose_time_was_over(
    database: Database, key: Key, clock: SetClock, statements: tuple[str, ...], kind: str
) -> None:
    live(database, key, clock, 40)
    assert forget(database, key, access=1)
    with database.write() as tx:
        for one in statements:
            tx.execute(text(one))
    found = audit.verify_chain(database, [key.public])
    assert kind in {one.kind for one in found.findings}


def test_months_before_a_day_end_where_the_month_does() -> None:
    assert earlier(datetime(2026, 3, 31, 12, tzinfo=UTC), 1) == datetime(2026, 2, 28, tzinfo=UTC)
    assert earlier(datetime(2024, 3, 31, tzinfo=UTC), 1) == datetime(2024, 2, 29, tzinfo=UTC)
    assert earlier(datetime(2026, 1, 15, tzinfo=UTC), 12) == datetime(2025, 1, 15, tzinfo=UTC)
    assert earlier(datetime(2026, 12, 31, tzinfo=UTC), 24) == datetime(2024, 12, 31, tzinfo=UTC)
