"""Automatic links: only on the INS of a qualified identity and strict traits that agree; and what nobody links again."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archipel import audit, identity
from archipel.identity import DecisionKind, Ins, LocalId, Status, Traits, Verdict
from tests.identity.conftest import MARIE, MARIE_INS, Register

OTHER_INS = Ins("2800231555002", MARIE_INS.oid)


def test_a_qualified_ins_and_the_same_strict_traits_link(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    said = replace(MARIE, birth_family="Durand", birth_first="Mariè", birth_given_names=())
    taken = register.take("7", said, site="b", ins=Ins(MARIE_INS.number, MARIE_INS.oid))
    assert taken.linked is not None and taken.linked.is_automatic and taken.linked.kind is DecisionKind.LINK
    assert register.ids("1") == {"1@A", "7@B"}
    assert taken.record.person_id == register.person("1")
    with register.database.read() as tx:
        (record,) = audit.search(tx, action="identity.link")
    assert record.detail["automatic"] is True
    changed = [payload["person_ids"] for name, payload in register.changes() if name == "PersonsChanged"]
    assert sorted(changed[-1]) == sorted({taken.record.own_person_id, register.person("1")})


def test_a_number_with_another_trait_never_links(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    others = (
        {"birth_family": "DURANT"}, {"birth_first": "MARIE-ANNE"}, {"birth_date": "19800215"}, {"sex": "M"}, {"birth_place_insee": "31556"},
        {"birth_family": "", "used_family": "DURAND"}, {"birth_first": ""}, {"birth_date": ""}, {"sex": ""}, {"birth_place_insee": ""},
        {"birth_date": "19800200"}, {"sex": "U"},
    )  # fmt: skip
    for n, other in enumerate(others):
        taken = register.take(f"7{n}", replace(MARIE, **other), site="b", ins=MARIE_INS)  # type: ignore[arg-type]
        assert taken.linked is None, other
        assert register.ids(f"7{n}", "B") == {f"7{n}@B"}
        assert len(taken.proposed) >= 1, "a person looks at it"


def test_the_same_missing_trait_on_both_sides_is_no_agreement(register: Register) -> None:
    for name in ("birth_place_insee", "sex", "birth_date", "birth_first", "birth_family"):
        said = replace(MARIE, **{name: ""})
        register.take(f"1{name}", said, ins=MARIE_INS)
        assert register.take(f"2{name}", said, site="b", ins=MARIE_INS).linked is None


def test_perfect_homonyms_are_neither_linked_nor_proposed_when_their_numbers_differ(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    taken = register.take("7", MARIE, site="b", ins=OTHER_INS)
    assert (taken.linked, taken.proposed) == (None, ())
    without = register.take("8", MARIE, site="b")
    assert without.linked is None and len(without.proposed) == 2


@pytest.mark.parametrize("flag", ["homonym", "doubtful", "fictitious", "usurped", "collision"])
def test_a_flag_on_either_side_leaves_it_to_a_person(register: Register, flag: str) -> None:
    register.take("1", MARIE, ins=MARIE_INS, flags=frozenset({flag}))
    assert register.take("7", MARIE, site="b", ins=MARIE_INS).linked is None
    assert register.take("8", MARIE, site="b", ins=MARIE_INS, flags=frozenset({flag})).linked is None


def test_it_links_when_the_identity_becomes_qualified_later(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    first = register.take("7", MARIE, site="b", status=Status.VALIDATED)
    assert first.linked is None and len(first.proposed) == 1
    assert register.take("7", MARIE, site="b", ins=MARIE_INS, minutes=1).linked is not None
    with register.database.read() as tx:
        assert identity.count_proposals(tx, site_ids=None) == 0
        assert identity.count_proposals(tx, site_ids=None, state="linked") == 1


def test_a_person_that_contradicts_the_record_is_left(register: Register) -> None:
    """The officer linked 1 and 2 although their numbers differ: a third with one of the numbers is not pulled in."""
    one = register.take("1", MARIE, ins=MARIE_INS)
    two = register.take("2", MARIE, ins=OTHER_INS)
    register.act(identity.link, two.record.key, one.record.key)
    assert register.take("7", MARIE, site="b", ins=MARIE_INS).linked is None


def test_what_a_person_took_apart_is_not_linked_again(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    taken = register.take("7", MARIE, site="b", ins=MARIE_INS)
    assert taken.linked is not None
    register.act(identity.unlink, taken.record.key)
    assert register.ids("7", "B") == {"7@B"}
    said = replace(MARIE, used_family="PETIT")
    assert register.take("7", said, site="b", ins=MARIE_INS, minutes=5).linked is None
    assert register.take("1", said, ins=MARIE_INS, minutes=5).linked is None


def test_an_automatic_link_that_was_undone_is_not_made_again(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    taken = register.take("7", MARIE, site="b", ins=MARIE_INS)
    assert taken.linked is not None
    undone = register.act(identity.undo, taken.linked.id)
    assert register.take("7", replace(MARIE, used_family="PETIT"), site="b", ins=MARIE_INS, minutes=5).linked is None
    register.act(identity.undo, undone.id)
    assert register.ids("1") == {"1@A", "7@B"}


@pytest.mark.parametrize("verdict", [Verdict.LINK, Verdict.DIFFERENT, Verdict.LATER])
def test_an_automatic_link_whose_ground_is_gone_comes_to_the_work_list(register: Register, verdict: Verdict) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    register.take("7", MARIE, site="b", ins=MARIE_INS)
    changed = replace(MARIE, birth_date="19810214")
    register.take("7", changed, site="b", ins=MARIE_INS, minutes=5)
    assert register.ids("1") == {"1@A", "7@B"}, "nothing moves by itself"
    with register.database.read() as tx:
        (proposal,) = identity.proposals(tx, site_ids=None)
    assert proposal.reasons[0] == "link.doubtful"
    done = register.act(identity.decide, proposal.id, verdict, site_ids=None)
    assert done.state.value == {"link": "linked"}.get(verdict.value, verdict.value)
    assert (register.ids("1") == {"1@A"}) == (verdict is Verdict.DIFFERENT)
    register.take("7", replace(changed, used_family="PETIT"), site="b", ins=MARIE_INS, minutes=6)
    with register.database.read() as tx:
        assert identity.count_proposals(tx, site_ids=None) == 0, "what a person said stands"
    assert (register.ids("1") == {"1@A"}) == (verdict is Verdict.DIFFERENT)


def test_a_doubt_goes_when_the_traits_agree_again(register: Register) -> None:
    register.take("1", MARIE, ins=MARIE_INS)
    register.take("7", MARIE, site="b", ins=MARIE_INS)
    register.take("7", replace(MARIE, sex="M"), site="b", ins=MARIE_INS, minutes=5)
    register.take("7", MARIE, site="b", ins=MARIE_INS, minutes=6)
    with register.database.read() as tx:
        assert identity.count_proposals(tx, site_ids=None) == 0


def test_a_link_joins_both_persons_whole_and_comes_apart_whole(register: Register) -> None:
    taken = [register.take(value, MARIE, site=site) for value, site in (("1", "a"), ("2", "a"), ("7", "b"), ("8", "b"))]
    one, two, seven, eight = (t.record.key for t in taken)
    register.act(identity.link, two, one)
    register.act(identity.link, eight, seven)
    joint = register.act(identity.link, eight, one)
    assert register.ids("7", "B") == {"1@A", "2@A", "7@B", "8@B"}
    register.act(identity.undo, joint.id)
    assert register.ids("1") == {"1@A", "2@A"} and register.ids("7", "B") == {"7@B", "8@B"}


def test_exams_find_their_person_through_the_records(register: Register) -> None:
    one = register.take("1", MARIE)
    seven = register.take("7", MARIE, site="b")
    ids = [LocalId("1", "A"), LocalId("7", "B"), LocalId("?", "A")]
    with register.database.read() as tx:
        assert len({p.id for p in identity.persons_of(tx, ids).values()}) == 2
    link = register.act(identity.link, seven.record.key, one.record.key)
    with register.database.read() as tx:
        persons = identity.persons_of(tx, ids)
        assert set(persons) == set(ids[:2]) and len({p.id for p in persons.values()}) == 1
        assert [d.id for d in identity.decisions_of(tx, register.person("1"))] == [link.id]
    assert Traits() not in {record.traits for person in persons.values() for record in person.records}
