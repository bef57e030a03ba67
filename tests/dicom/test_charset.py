"""Character sets: the examples of PS3.5 H to K, and back."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from archipel.dicom import charset

EXAMPLES = [  # PS3.5 H.3.1, H.3.2, I.2, J.1, J.2, K.2 and others of the table C.12-2
    (
        "\\ISO 2022 IR 87",
        b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B=\x1b$B$d$^$@\x1b(B^\x1b$B$?$m$&\x1b(B",
        "Yamada^Tarou=山田^太郎=やまだ^たろう",
    ),
    ("ISO 2022 IR 13\\ISO 2022 IR 87", b"\xd4\xcf\xc0\xde^\xc0\xdb\xb3=\x1b$B;3ED\x1b(J^\x1b$BB@O:\x1b(J", "ﾔﾏﾀﾞ^ﾀﾛｳ=山田^太郎"),
    ("\\ISO 2022 IR 149", b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7", "Hong^Gildong=洪^吉洞"),
    ("ISO_IR 192", "Wang^XiaoDong=王^小東".encode(), "Wang^XiaoDong=王^小東"),
    ("GB18030", b"Wang^XiaoDong=\xcd\xf5^\xd0\xa1\xb6\xab", "Wang^XiaoDong=王^小东"),
    ("ISO_IR 100", b"Buc^J\xe9r\xf4me", "Buc^Jérôme"),
    ("ISO_IR 144", b"\xbb\xee\xda\xe1\xd5\xdc\xd1\xe3\xe0\xd3", "Люксембург"),
    ("ISO_IR 126", b"\xc4\xe9\xef\xed\xf5\xf3\xe9\xef\xf2", "Διονυσιος"),
    ("ISO_IR 203", b"\xbcuvrard^Zo\xe9", "Œuvrard^Zoé"),
    ("ISO_IR 138", b"\xf9\xf8\xe5\xef^\xe3\xe1\xe5\xf8\xe4", "שרון^דבורה"),
]


@pytest.mark.parametrize(("declared", "raw", "text"), EXAMPLES)
def test_examples_are_read(declared: str, raw: bytes, text: str) -> None:
    assert charset.decode(raw, declared, "PN") == (text, True)


@pytest.mark.parametrize(("declared", "raw", "text"), EXAMPLES)
def test_examples_are_written_and_read_back(declared: str, raw: bytes, text: str) -> None:
    assert charset.decode(charset.encode(text, declared, "PN"), declared, "PN") == (text, True)


def test_a_set_that_has_no_form_for_the_text_says_so() -> None:
    for declared in "", "ISO_IR 6", "ISO_IR 100", "\\ISO 2022 IR 149", "nonsense", "ISO_IR 13":
        with pytest.raises(UnicodeError):
            charset.encode("Łódź 山田 ﾔﾏ", declared)


@given(
    raw=st.binary(max_size=60),
    declared=st.sampled_from([e[0] for e in EXAMPLES] + ["ISO_IR 9", "x\\y", "\\ISO 2022 IR 58", "ISO 2022 IR 159"]),
)
def test_reading_never_fails(raw: bytes, declared: str) -> None:
    text, exact = charset.decode(raw, declared, "PN")
    assert isinstance(text, str)
    assert exact or len(text) == len(raw)
