"""Search forms of text, wildcards and ranges of dates and times (PS3.4 C.2.2.2)."""

from __future__ import annotations

import re
import unicodedata

from archipel.kit.errors import Invalid

_LETTERS = str.maketrans(
    {"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE", "ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "ð": "d", "Ð": "D",
     "þ": "th", "Þ": "TH", "ß": "ss", "ẞ": "SS", "ı": "i", "ħ": "h", "Ħ": "H", "ŧ": "t", "Ŧ": "T", "ŋ": "n", "Ŋ": "N"}
)  # fmt: skip
_SEPARATORS = re.compile(r"[\s\-'’‘ʼ`´^=.,;_/‐-―]+")


def fold(text: str) -> str:
    """Search form: no accents, ligatures opened, upper case; hyphen, apostrophe, caret and the like become one space."""
    opened = unicodedata.normalize("NFKD", text.translate(_LETTERS))
    bare = "".join(c for c in opened if not unicodedata.combining(c))
    return _SEPARATORS.sub(" ", bare.upper()).strip()


def fold_pattern(text: str) -> str:
    """Search form of a pattern: as ``fold``, with ``*`` and ``?`` kept where they are."""
    return "".join(part if part in "*?" else _fold_part(part) for part in re.split(r"([*?])", text) if part).strip()


def _fold_part(part: str) -> str:
    folded = fold(part)
    if not folded:
        return " " if _SEPARATORS.search(part) else ""
    before = " " if _SEPARATORS.match(part) else ""
    after = " " if _SEPARATORS.match(part[::-1]) else ""
    return before + folded + after


def has_wildcard(text: str) -> bool:
    """Whether the text holds ``*`` or ``?`` (PS3.4 C.2.2.2.4)."""
    return "*" in text or "?" in text


def like_pattern(text: str) -> str:
    """SQL LIKE pattern (escape character backslash) of a DICOM wildcard: ``*`` -> ``%``, ``?`` -> ``_``, the rest literal."""
    escaped = text.replace("\\", "\\\\").replace("%", "\\%").replace("_", "\\_")
    return re.sub(r"\*+", "*", escaped).replace("*", "%").replace("?", "_")


def wildcard_match(pattern: str, text: str) -> bool:
    """Whether the text matches a DICOM wildcard pattern, case kept."""
    expression = "".join(".*" if c == "*" else "." if c == "?" else re.escape(c) for c in re.sub(r"\*+", "*", pattern))
    return re.fullmatch(expression, text, re.DOTALL) is not None


_DATE = re.compile(r"(\d{4})(\d\d)?(\d\d)?\Z")
_OLD_DATE = re.compile(r"(\d{4})[.-](\d\d)[.-](\d\d)\Z")
_TIME = re.compile(r"(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?\Z")
_OLD_TIME = re.compile(r"(\d\d):(\d\d)(?::(\d\d)(?:\.(\d{1,6}))?)?\Z")
_DATETIME = re.compile(r"(\d{4}(?:\d\d){0,2})((?:\d\d){0,3})(\.\d{1,6})?([+-]\d{4})?\Z")
_DAYS = (31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31)

DATE_MIN, DATE_MAX = "00000101", "99991231"
TIME_MIN, TIME_MAX = "000000.000000", "235959.999999"


def _nonsense(text: str, what: str) -> Invalid:
    return Invalid(f"{what} {text[:40]!r} cannot be read; write {_SHAPES[what]}", code="bad-range", detail=repr(text[:200]))


_SHAPES = {
    "The date": "YYYYMMDD, YYYYMMDD-YYYYMMDD, -YYYYMMDD or YYYYMMDD-",
    "The time": "HHMMSS.FFFFFF or a range HHMMSS-HHMMSS",
    "The date and time": "YYYYMMDDHHMMSS.FFFFFF or a range",
}


def _range(text: str, what: str) -> tuple[str, str]:
    if text.count("-") > 1 or text.strip() in ("", "-"):
        raise _nonsense(text, what)
    low, dash, high = text.partition("-")
    return low.strip(), (high.strip() if dash else low.strip())


