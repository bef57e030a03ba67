"""Searches at their bounds: numbers that no index holds, keys of many values and words, lists of UIDs, on both databases."""

from __future__ import annotations

import pytest

from archipel.kit.errors import Invalid
from tests.archive import naive
from tests.archive.test_find import DATASETS, Both, both

__all__ = ["both"]


@pytest.mark.parametrize("number", ["2147483648", "-2147483649", "9999999999", "99999999999"])
@pytest.mark.parametrize("keyword", ["SeriesNumber", "InstanceNumber"])
def test_a_number_that_no_index_holds_is_found_nowhere(both: Both, keyword: str, number: str) -> None:
    assert both.keys("IMAGE", {keyword: number}) == []
    assert both.keys("STUDY", {keyword: number}) == []


@pytest.mark.parametrize("count", [101, 900, 1100])
@pytest.mark.parametrize(
    "keyword",
    [
        "PatientName",
        "PatientID",
        "StudyDescription",
        "ModalitiesInStudy",
        "ReferringPhysicianName",
        "BodyPartExamined",
        "SOPClassesInStudy",
    ],
)
def test_a_key_has_a_bound_of_values(both: Both, keyword: str, count: int) -> None:
    for one in ("A*", "*", "1.2"):
        with pytest.raises(Invalid) as refused:
            both.keys("STUDY", {keyword: "\\".join([one] * count)})
        assert (refused.value.code, refused.value.field) == ("too-many-values", keyword)
        both.keys("STUDY", {keyword: "\\".join([one] * 100)})


def test_words_and_groups_of_names_have_a_bound_too(both: Both) -> None:
    for match, options in (
        ({"PatientName": "A " * 101}, {"fuzzy": True}), ({"PatientName": "A-" * 101}, {"fuzzy": True}),
        ({"PatientName": "A=" * 101}, {}), ({}, {"words": ("A",) * 101}),
    ):  # fmt: skip
        with pytest.raises(Invalid) as refused:
            both.keys("STUDY", match, **options)
        assert refused.value.code == "too-many-values"
    both.keys("STUDY", {"PatientName": "A " * 100}, fuzzy=True)
    both.keys("STUDY", {}, words=("A",) * 100)


def test_every_key_at_its_bound_is_not_too_deep(both: Both) -> None:
    match = {keyword: "\\".join(["A*"] * 100) for keyword in naive.LEVEL_OF if naive.vr(keyword) in ("LO", "SH", "CS", "PN")}
    assert len(match) > 5
    for level in ("PATIENT", "STUDY", "SERIES", "IMAGE"):
        both.keys(level, match)


def test_long_lists_of_uids_are_looked_up_at_once(both: Both) -> None:
    others = [f"1.2.3.4.5.{n}" for n in range(1999)]
    for level, keyword in (
        ("STUDY", "StudyInstanceUID"),
        ("SERIES", "SeriesInstanceUID"),
        ("IMAGE", "SOPInstanceUID"),
        ("IMAGE", "SOPClassUID"),
    ):
        one = str(getattr(DATASETS[0], keyword))
        assert both.keys(level, {keyword: "\\".join([one, *others])}) == both.keys(level, {keyword: one}) != []
