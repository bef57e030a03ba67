"""Delimiters and escape sequences (HL7 v2.5.1 2.5.4 and 2.7), both ways.

What formatting commands mean for plain text: ``\\.br\\``, ``\\.sp\\`` and ``\\.ce\\`` are line breaks, ``\\.sk n\\`` spaces, the others and
highlighting vanish. Sequences that nobody here understands (``\\Z..\\``, ``\\C..\\``, ``\\M..\\``, a Windows path) stay as they stand.
"""

from __future__ import annotations

import re
from dataclasses import dataclass


class _Deletion(str):
    """A text that is known by being this one object: somebody's text may be two quotation marks as well."""

    __slots__ = ()


DELETE = _Deletion('""')
"""Two quotation marks: the value is to be deleted, which is not the same as saying nothing (2.5.3)."""

_FORMAT = re.compile(r"\.(br|sp|ce|sk|in|ti|fi|nf)\s*([+-]?\d{0,3})")
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Encoding:
    """The delimiters of MSH-1 and MSH-2, "" for one that is not declared, and the codec in which ``\\Xdd..\\`` is read."""

    field: str = "|"
    component: str = "^"
    repetition: str = "~"
    escape: str = "\\"
    subcomponent: str = "&"
    truncation: str = ""
    codec: str = "utf-8"

    @property
    def characters(self) -> str:
        """MSH-2."""
        return self.component + self.repetition + self.escape + self.subcomponent + self.truncation


STANDARD = Encoding()


def unescape(text: str, encoding: Encoding = STANDARD) -> str:
    """The text that an escaped one stands for. Linear; never raises."""
    mark = encoding.escape
    if not mark or mark not in text:
        return text
    out, at = [], 0
    while True:
        start = text.find(mark, at)
        end = text.find(mark, start + 1) if start >= 0 else -1
        if end < 0:
            out.append(text[at:])
            return "".join(out)
        out.append(text[at:start])
        meant = _meaning(text[start + 1 : end], encoding)
        if meant is None:  # the second mark may open a sequence of its own
            out.append(mark)
            at = start + 1
        else:
            out.append(meant)
            at = end + 1


def _meaning(sequence: str, encoding: Encoding) -> str | None:
    plain = {
        "F": encoding.field,
        "S": encoding.component,
        "T": encoding.subcomponent,
        "R": encoding.repetition,
        "E": encoding.escape,
        "P": encoding.truncation,
        "H": "",
        "N": "",
    }.get(sequence)
    if plain is not None:
        return plain or ("" if sequence in "HN" else None)
    if formatted := _FORMAT.fullmatch(sequence):
        command, number = formatted.groups()
        count = int(number) if number.strip("+-") else 1
        if command == "sk":
            return " " * max(0, count)
        return {"br": "\n", "ce": "\n", "sp": "\n" * max(1, min(count, 100))}.get(command, "")
    if coded := _HEX.fullmatch(sequence):
        try:
            return bytes.fromhex(coded[1]).decode(encoding.codec)
        except UnicodeDecodeError:
            return None
    return None


def escape(text: str, encoding: Encoding = STANDARD) -> str:
    """Text as it stands in a message: delimiters as sequences, line breaks as ``\\.br\\``, other control characters as ``\\Xdd\\``."""
    if text == DELETE:  # somebody's text, not the command
        return f"{encoding.escape}X2222{encoding.escape}" if encoding.escape else " "
    letters = {
        encoding.escape: "E",
        encoding.field: "F",
        encoding.component: "S",
        encoding.repetition: "R",
        encoding.subcomponent: "T",
        encoding.truncation: "P",
    }
    letters.pop("", None)
    special = "".join(map(re.escape, letters))
    if not re.search(f"[{special}\x00-\x1f\x7f]", text):
        return text
    mark = encoding.escape

    def sequence(found: re.Match[str]) -> str:
        character = found[0]
        if not mark:
            return " "  # the sender declared no escape character: nothing else can be written
        if character in letters:
            return f"{mark}{letters[character]}{mark}"
        return f"{mark}.br{mark}" if character in ("\n", "\r\n", "\r") else f"{mark}X{ord(character):02X}{mark}"

    return re.sub(f"\r\n|[{special}\x00-\x1f\x7f]", sequence, text)
