"""Character sets of MSH-18 (HL7 v2.5.1 2.15.9.18, table 0211), and how bytes without a true declaration are read.

What is declared is believed or refused; only where nothing is declared (or ASCII, which many mean as "whatever") the bytes decide:
UTF-8 when they are UTF-8, else Latin-1 with a note, because a name read in the wrong set is a wrong name.
"""

from __future__ import annotations

import re

from archipel.hl7.problems import refuse

UTF_8 = "UNICODE UTF-8"

_CODECS = {
    "": "ascii",
    "ASCII": "ascii",
    "8859/1": "latin-1",
    "8859/2": "iso8859-2",
    "8859/9": "iso8859-9",
    "8859/15": "iso8859-15",
    "UNICODE": "utf-8",
    "UNICODE UTF-8": "utf-8",
    # spellings that are met and leave no doubt
    "UTF-8": "utf-8",
    "UTF8": "utf-8",
    "UNICODE UTF8": "utf-8",
    "UNICODE UTF_8": "utf-8",
    "ISO-8859-1": "latin-1",
    "ISO8859-1": "latin-1",
    "ISO 8859-1": "latin-1",
    "ISO8859/1": "latin-1",
    "8859-1": "latin-1",
    "ISO-8859-15": "iso8859-15",
    "ISO8859-15": "iso8859-15",
    "ISO 8859-15": "iso8859-15",
    "ISO8859/15": "iso8859-15",
    "8859-15": "iso8859-15",
}
_TWO_BYTES_OF_UTF_8 = re.compile(rb"[\xc3][\x80-\xbf]")


def codec(declared: str) -> str:
    """Python's codec of a declared set, the first repetition of MSH-18. Raises ``Invalid`` (``table-value``) for a set that is not read."""
    found = _CODECS.get(declared.strip().upper())
    if found is None:
        refuse("table-value", "MSH-18", "The character set of MSH-18 is not one that is read: UNICODE UTF-8, 8859/1, 8859/15, ASCII.")
    return found


def decode(data: bytes, declared: str) -> tuple[str, str, tuple[str, ...]]:
    """The text, the codec that gives back the same bytes, and notes. Raises ``Invalid`` when the bytes are not of the declared set."""
    name = codec(declared)
    if name == "ascii":
        return _undeclared(data, declared)
    try:
        text = data.decode(name)
    except UnicodeDecodeError:
        refuse("data-type", "MSH-18", "The message holds bytes that are not in the character set that MSH-18 declares.")
    notes: tuple[str, ...] = ()
    if name != "utf-8" and _TWO_BYTES_OF_UTF_8.search(data) and _is_utf_8(data):
        notes = ("declared as 8859, but its bytes look like UTF-8",)
    return text, name, notes


def _undeclared(data: bytes, declared: str) -> tuple[str, str, tuple[str, ...]]:
    if data.isascii():
        return data.decode("ascii"), "utf-8", ()
    said = "declared as ASCII" if declared.strip() else "no character set declared"
    if _is_utf_8(data):
        return data.decode("utf-8"), "utf-8", (f"{said}, read as UTF-8",)
    return data.decode("latin-1"), "latin-1", (f"{said}, read as 8859/1",)


def _is_utf_8(data: bytes) -> bool:
    try:
        data.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True
