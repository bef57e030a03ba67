"""Character sets of DICOM text (PS3.5 6.1, PS3.3 C.12.1.1.2): reading never fails, writing says when it cannot."""

from __future__ import annotations

import re
import warnings
from functools import lru_cache

import pydicom.charset as tables

ESC = b"\x1b"
UNICODE = "ISO_IR 192"
_FRAGMENTS = re.compile(rb"^[^\x1b]+|\x1b[^\x1b]*")
_DELIMITERS = re.compile(rb"[\\\r\n\f\t]")
_PN_DELIMITERS = re.compile(rb"[\\^=\r\n\f\t]")
#: Defined terms that pydicom 3.0 does not know: Latin alphabet No. 9 (PS3.3 Tables C.12-2 and C.12-3).
_TERMS = {**tables.python_encoding, "ISO_IR 203": "iso8859_15", "ISO 2022 IR 203": "iso8859_15"}
_ESCAPES = {**tables.CODES_TO_ENCODINGS, ESC + b"-b": "iso8859_15"}
#: VRs whose text follows Specific Character Set (PS3.5 6.1.2.3).
TEXT_VRS = frozenset({"SH", "LO", "ST", "LT", "UC", "UT", "PN"})
#: VRs where a backslash is a character and not a separator (PS3.5 6.2).
SINGLE_TEXT_VRS = frozenset({"ST", "LT", "UT", "UR"})


@lru_cache(maxsize=256)
def encodings(character_set: str) -> tuple[tuple[str, ...], str]:
    """Python encodings of a Specific Character Set value (backslash separated), and a warning or ''."""
    terms = [term.strip(" \0") for term in character_set.split("\\")]
    if terms == [""]:
        return ("latin_1",), ""
    result, unknown = [], []
    for number, term in enumerate(terms):
        name = term or ("ISO_IR 6" if number == 0 else "")
        found = _TERMS.get(name) or _misspelt(name)
        if found is None:
            unknown.append(term)
        result.append(found or "latin_1")
    if terms[0] in tables.STAND_ALONE_ENCODINGS:
        result = result[:1]
    return tuple(result), f"unknown character set {unknown[0]!r}, read as Latin-1" if unknown else ""


def _misspelt(name: str) -> str | None:
    """The spellings that modalities write for a defined term: ISO-IR 100, ISO IR 100, ISO_2022_IR_87."""
    plain = re.sub(r"[ _-]", "", name.upper())
    for term, encoding in _TERMS.items():
        if term and re.sub(r"[ _-]", "", term) == plain:
            return str(encoding)
    return {"UTF8": "UTF8", "ISOIR192UTF8": "UTF8"}.get(plain)


def decode(raw: bytes, character_set: str, vr: str = "LO") -> tuple[str, bool]:
    """Text of the raw value and whether it was decoded as declared (False: read as Latin-1 or with replacements)."""
    if raw.isascii() and ESC not in raw:
        return raw.decode("ascii"), True
    python, _ = encodings(character_set)
    try:
        if ESC not in raw:
            return raw.decode(python[0]), True
        delimiters = _PN_DELIMITERS if vr == "PN" else _DELIMITERS
        return "".join(_fragment(part, python, delimiters) for part in _FRAGMENTS.findall(raw)), True
    except (UnicodeError, LookupError):
        return raw.decode("latin_1"), False


def _fragment(part: bytes, python: tuple[str, ...], delimiters: re.Pattern[bytes]) -> str:
    if not part.startswith(ESC):
        return part.decode(python[0])
    size = 4 if part[1:3] in (b"$(", b"$)") else 3
    encoding = _ESCAPES.get(part[:size])
    if encoding is None:
        raise UnicodeError("unknown escape sequence")
    if encoding in tables.handled_encodings:  # Python's codec reads the escape sequence itself
        return part.decode(encoding).replace("\x1b$)A", "")  # but the one of GB 2312
    part = part[size:]
    stop = delimiters.search(part)  # a delimiter resets to the first set (PS3.5 6.1.2.5.3)
    if stop is None:
        return part.decode(encoding)
    return part[: stop.start()].decode(encoding) + part[stop.start() :].decode(python[0])


def encode(text: str, character_set: str, vr: str = "LO") -> bytes:
    """The text in the character set; raises UnicodeError when the set has no form for it."""
    if text.isascii():
        return text.encode("ascii")
    python, unknown = encodings(character_set)
    if unknown or (character_set.strip() in ("", "ISO_IR 6", "ISO 2022 IR 6")):
        raise UnicodeEncodeError("ascii", text, 0, 1, "not in the character set")
    if len(python) == 1 and python[0] != "shift_jis":  # which would write kanji, and ISO_IR 13 has none
        return text.encode(python[0])
    parts = re.split(r"([\\^=\r\n\f\t])" if vr == "PN" else r"([\\\r\n\f\t])", text)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        raw = b"".join(tables.encode_string(part, list(python)) for part in parts if part)
    back, exact = decode(raw, character_set, vr)
    if not exact or back != text:
        raise UnicodeEncodeError("ascii", text, 0, 1, "not in the character set")
    return raw
