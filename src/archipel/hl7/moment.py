"""Dates and times of HL7 v2 (2.5.1 2.A.21 DT, 2.A.22 DTM, 2.A.77 TS): as precise as they were said, and in the zone that was said."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone, tzinfo

from archipel.hl7.problems import refuse

_FORM = re.compile(r"(\d{4})(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:(\d\d)(?:\.(\d{1,6}))?)?)?)?)?)?([+-]\d{4})?", re.ASCII)
_PRECISIONS = ("year", "month", "day", "hour", "minute", "second", "fraction")


@dataclass(frozen=True, slots=True)
class Moment:
    """A point of time as it was written. ``precision`` is year, month, day, hour, minute, second or fraction; ``offset_minutes`` None
    without a zone."""

    text: str
    precision: str
    naive: datetime
    offset_minutes: int | None = None

    @property
    def on(self) -> date | None:
        """The calendar day, None when it is less precise than a day."""
        return None if self.precision in ("year", "month") else self.naive.date()

    def at(self, zone: tzinfo) -> datetime | None:
        """The instant in UTC; ``zone`` is that of the sender, for text without an offset. None when it is less precise than an hour."""
        if self.precision in ("year", "month", "day"):
            return None
        own = zone if self.offset_minutes is None else timezone(timedelta(minutes=self.offset_minutes))
        try:
            return self.naive.replace(tzinfo=own).astimezone(UTC)
        except OverflowError:  # 9999 and 0001 stand for "never" and "always"
            return self.naive.replace(tzinfo=UTC)


def moment(text: str, path: str) -> Moment | None:
    """Read ``YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ]``; None for "". Raises ``Invalid`` (``data-type``) at that place.

    A leap second (:60) is read as the second before; noughts for the time of day count as said.
    """
    if not text:
        return None
    found = _FORM.fullmatch(text)
    if not found:
        refuse("data-type", path, "A date or time is written YYYY[MM[DD[HH[MM[SS[.S]]]]]][+/-ZZZZ].")
    *parts, offset = found.groups()
    given = [part for part in parts if part]
    numbers = [int(part) for part in given[:6]]
    if len(numbers) == 6:
        numbers[5] -= numbers[5] == 60
    year, month, day, hour, minute, second = (numbers + [1, 1, 1, 0, 0, 0][len(numbers) :])[:6]
    fraction = int(given[6].ljust(6, "0")) if len(given) == 7 else 0
    try:
        naive = datetime(year, month, day, hour, minute, second, fraction)  # noqa: DTZ001 the sender's zone is not known here
        shift = _minutes(offset)
        if abs(shift or 0) > 14 * 60:
            raise ValueError(offset)
    except ValueError:
        refuse("data-type", path, "This date or time is in no calendar.")
    return Moment(text, _PRECISIONS[len(given) - 1], naive, shift)


def _minutes(offset: str | None) -> int | None:
    if not offset:
        return None
    hours, minutes = int(offset[1:3]), int(offset[3:])
    if minutes > 59:
        raise ValueError(offset)
    return (hours * 60 + minutes) * (-1 if offset[0] == "-" else 1)


@dataclass(frozen=True, slots=True)
class BirthDate:
    """A date of birth as French registers know it.

    ``precision`` is day, month, year or unknown. ``lunar`` holds (day, month, year) of a date that is in no Gregorian calendar; ``on`` is
    None then. ``is_corrected`` when the sender replaced parts that were not known (ZFD-4).
    """

    text: str
    on: date | None = None
    precision: str = "unknown"
    lunar: tuple[str, str, str] | None = None
    is_corrected: bool = False


def birth_date(text: str, path: str) -> BirthDate:
    """Read PID-7: a day, a month or a year; noughts for what is not known; a day or month that no calendar has is lunar.

    Raises ``Invalid`` (``data-type``) for what is no digits or has no whole number of parts.
    """
    digits = re.fullmatch(r"(\d{4})(\d\d)?(\d\d)?(?:\d{2}(?:\d{2}(?:\d{2}(?:\.\d{1,6})?)?)?)?(?:[+-]\d{4})?", text, re.ASCII)
    if not digits:
        refuse("data-type", path, "A date of birth is written YYYY[MM[DD]].")
    year, month, day = digits[1], digits[2] or "00", digits[3] or "00"
    if year == "0000":
        return BirthDate(text)
    if month == "00":
        return BirthDate(text, precision="year")
    if day == "00":
        return BirthDate(text, precision="month") if int(month) <= 12 else BirthDate(text, lunar=(day, month, year))
    try:
        return BirthDate(text, date(int(year), int(month), int(day)), "day")
    except ValueError:
        return BirthDate(text, lunar=(day, month, year))
