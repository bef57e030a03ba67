"""Messages of several sites at one instant: none misses the other."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

from tests.identity.conftest import MARIE, MARIE_INS, Register


def test_records_that_come_at_once_meet_and_are_made_once(register: Register) -> None:
    said = [(value, site) for value, site in (("1", "a"), ("7", "b"), ("8", "b")) for _ in range(3)]
    with ThreadPoolExecutor(len(said)) as threads:
        taken = list(threads.map(lambda one: register.take(one[0], MARIE, site=one[1], ins=MARIE_INS), said))
    assert sum(one.is_new for one in taken) == 3
    assert sum(one.linked is not None for one in taken) == 2
    assert register.ids("1") == {"1@A", "7@B", "8@B"}


def test_merges_in_a_circle_at_once_come_to_the_end_of_their_instants(register: Register) -> None:
    said = [("1", "2", 1), ("2", "3", 2), ("3", "1", 3), ("1", "2", 1)]
    with ThreadPoolExecutor(len(said)) as threads:
        list(threads.map(lambda one: register.merge(one[0], one[1], minutes=one[2]), said))
    assert register.ids("1") == {"1@A", "2@A", "3@A"}
