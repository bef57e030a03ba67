"""The work list: what is proposed, what a person decides, and the search."""

from __future__ import annotations

from dataclasses import replace

import pytest

from archipel import identity
from archipel.identity import Traits, Verdict
from archipel.kit.errors import Conflict, NotFound
from archipel.kit.scope import Scope
from tests.identity.conftest import MARIE, MARIE_INS, Register

EVERYTHING = Scope.system("tests")


def listed(register: Register, state: str = "open", site_ids: tuple[str, ...] | None = None) -> list[identity.Proposal]:
    with register.database.read() as tx:
        return identity.proposals(tx, site_ids=site_ids, state=state)


@pytest.mark.parametrize(("verdict", "state"), [(Verdict.LINK, "linked"), (Verdict.DIFFERENT, "different"), (Verdict.LATER, "later")])
def test_each_verdict(register: Register, verdict: Verdict, state: str) -> None:
    register.take("1", MARIE)
    register.take("7", replace(MARIE, birth_family="DURANT", birth_place_insee=""), site="b")
    (proposal,) = listed(register)
    assert "family.close" in proposal.reasons and "date.same" in proposal.reasons
    with register.database.read() as tx:
        pair = identity.pair_with(tx, proposal.id, site_ids=("a", "b"))
    said = {one.trait: (one.low, one.high, one.is_same) for one in pair.traits}
    assert said["birth_family"] == ("DURAND", "DURANT", False)
    assert said["birth_first"][2] is True
    assert said["birth_place_insee"] == ("31555", "", None)
    done = register.act(identity.decide, proposal.id, verdict, site_ids=None)
    assert done.state == state and done.decided_by == "officer" and listed(register) == []
    assert (register.person("1") == register.person("7", "B")) == (verdict is Verdict.LINK)
    register.take("7", replace(MARIE, birth_family="DURANT"), site="b", minutes=9)
    assert listed(register) == [], "what was decided stays decided when the record is heard again"
    if verdict is not Verdict.LINK:
        assert register.act(identity.decide, proposal.id, Verdict.LINK, site_ids=None).state == "linked"
    link = listed(register, "linked")[0].decision_id
    register.act(identity.undo, link)
    assert register.person("1") != register.person("7", "B")
    assert [p.id for p in listed(register)] == [proposal.id], "undone, it is to be decided again"


def test_who_sees_one_site_sees_no_pair_with_another(register: Register) -> None:
    register.take("1", MARIE)
    register.take("7", MARIE, site="b")
    (proposal,) = listed(register)
    assert listed(register, site_ids=("a",)) == [] and len(listed(register, site_ids=("a", "b"))) == 1
    with pytest.raises(NotFound):
        register.act(identity.decide, proposal.id, Verdict.LINK, site_ids=("a",))
    with pytest.raises(NotFound):
        register.act(identity.decide, "0" * 32, Verdict.LINK, site_ids=None)


def test_what_is_one_person_already_is_not_decided_again(register: Register) -> None:
    register.take("1", MARIE)
    register.take("7", MARIE, site="b")
    (proposal,) = listed(register)
    register.act(identity.decide, proposal.id, Verdict.LINK, site_ids=None)
    with pytest.raises(Conflict):
        register.act(identity.decide, proposal.id, Verdict.DIFFERENT, site_ids=None)


def test_a_corrected_record_takes_its_proposals_along(register: Register) -> None:
    register.take("1", MARIE)
    register.take("7", MARIE, site="b")
    register.take("7", Traits("PETIT", "JEAN", birth_date="19500301", sex="M"), site="b", minutes=1)
    assert listed(register) == []
    register.take("7", MARIE, site="b", minutes=2)
    assert len(listed(register)) == 1


def test_pages_follow_each_other(register: Register) -> None:
    for n in range(7):
        register.take(str(n), MARIE)
    seen: list[str] = []
    after = None
    with register.database.read() as tx:
        while page := identity.proposals(tx, site_ids=None, after=after, limit=5):
            seen += [p.id for p in page]
            after = (page[-1].score, page[-1].id)
        assert len(seen) == len(set(seen)) == identity.count_proposals(tx, site_ids=None) == 21


def test_the_search_forgives(register: Register) -> None:
    register.take("1", MARIE)
    register.take("7-B", Traits("DURAND-GARCÍA", "ÉLÉONORE", used_family="LEBLANC", birth_date="19800215"), site="b")
    asked = {
        "durand": {"1", "7"}, "Durand Marie": {"1"}, "marie durand": {"1"}, "dur mar": {"1"}, "éléonore": {"7"}, "leblanc": {"7"},
        "durant marie": {"1"}, "14/02/1980": {"1"}, "durand 1980-02-14": {"1"}, "19800214": {"1"}, "durand 15021980": {"7"}, "7-B": {"7"},
        "durand 01/01/1900": set(), "petit": set(), "": set(), "%": set(), "_": set(), "a" * 3000: set(), "durand garcia eleonore": {"7"},
    }  # fmt: skip
    with register.database.read() as tx:
        for text, found in asked.items():
            persons = identity.find(tx, EVERYTHING, text, limit=10)
            assert {p.best.id.value.split("-")[0] for p in persons} == found, text
            assert identity.find(tx, Scope.of_sites([], "tests"), text, limit=10) == []


def test_the_list_goes_by_whose_the_records_are_now(register: Register) -> None:
    register.take("2", MARIE, site="b")
    register.take("1", MARIE, site="b", issuer="A", source="dicom")
    with register.database.read() as tx:
        assert identity.count_proposals(tx, site_ids=["b"]) == 1
    register.take("1", MARIE, ins=MARIE_INS, minutes=5)  # its own site speaks
    with register.database.read() as tx:
        assert identity.proposals(tx, site_ids=["b"]) == []
        assert len(identity.proposals(tx, site_ids=["a", "b"])) == 1


def test_to_unlink_the_one_that_all_others_joined_is_refused(register: Register) -> None:
    register.take("A", MARIE)
    survivor = register.take("B", replace(MARIE, birth_first="LISE")).record
    register.merge("A", "B")
    with pytest.raises(Conflict, match="undo a merge"):
        register.act(identity.unlink, survivor.key)
    assert register.person("A") == register.person("B")
