"""A40: one identifier replaces another, in any order, twice, in circles; and its undoing."""

from __future__ import annotations

from datetime import timedelta
from itertools import permutations

import pytest

from archipel import audit, identity
from archipel.identity import LocalId, Traits
from archipel.kit.errors import Conflict, Invalid
from tests.identity.conftest import MARIE, SYSTEM, T0, Register

JEAN = Traits("PETIT", "JEAN", birth_date="19500301", sex="M", birth_place_insee="75056")


def test_the_prior_joins_the_person_of_the_survivor(register: Register) -> None:
    register.take("1", MARIE)
    register.take("2", JEAN)
    decision = register.merge("1", "2", minutes=5)
    assert register.ids("1") == register.ids("2") == {"1@A", "2@A"}
    with register.database.read() as tx:
        person = identity.person_of(tx, LocalId("1", "A"))
        assert person is not None and person.best.id.value == "2", "the survivor speaks for her"
        assert [r.action for r in audit.search(tx, action="identity.merge")] == ["identity.merge"]
    assert len(decision.moved) == 1
    register.act(identity.undo, decision.id)
    assert register.ids("1") == {"1@A"} and register.ids("2") == {"2@A"}


def test_two_merges_are_undone_in_either_order(register: Register) -> None:
    for value in "123":
        register.take(value, MARIE)
    for first, then in ((0, 1), (1, 0)):
        made = [register.merge("1", "2", minutes=10 + first), register.merge("2", "3", minutes=20 + first)]
        assert register.ids("1") == {"1@A", "2@A", "3@A"}
        register.act(identity.undo, made[first].id)
        assert register.ids("2") == ({"2@A", "3@A"} if first == 0 else {"1@A", "2@A"})
        register.act(identity.undo, made[then].id)
        assert [register.ids(value) for value in "123"] == [{"1@A"}, {"2@A"}, {"3@A"}]


def test_an_undoing_can_be_undone(register: Register) -> None:
    register.take("1", MARIE)
    register.take("2", MARIE)
    merge = register.merge("1", "2")
    undone = register.act(identity.undo, merge.id)
    again = register.act(identity.undo, undone.id)
    assert register.ids("1") == {"1@A", "2@A"}
    register.act(identity.undo, again.id)
    assert register.ids("1") == {"1@A"}
    with pytest.raises(Conflict):
        register.act(identity.undo, merge.id)


def test_messages_in_any_order_come_to_the_same_end(register: Register) -> None:
    """1 into 2, then 1 into 3 (corrected), then 4 into 1: by the instants of the messages 1 and 4 are with 3, 2 is alone."""
    said = [("1", "2", 1), ("1", "3", 2), ("4", "1", 3)]
    for turn, order in enumerate(permutations(range(3))):
        for n in order:
            prior, survivor, minutes = said[n]
            register.merge(f"{turn}.{prior}", f"{turn}.{survivor}", minutes=minutes)
        assert register.ids(f"{turn}.1") == {f"{turn}.{one}@A" for one in "134"}, order
        assert register.ids(f"{turn}.2") == {f"{turn}.2@A"}, order


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_a_circle_leaves_the_last_survivor_alive(register: Register, order: tuple[int, int]) -> None:
    said = [("1", "2", 1), ("2", "1", 2)]
    for n in order:
        prior, survivor, minutes = said[n]
        register.merge(prior, survivor, minutes=minutes)
    assert register.ids("1") == {"1@A", "2@A"}
    with register.database.read() as tx:
        joined = {r.id.value: bool(r.joined_to) for r in identity.records_of(tx, register.person("1"))}
    assert joined == {"1": False, "2": True}


def test_a_circle_of_three_ends(register: Register) -> None:
    for n, (prior, survivor) in enumerate((("1", "2"), ("2", "3"), ("3", "1"))):
        register.merge(prior, survivor, minutes=n)
    assert register.ids("2") == {"1@A", "2@A", "3@A"}


def test_the_same_message_twice_is_one_decision(register: Register) -> None:
    assert register.merge("1", "2").id == register.merge("1", "2").id
    undone = register.merge("1", "2")
    register.act(identity.undo, undone.id)
    register.merge("1", "2")
    assert register.ids("1") == {"1@A"}, "what a person undid does not come back by a copy of the message"


def test_unknown_identifiers_become_known_and_are_filled_later(register: Register) -> None:
    register.merge("1", "2", minutes=5)
    assert register.ids("1") == {"1@A", "2@A"}
    taken = register.take("2", MARIE, minutes=1)
    assert not taken.outdated and taken.record.traits == MARIE, "a merge says nothing of the traits: older words still count"
    assert register.ids("1") == {"1@A", "2@A"}


def test_what_a_merge_refuses(register: Register) -> None:
    register.take("1", MARIE)
    register.take("9", MARIE, site="t")
    with pytest.raises(Invalid, match="itself"):
        register.merge("1", "1")
    at = T0 + timedelta(minutes=1)
    for other, site, code in ((LocalId("9", "T"), "a", "training-region"), (LocalId("5", "B"), "b", "merge-site")):
        with pytest.raises(Conflict) as refused:
            register.database.transact(
                lambda tx, other=other, site=site: identity.replace_id(
                    tx, SYSTEM, LocalId("1", "A"), other, site_id=site, source="hl7", at=at
                )
            )
        assert refused.value.code == code
    assert register.ids("1") == {"1@A"}


def test_a_merge_never_drags_a_record_of_another_site(register: Register) -> None:
    one = register.take("1", MARIE)
    other = register.take("7", MARIE, site="b")
    register.act(identity.link, other.record.key, one.record.key)
    register.take("2", JEAN)
    merge = register.merge("1", "2")
    assert register.ids("2") == {"1@A", "2@A"}
    assert register.ids("7", "B") == {"7@B"}
    register.act(identity.undo, merge.id)
    assert register.ids("1") == {"1@A", "7@B"}


def test_a_late_merge_does_not_undo_what_a_person_decided(register: Register) -> None:
    taken = {value: register.take(value, MARIE).record.key for value in "ABCDEF"}
    other = register.take("Z", MARIE, site="b").record.key
    register.merge("A", "B", minutes=60)
    register.act(identity.unlink, taken["A"])
    register.merge("C", "B", minutes=0)
    assert register.ids("A") == {"A@A"} and register.ids("B") == {"B@A", "C@A"}
    register.merge("D", "E", minutes=60)
    register.act(identity.link, taken["D"], other)
    register.merge("F", "E", minutes=0)
    assert register.ids("E") == {"D@A", "E@A", "F@A", "Z@B"}
