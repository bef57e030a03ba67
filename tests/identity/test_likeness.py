"""How names sound, what is compared, and what each difference is worth."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from archipel.identity import Ins, LocalId, Record, Status, Traits, compare
from archipel.identity.fold import blocks, fold, sound
from archipel.identity.likeness import PROPOSED_FROM
from tests.identity.conftest import MARIE, NIR, NIR_TEST

MARRIED = replace(MARIE, used_family="LEBLANC")


def record(traits: Traits, ins: Ins | None = None, *flags: str) -> Record:
    status = Status.QUALIFIED if ins else Status.VALIDATED
    at = datetime(2026, 1, 1, tzinfo=UTC)
    return Record("k", LocalId("1", "A"), "a", False, "p", "p", traits, ins, status, frozenset(flags), "hl7", at)


@pytest.mark.parametrize(
    ("name", "folded"),
    [
        ("Lefèvre", "LEFEVRE"), ("d'Artagnan", "D ARTAGNAN"), ("LE-GALL", "LE GALL"), ("St-Martin", "SAINT MARTIN"), ("Œuvrard", "OEUVRARD"),
        ("Ste  Croix", "SAINTE CROIX"), ("  ", ""), ("Nguyễn", "NGUYEN"), ("O’Brien", "O BRIEN"), ("STEPHANE", "STEPHANE"),
    ],
)  # fmt: skip
def test_folding(name: str, folded: str) -> None:
    assert fold(name) == folded


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("LEFEBVRE", "LEFEVRE"), ("PHILIPPE", "FILIPE"), ("THIERRY", "TIERY"), ("DUPONT", "DUPOND"), ("MAURICE", "MORISSE"),
        ("DE LA TOUR", "TOUR"), ("CHRISTOPHE", "CHRISTOF"), ("QUENTIN", "KANTIN"), ("RENAULT", "RENAUD"),
    ],
)  # fmt: skip
def test_names_that_sound_alike(one: str, other: str) -> None:
    if (one, other) == ("LEFEBVRE", "LEFEVRE"):  # a silent letter inside a name: the names are alike as they are written
        assert sound(one) != sound(other) and "family.close" in compare(record(Traits(one)), record(Traits(other))).reasons
    else:
        assert sound(one) == sound(other)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({}, "date.same"), ({"birth_family": "DURANT"}, "family.close"), ({"birth_family": "DURAND GARCIA"}, "family.part"),
        ({"birth_first": "MARIE-ANNE"}, "first.part"), ({"birth_first": "ANNE"}, "first.other_given"), ({"birth_date": "19801402"}, "date.swapped"),
        ({"birth_date": "19800215"}, "date.one_digit"), ({"birth_date": "19800000"}, "date.approximate"), ({"birth_date": ""}, "family.same"),
        ({"birth_date": "19800101"}, "date.approximate"), ({"birth_family": "MARIE", "birth_first": "DURAND"}, "names.reversed"),
        ({"birth_family": "", "used_family": "LEBLANC"}, "family.same"), ({"birth_family": "LEBLANC"}, "family.married"),
    ],
)  # fmt: skip
def test_one_difference_is_still_proposed_and_says_which(change: dict[str, str], reason: str) -> None:
    likeness = compare(record(MARRIED), record(replace(MARIE, **change)))
    assert reason in likeness.reasons
    assert likeness.score >= PROPOSED_FROM
    assert set(blocks(record(MARRIED)).items()) & {
        (k, v) for k, v in blocks(record(replace(MARIE, **change))).items() if v and k.startswith("block")
    }


@pytest.mark.parametrize(
    "change",
    [
        {"birth_first": "SOPHIE", "birth_given_names": ("SOPHIE",)},  # a twin
        {"birth_first": "JEAN", "birth_given_names": ("JEAN", "LUC"), "sex": "M"},  # a twin brother
        {"birth_date": "19550730", "birth_place_insee": "75056"},  # a namesake
        {"birth_family": "PETIT", "birth_place_insee": "75056"},  # born on the same day
        {"birth_family": "", "birth_first": "", "birth_given_names": ()},  # no name at all
    ],
)
def test_twins_and_namesakes_are_not_proposed(change: dict[str, str]) -> None:
    assert compare(record(MARIE), record(replace(MARIE, **change))).score < PROPOSED_FROM


def test_numbers_speak_for_and_against() -> None:
    one, other = Ins("2800231555001", NIR), Ins("2800231555002", NIR)
    assert compare(record(MARIE, one), record(MARIE, other)).score < PROPOSED_FROM
    assert "ins.same" in compare(record(MARIE, one), record(Traits("X", "Y"), one)).reasons
    silent = compare(record(MARIE, Ins(one.value, NIR_TEST)), record(MARIE, Ins(other.value, NIR_TEST)))
    assert not [reason for reason in silent.reasons if reason.startswith("ins.")], (
        "a test number says nothing outside of the training region"
    )


def test_it_is_the_same_both_ways() -> None:
    every = [MARIE, MARRIED, replace(MARIE, birth_date="19800000"), replace(MARIE, birth_first="ANNE"), Traits("LEBLANC", "MARIE")]
    for one in every:
        for other in every:
            there, back = compare(record(one), record(other)), compare(record(other), record(one))
            assert there.score == back.score and set(there.reasons) == set(back.reasons)


def test_who_is_invented_shares_no_block() -> None:
    assert not any(value for name, value in blocks(record(MARIE, None, "fictitious")).items() if name.startswith("block_"))
