"""Codes of the national value sets, as dated data: ``value_sets.csv`` says from when, from which source, and whether it is switched on.

What has no source that was read is off: its codes are not offered. A code of the right form that we have no line for is taken as it
stands: the sets are longer than what we have.
"""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path

from archipel.kit.errors import Invalid

FILE = Path(__file__).parent / "value_sets.csv"
TEXTS = ("set", "system", "code", "french", "english", "from_on", "to_on", "source")
_CODE = re.compile(r"[A-Z0-9]{1,10}")


@dataclass(frozen=True)
class Coded:
    """A code of a value set with its names. ``set``: profession or specialty; ``system``: the OID of its code system."""

    set: str
    system: str
    code: str
    french: str
    english: str
    from_on: str
    to_on: str
    source: str
    on: bool


@cache
def _all() -> tuple[Coded, ...]:
    with FILE.open(encoding="utf-8", newline="") as file:
        return tuple(Coded(**{name: row[name] for name in TEXTS}, on=row["on"] == "yes") for row in csv.DictReader(file, delimiter=";"))


def coded(name: str, on: date, *, also_off: bool = False) -> list[Coded]:
    """The codes of a set (profession, specialty) that are in force on a day and switched on."""
    day = on.isoformat()
    return [c for c in _all() if c.set == name and (c.on or also_off) and c.from_on <= day and (not c.to_on or day <= c.to_on)]


def check_profession(code: str, on: date) -> str:
    """The code of a profession in force on a day, or nothing; else Invalid."""
    return _check("profession", code, on)


def check_specialty(code: str, on: date) -> str:
    """The code of a specialty in force on a day, or nothing; else Invalid."""
    return _check("specialty", code, on)


def _check(name: str, code: str, on: date) -> str:
    if code and not _CODE.fullmatch(code):
        raise Invalid(f"The code of a {name} has 1 to 10 capital letters and digits.", code=name, field=name)
    known = [c for c in _all() if c.set == name and c.code == code and c.on]
    if known and not any(c.from_on <= on.isoformat() and (not c.to_on or on.isoformat() <= c.to_on) for c in known):
        raise Invalid(f"The code {code} of a {name} is not in force on {on.isoformat()}.", code=name, field=name)
    return code
