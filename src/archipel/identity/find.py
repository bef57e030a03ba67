"""Find persons by what somebody types: names in any order, accents or not, a birth date in any form, an identifier, a matricule."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date

from archipel.identity import rows, rows_match
from archipel.identity.fold import fold, sound
from archipel.identity.model import Person, Record
from archipel.kit.database import Tx
from archipel.kit.scope import Scope

WORDS_MAX = 5
_DATES = (
    (re.compile(r"(\d{4})[-/.]?(\d\d)[-/.]?(\d\d)"), (0, 1, 2)),
    (re.compile(r"(\d\d?)[-/.](\d\d?)[-/.](\d{4})"), (2, 1, 0)),
    (re.compile(r"(\d\d)(\d\d)(\d{4})"), (2, 1, 0)),
)


@dataclass(frozen=True)
class _Asked:
    words: tuple[str, ...]
    birth_date: str
    codes: tuple[str, ...]


def find(tx: Tx, scope: Scope, text: str, *, birth_date: str = "", limit: int = 50) -> list[Person]:
    """Persons with a record that the reader sees and that meets all that was typed, the nearest first.

    Words are beginnings of names; where none begin so, names that sound so are taken. ``birth_date`` is YYYYMMDD, or within the text in
    any form.
    """
    asked = _asked(text, birth_date)
    found = {r.key: r for r in _records(tx, scope, asked) if _meets(r, asked)}
    if not found and len(asked.words) == 2:
        block = " ".join(sorted(map(sound, asked.words)))
        heard = rows_match.in_block(tx, scope, ("block_names", "block_used"), block)
        found = {r.key: r for r in heard if not asked.birth_date or r.traits.birth_date == asked.birth_date}
    best = sorted(found.values(), key=lambda r: (not _is_exact(r, asked), r.traits.birth_family or r.traits.used_family, r.key))
    ids = list(dict.fromkeys(r.person_id for r in best))[:limit]
    persons = rows.persons(tx, ids)
    return [persons[one] for one in ids]


def _records(tx: Tx, scope: Scope, asked: _Asked) -> list[Record]:
    if asked.codes:
        return rows_match.with_code(tx, scope, asked.codes[0])
    if asked.birth_date:
        return rows_match.in_block(tx, scope, ("block_date",), asked.birth_date)
    return rows_match.named_like(tx, scope, asked.words) if asked.words else []


def _asked(text: str, birth_date: str) -> _Asked:
    words: list[str] = []
    codes: list[str] = []
    for piece in text.split()[: 2 * WORDS_MAX]:
        born = _date(piece)
        if born:
            birth_date = birth_date or born
        elif any(c.isdigit() for c in piece):
            codes.append(piece)
        else:
            words += fold(piece).split()
    return _Asked(tuple(words[:WORDS_MAX]), birth_date, tuple(codes))


def _date(piece: str) -> str:
    for pattern, (year, month, day) in _DATES:
        found = pattern.fullmatch(piece)
        if found:
            y, m, d = (int(found.groups()[n]) for n in (year, month, day))
            try:
                if 1850 <= y <= 2200:
                    return date(y, m, d).strftime("%Y%m%d")
            except ValueError:
                continue
    return ""


def _meets(r: Record, asked: _Asked) -> bool:
    if asked.birth_date and r.traits.birth_date != asked.birth_date:
        return False
    names = _names(r)
    return all(any(name.startswith(word) for name in names) for word in asked.words)


def _names(r: Record) -> set[str]:
    t = r.traits
    every = (t.birth_family, t.birth_first, t.used_family, t.used_given, *t.birth_given_names)
    return {part for name in every for part in fold(name).split()}


def _is_exact(r: Record, asked: _Asked) -> bool:
    return set(asked.words) <= _names(r)
