"""Clock, ids, scope, errors."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import insert, select

from archipel.kit import errors
from archipel.kit.clock import SetClock, SystemClock, from_text, to_text
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError
from archipel.kit.ids import new_id
from archipel.kit.scope import Scope
from tests.kit.tables import make, numbers

INSTANTS = st.datetimes(datetime(1970, 1, 1), datetime(2999, 12, 31), timezones=st.sampled_from([UTC, timezone(timedelta(hours=-9))]))


@given(INSTANTS)
def test_an_instant_survives_as_text(at: datetime) -> None:
    assert from_text(to_text(at)) == at
    assert len(to_text(at)) == 27


@given(INSTANTS, INSTANTS)
def test_instants_sort_as_text(one: datetime, other: datetime) -> None:
    assert (one < other) == (to_text(one) < to_text(other))


def test_a_set_clock_stands_until_it_is_moved() -> None:
    clock = SetClock(datetime(2026, 1, 1, 12, tzinfo=timezone(timedelta(hours=1))))
    assert clock.now() == clock.now() == datetime(2026, 1, 1, 11, tzinfo=UTC)
    clock.advance(-60)
    assert clock.now() == datetime(2026, 1, 1, 10, 59, tzinfo=UTC)
    assert SystemClock().now().tzinfo is UTC


def test_ids_are_unique_and_sort_by_their_time() -> None:
    import time

    early = [new_id() for _ in range(2000)]
    time.sleep(0.002)
    late = [new_id() for _ in range(2000)]
    assert len({*early, *late}) == 4000
    assert max(early) < min(late)
    assert all(len(one) == 32 and one[12] == "7" and one[16] in "89ab" for one in early)


def test_a_scope_is_a_condition_in_sql(database: Database) -> None:
    make(database)
    with database.write() as tx:
        tx.execute(insert(numbers), [{"id": n, "value": n} for n in (1, 2, 3)])
    from sqlalchemy import String, cast

    column = cast(numbers.c.id, String)
    with database.read() as tx:
        for scope, expected in (
            (Scope.system("test"), [1, 2, 3]),
            (Scope.everything("test"), [1, 2, 3]),
            (Scope.of_sites(["2", "3"], "test"), [2, 3]),
            (Scope.of_sites([], "test"), []),
        ):
            assert list(tx.execute(select(numbers.c.id).where(scope.condition(column)).order_by(numbers.c.id)).scalars()) == expected
            assert [n for n in (1, 2, 3) if scope.covers(str(n))] == expected


@pytest.mark.parametrize(
    "kind", [errors.Invalid, errors.NotFound, errors.NotAllowed, errors.Conflict, errors.LimitReached, errors.Unavailable]
)
def test_errors_say_what_and_keep_the_detail_for_the_log(kind: type[ArchipelError]) -> None:
    error = kind("This cannot be done.", code="some-code", detail="because of row 5", field="name")
    assert (error.public, error.code, error.field) == ("This cannot be done.", "some-code", "name")
    assert str(error) == "This cannot be done. (because of row 5)"
    own = [k for k in ArchipelError.__subclasses__() if k.__module__ == errors.__name__]
    assert len({k.kind for k in own}) == len(own) == 6
