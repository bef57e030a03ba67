"""Single values between their encoded form and the DICOM JSON form, by VR (PS3.5 6.2, PS3.18 F.2)."""

from __future__ import annotations

import base64
import math
import struct
from collections.abc import Sequence
from typing import Any

from archipel.dicom import charset

BINARY = {"OB": 1, "OW": 2, "OF": 4, "OL": 4, "OD": 8, "OV": 8, "UN": 1}
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d", "UV": "Q", "SV": "q"}
_ITEM_BYTES = {vr: struct.Struct("<" + code).size for vr, code in _NUMBERS.items()}
_STRIP_BOTH = frozenset({"AE", "AS", "CS", "DA", "DS", "DT", "IS", "TM", "UI"})
_EXACT_INTEGER_MAX = 2**53
_PN_GROUPS = ("Alphabetic", "Ideographic", "Phonetic")


class BadValue(ValueError):
    """A value that its VR has no form for."""


def swapped(raw: bytes, item_bytes: int) -> bytes:
    """The bytes of each item in the other order."""
    if item_bytes == 1:
        return raw
    usable = len(raw) - len(raw) % item_bytes
    out = bytearray(raw)
    for at in range(item_bytes):
        out[at:usable:item_bytes] = raw[item_bytes - 1 - at : usable : item_bytes]
    return bytes(out)


def from_bytes(vr: str, raw: bytes, big: bool, character_set: str) -> dict[str, Any]:
    """The JSON members of an element's value: Value or InlineBinary, or none when it is empty."""
    if vr in BINARY:
        data = swapped(raw, BINARY[vr]) if big else raw
        return {"InlineBinary": base64.b64encode(data).decode("ascii")} if data else {}
    if vr in _NUMBERS:
        size = _ITEM_BYTES[vr]
        many = struct.Struct(f"{'>' if big else '<'}{len(raw) // size}{_NUMBERS[vr]}")
        values: list[Any] = [_number(one) for one in many.unpack(raw[: many.size])]
    elif vr == "AT":
        words = struct.Struct(f"{'>' if big else '<'}{len(raw) // 4 * 2}H").unpack(raw[: len(raw) // 4 * 4])
        values = [f"{words[at]:04X}{words[at + 1]:04X}" for at in range(0, len(words), 2)]
    else:
        values = _text_values(vr, raw, character_set)
    return {"Value": values} if values else {}


def _number(value: int | float) -> float | str:
    if isinstance(value, float):
        if math.isfinite(value):
            return value
        return "NaN" if math.isnan(value) else ("Infinity" if value > 0 else "-Infinity")
    return value if abs(value) <= _EXACT_INTEGER_MAX else str(value)


def _text_values(vr: str, raw: bytes, character_set: str) -> list[Any]:
    text = charset.decode(raw, character_set, vr)[0] if vr in charset.TEXT_VRS else raw.decode("latin_1")
    text = text.rstrip(" \0")
    if not text:
        return []
    if vr in charset.SINGLE_TEXT_VRS:
        return [text]
    parts = text.split("\\")
    if vr == "PN":
        return [_person(part) for part in parts]
    if vr in ("DS", "IS"):
        return [_decimal(vr, part.strip(" \0")) for part in parts]
    trim = str.strip if vr in _STRIP_BOTH else str.rstrip
    return [trim(part, " \0") or None for part in parts]


def _decimal(vr: str, text: str) -> float | int | str | None:
    if not text:
        return None
    try:
        if vr == "IS":
            number = int(text)
            return number if abs(number) <= _EXACT_INTEGER_MAX and "_" not in text else text
        value = float(text)
    except ValueError:
        return text
    return value if math.isfinite(value) and "_" not in text else text


def _person(text: str) -> dict[str, str] | None:
    groups = {name: part.rstrip(" \0") for name, part in zip(_PN_GROUPS, text.split("="), strict=False)}
    return {name: part for name, part in groups.items() if part} or None


def to_bytes(vr: str, values: Sequence[Any], big: bool, character_set: str) -> bytes:
    """The encoded value, of even length; raises BadValue, or UnicodeError when the character set has no form for it."""
    try:
        if vr in _NUMBERS:
            convert = float if vr in ("FL", "FD") else int
            return struct.Struct(f"{'>' if big else '<'}{len(values)}{_NUMBERS[vr]}").pack(*(convert(one) for one in values))
        if vr == "AT":
            words = [word for one in values for word in (int(str(one)[:4], 16), int(str(one)[4:8], 16))]
            return struct.Struct(f"{'>' if big else '<'}{len(words)}H").pack(*words)
        text = "\\".join(_text_of(vr, one) for one in values)
    except (ValueError, TypeError, OverflowError, struct.error) as error:
        raise BadValue(f"{values!r:.80} is no value for {vr}") from error
    raw = charset.encode(text, character_set, vr) if vr in charset.TEXT_VRS else text.encode("latin_1", "replace")
    return raw + (b"\0" if vr == "UI" else b" ") if len(raw) % 2 else raw


def _text_of(vr: str, one: Any) -> str:
    if one is None:
        return ""
    if vr == "PN":
        if isinstance(one, str):
            return one
        return "=".join(str(one.get(name) or "") for name in _PN_GROUPS).rstrip("=") if isinstance(one, dict) else _refuse(one)
    if isinstance(one, (bool, dict, list)):
        return _refuse(one)
    if vr == "DS" and isinstance(one, (int, float)):
        return _decimal_text(one)
    if vr == "IS" and isinstance(one, float):
        return str(int(one)) if one.is_integer() else _refuse(one)
    return str(one)


def _refuse(one: Any) -> str:
    raise BadValue(f"{one!r:.80} is no text")


def _decimal_text(number: float) -> str:
    """At most 16 characters (PS3.5 6.2, DS)."""
    if not math.isfinite(number):
        return _refuse(number)
    text = repr(number)
    text = text.removesuffix(".0")
    digits = 16
    while len(text) > 16:
        digits -= 1
        text = f"{number:.{digits}g}"
    return text
