"""Search forms, wildcards, ranges."""

from __future__ import annotations

import sqlite3

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.dicom import text
from archipel.kit.errors import Invalid


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("Müller^Jörg", "MULLER JORG"),
        ("D’Œuvre-Saint^Éric", "D OEUVRE SAINT ERIC"),
        ("Łukasz^Đặng", "LUKASZ DANG"),
        ("Straße", "STRASSE"),
        ("ﬁche", "FICHE"),
        ("山田^太郎", "山田 太郎"),
        ("  a  ^^ b= ", "A B"),
    ],
)
def test_fold(name: str, form: str) -> None:
    assert text.fold(name) == form
    assert text.fold(form) == form


def test_fold_of_a_pattern_keeps_its_wildcards() -> None:
    assert text.fold_pattern("Dupré-*^J?an") == "DUPRE * J?AN"


@given(pattern=st.text("ab%_\\*?", max_size=8), value=st.text("ab%_\\", max_size=8))
def test_like_pattern_agrees_with_the_wildcard(pattern: str, value: str) -> None:
    with sqlite3.connect(":memory:") as db:
        db.execute("PRAGMA case_sensitive_like = ON")
        found = db.execute("SELECT ? LIKE ? ESCAPE '\\'", (value, text.like_pattern(pattern))).fetchone()[0]
    assert bool(found) == text.wildcard_match(pattern, value)


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        ("20240229", ("20240229", "20240229")),
        ("20240101-20240131", ("20240101", "20240131")),
        ("-20240131", ("00000101", "20240131")),
        ("20240101-", ("20240101", "99991231")),
        ("2024", ("20240101", "20241231")),
        ("2024.01.31", ("20240131", "20240131")),
    ],
)
def test_dates(asked: str, bounds: tuple[str, str]) -> None:
    assert text.date_range(asked) == bounds


@pytest.mark.parametrize("asked", ["", "-", "20241301", "20240230x", "20240131-20240101", "1-2-3", "٢٠٢٤٠١٠١", "20240132", "abc"])
def test_nonsense_dates(asked: str) -> None:
    with pytest.raises(Invalid):
        text.date_range(asked)


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        ("10", ("100000.000000", "105959.999999")),
        ("1000-1100", ("100000.000000", "110059.999999")),
        ("-12", ("000000.000000", "125959.999999")),
        ("101112.5", ("101112.500000", "101112.599999")),
    ],
)
def test_times(asked: str, bounds: tuple[str, str]) -> None:
    assert text.time_range(asked) == bounds


@pytest.mark.parametrize("asked", ["24", "1", "1061", "10:99", "12-11", "-", ""])
def test_nonsense_times(asked: str) -> None:
    with pytest.raises(Invalid):
        text.time_range(asked)


@pytest.mark.parametrize(
    ("asked", "bounds"),
    [
        ("20240101-20240102", ("20240101000000.000000", "20240102235959.999999")),
        ("202401011200-0500", ("20240101120000.000000", "20240101120059.999999")),
        ("202401011200+0100-202401021200+0100", ("20240101120000.000000", "20240102120059.999999")),
        ("20240101-", ("20240101000000.000000", "99991231235959.999999")),
    ],
)
def test_datetimes(asked: str, bounds: tuple[str, str]) -> None:
    assert text.datetime_range(asked) == bounds


@given(st.text(max_size=30))
def test_nothing_but_invalid_comes_out(asked: str) -> None:
    for act in text.date_range, text.time_range, text.datetime_range:
        try:
            low, high = act(asked)
            assert low <= high
        except Invalid:
            pass
    text.fold(asked), text.fold_pattern(asked), text.stored_date(asked), text.stored_time(asked)
