"""Steps of a sign-in: once, for a time, and not without bound."""

from __future__ import annotations

import pytest

from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.errors import LimitReached
from archipel.signin import rows_factors, steps


def test_a_step_is_taken_once_and_in_time(database: Database, clock: SetClock) -> None:
    def begin() -> None:
        database.transact(lambda tx: steps.begin(tx, "second", "s", account_id="a", subject="x"))

    begin()
    with database.write() as tx:
        assert steps.look(tx, "oidc", "s") is None and steps.look(tx, "second", "other") is None
        assert steps.look(tx, "second", "s") == steps.Step("a", "", {"subject": "x"})
        assert steps.take(tx, "second", "s") is not None
        assert steps.take(tx, "second", "s") is None
    begin()
    clock.advance(steps.STEP_S)
    with database.write() as tx:
        assert steps.take(tx, "second", "s") is None
        assert steps.is_first(tx, "jti", "j", seconds=60) and not steps.is_first(tx, "jti", "j", seconds=60)
    clock.advance(61)
    with database.write() as tx:
        assert steps.is_first(tx, "jti", "j", seconds=60)


def test_strangers_begin_so_many_and_hold_up_nobody_who_has_a_password(database: Database, clock: SetClock) -> None:
    row = {"kind": "oidc", "account_id": "", "provider": "", "payload": "{}", "expires_at": "2026-01-15T10:10:00.000000Z"}
    with database.write() as tx:
        tx.execute(rows_factors.step.insert(), [{**row, "digest": f"{n:064}"} for n in range(steps.STEPS_COUNT_MAX)])
    for kind in steps.BY_ANYONE:
        with pytest.raises(LimitReached), database.write() as tx:
            steps.begin(tx, kind, "mine")
    database.transact(lambda tx: steps.begin(tx, "second", "mine", account_id="a"))
    clock.advance(steps.STEP_S + 1)
    database.transact(lambda tx: steps.begin(tx, "oidc", "mine"))
    with database.read() as tx:
        assert rows_factors.step_count(tx) == 1, "what is over goes"