def date_range(text: str) -> tuple[str, str]:
    """Bounds ``(YYYYMMDD, YYYYMMDD)``, both included, of a DA value or range; Invalid on nonsense (PS3.4 C.2.2.2.5)."""
    text = text.strip(" \0")
    if _OLD_DATE.match(text):
        text = re.sub(r"[.-]", "", text)
    low, high = _range(text, "The date")
    bounds = (_date(low, text, False) if low else DATE_MIN, _date(high, text, True) if high else DATE_MAX)
    if bounds[0] > bounds[1]:
        raise Invalid(f"The date range {text!r} ends before it starts", code="bad-range")
    return bounds


def _date(one: str, text: str, last: bool) -> str:
    found = _DATE.match(one.replace(".", "")) if one.isascii() else None
    if found is None:
        raise _nonsense(text, "The date")
    year, month, day = found.groups()
    month = month or ("12" if last else "01")
    if not 1 <= int(month) <= 12:
        raise _nonsense(text, "The date")
    day = day or (str(_DAYS[int(month) - 1]) if last else "01")
    if not 1 <= int(day) <= _DAYS[int(month) - 1]:
        raise _nonsense(text, "The date")
    return year + month + day


def time_range(text: str) -> tuple[str, str]:
    """Bounds ``(HHMMSS.FFFFFF, HHMMSS.FFFFFF)``, both included; parts left out mean the whole hour, minute or second."""
    text = text.strip(" \0")
    low, high = _range(text, "The time")
    bounds = (_time(low, text, "0") if low else TIME_MIN, _time(high, text, "9") if high else TIME_MAX)
    if bounds[0] > bounds[1]:
        raise Invalid(f"The time range {text!r} ends before it starts", code="bad-range")
    return bounds


def _time(one: str, text: str, fill: str) -> str:
    found = (_TIME.match(one) or _OLD_TIME.match(one)) if one.isascii() else None
    if found is None:
        raise _nonsense(text, "The time")
    hour, minute, second, fraction = found.groups()
    edge = "59" if fill == "9" else "00"
    minute, second = minute or edge, second or edge
    if int(hour) > 23 or int(minute) > 59 or int(second) > 60:
        raise _nonsense(text, "The time")
    return f"{hour}{minute}{second}.{(fraction or '').ljust(6, fill)}"


def datetime_range(text: str) -> tuple[str, str]:
    """Bounds ``(YYYYMMDDHHMMSS.FFFFFF, ...)``, both included, local as written: a UTC offset is read and left out."""
    text = text.strip(" \0")
    whole = _DATETIME.match(text)
    if whole and not (whole.group(4) and text.count("-") == 1 and _DATETIME.match(text.partition("-")[2]) and whole.group(4) > "-1400"):
        return _datetime(text, text, False), _datetime(text, text, True)
    for dash in (i for i, c in enumerate(text) if c == "-"):
        low, high = text[:dash], text[dash + 1 :]
        if all(not side or _DATETIME.match(side) for side in (low, high)) and (low or high):
            first = _datetime(low, text, False) if low else DATE_MIN + TIME_MIN
            bounds = (first, _datetime(high, text, True) if high else DATE_MAX + TIME_MAX)
            if bounds[0] > bounds[1]:
                raise Invalid(f"The range {text!r} ends before it starts", code="bad-range")
            return bounds
    raise _nonsense(text, "The date and time")


def _datetime(one: str, text: str, last: bool) -> str:
    found = _DATETIME.match(one) if one.isascii() else None
    if found is None:
        raise _nonsense(text, "The date and time")
    date, clock, fraction, _ = found.groups()
    whole_day = TIME_MAX if last else TIME_MIN
    if fraction and len(clock) < 6:
        raise _nonsense(text, "The date and time")
    time = _time(clock + (fraction or ""), text, "9" if last else "0") if clock else whole_day
    return _date(date, text, last) + time


def stored_date(value: str) -> str:
    """The sortable form ``YYYYMMDD`` of a stored DA value, '' when it is empty or cannot be read."""
    try:
        return date_range(value)[0] if value.strip(" \0") and "-" not in value[8:] else ""
    except Invalid:
        return ""


def stored_time(value: str) -> str:
    """The sortable form ``HHMMSS.FFFFFF`` of a stored TM value, '' when it is empty or cannot be read."""
    try:
        return time_range(value)[0] if value.strip(" \0") and "-" not in value else ""
    except Invalid:
        return ""
