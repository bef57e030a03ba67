"""The benchmark at a size for a test: no automatic link is wrong, and records find their person."""

from __future__ import annotations

from pathlib import Path

from benchmarks.identity import run


def test_no_automatic_link_is_wrong_and_most_records_find_their_person(tmp_path: Path) -> None:
    figures = run(tmp_path, 5000, 600, searches_each=10)
    assert figures["wrong_links"] == 0
    assert figures["links"] > 30
    assert figures["recall"]["at_1"] > 0.95 and figures["recall"]["at_10"] > 0.97
    assert figures["proposals_per_stranger"] < 0.3
    assert {kind for kind, counts in figures["kinds"].items() if counts["at_10"] < 0.9 * counts["all"]} <= {"two_errors", "three_errors"}
    assert all(form["found"] >= 0.9 for name, form in figures["find"].items() if name != "nobody")
