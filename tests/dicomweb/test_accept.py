"""Accept headers as clients write them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from archipel.dicomweb.accept import Wish, parse_accept
from archipel.kit.errors import Invalid


@pytest.mark.parametrize(
    ("header", "wishes"),
    [
        ("", [Wish("*/*", False)]),
        ("*/*", [Wish("*/*", False)]),
        # OHIF 3.13 for frames
        (
            "multipart/related; type=application/octet-stream; transfer-syntax=*",
            [Wish("application/octet-stream", True, "*")],
        ),
        # dicomweb-client for an instance, and for anything
        ('multipart/related; type="application/dicom"; transfer-syntax=*', [Wish("application/dicom", True, "*")]),
        ('multipart/related; type="*/*"', [Wish("*/*", True)]),
        # Java's own client
        (
            "text/html, image/gif, image/jpeg, *; q=.2, */*; q=.2",
            [
                Wish("text/html", False), Wish("image/gif", False), Wish("image/jpeg", False), Wish("*/*", False, "", 0.2),
                Wish("*/*", False, "", 0.2),
            ],
        ),
        (
            'multipart/related;type="image/jls";transfer-syntax="1.2.840.10008.1.2.4.80";q=0.5, application/dicom',
            [Wish("application/dicom", False), Wish("image/jls", True, "1.2.840.10008.1.2.4.80", 0.5)],
        ),
        ("image/jpeg;q=0, image/png", [Wish("image/png", False)]),
        ("multipart/related", [Wish("*/*", True)]),
        ('APPLICATION/DICOM+JSON ; charset="utf-8"', [Wish("application/dicom+json", False)]),
    ],
)  # fmt: skip
def test_what_clients_write(header: str, wishes: list[Wish]) -> None:
    assert list(parse_accept([header])) == wishes


@pytest.mark.parametrize(
    "header",
    ["nonsense", "a/b/c d", "image/jpeg;q=x", "image/jpeg;q=2", "/", "image/", 'multipart/related; type="x', "image/jpeg;=3", "a" * 9000,
     "application/dicom; transfer-syntax=abc", "image/jpeg; q"],
)  # fmt: skip
def test_what_cannot_be_read(header: str) -> None:
    with pytest.raises(Invalid):
        parse_accept([header])


@settings(max_examples=300, deadline=None)
@given(st.text(alphabet='ab/;,="*q.0 1', max_size=60))
def test_anything_is_read_or_refused(header: str) -> None:
    try:
        wishes = parse_accept([header])
    except Invalid:
        return
    assert all(0 < wish.quality <= 1 for wish in wishes)
