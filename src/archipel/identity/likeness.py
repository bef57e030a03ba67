"""Two records beside each other: whether their strict traits agree, and how likely they are of one person, with the reasons.

Points are about the logarithm to base 2 of how much more often something is seen in two records of one person than of two. Birth dates
repeat in 30,000, family names in 500, first names in 60. What is missing gives nothing and takes nothing.
"""

from __future__ import annotations

from dataclasses import dataclass

from rapidfuzz.distance import DamerauLevenshtein
from rapidfuzz.fuzz import ratio

from archipel.identity.fold import family_name, first_name, fold, parts, sound
from archipel.identity.model import STRICT, Record, Traits

PROPOSED_FROM = 55
"""Score, 0 to 100, from which two records come to the work list."""
NAMELESS_MAX = 40
"""Score of two records of which no name agrees and no number: many are born on one day in one town."""
POINTS_FULL = 33.0
CLOSE, ALIKE = 90.0, 78.0


@dataclass(frozen=True)
class Likeness:
    """``score`` 0 to 100; ``reasons`` are slugs in the order of the traits, ``name.same``; words for people are with the screens."""

    score: int
    reasons: tuple[str, ...]


def concordant(a: Traits, b: Traits) -> bool:
    """Whether the strict traits are complete on both sides and agree: birth name, first birth given name, date, sex, birth place.

    Names are compared without case, accents, hyphens and apostrophes; everything else as it stands. Nothing is guessed.
    """
    for name in STRICT:
        one, other = getattr(a, name), getattr(b, name)
        if not one or not other or (fold(one) != fold(other) if name.startswith("birth_f") else one != other):
            return False
    return a.birth_date[4:6] != "00" and a.birth_date[6:] != "00" and a.sex in ("F", "M")


def compare(a: Record, b: Record) -> Likeness:
    """How likely two records are of one person."""
    names = _names(a.traits, b.traits)
    found = [*names, *_date(a.traits.birth_date, b.traits.birth_date), *_others(a.traits, b.traits), *_ins(a, b)]
    score = max(0, min(100, round(sum(points for points, _ in found) * 100 / POINTS_FULL)))
    if not any(points > 0 for points, _ in names) and not any(reason == "ins.same" for _, reason in found):
        score = min(score, NAMELESS_MAX)
    return Likeness(score, tuple(reason for _, reason in found))


def _names(a: Traits, b: Traits) -> list[tuple[float, str]]:
    family_a, family_b, first_a, first_b = family_name(a), family_name(b), first_name(a), first_name(b)
    family, first = _family(a, b), _first(a, b)
    if family and family[0] <= 0 and first:
        crossed = ratio(family_a, first_b) + ratio(first_a, family_b)
        if crossed >= 2 * CLOSE:
            return [(12.0 if crossed == 200 else 10.0, "names.reversed")]
    return [one for one in (family, first) if one]


def _family(a: Traits, b: Traits) -> tuple[float, str] | None:
    """The best that any of the family names of one says of any of the other."""
    births, useds = (fold(a.birth_family), fold(b.birth_family)), (fold(a.used_family), fold(b.used_family))
    found = []
    for n, one in enumerate((births[0], useds[0])):
        for m, other in enumerate((births[1], useds[1])):
            if one and other:
                points, reason = _family_names(one, other)
                married = n != m and births[n] != useds[n] and births[m] != useds[m] and points > 0
                found.append((min(points, 6.5), "family.married") if married else (points, reason))
    return max(found) if found else None


def _family_names(one: str, other: str) -> tuple[float, str]:
    if one == other:
        return 8.0, "family.same"
    own, others = parts(one), parts(other)
    if "".join(own) == "".join(others):
        return 7.5, "family.same"
    if set(own) < set(others) or set(others) < set(own):
        return 5.0, "family.part"
    alike = ratio(" ".join(own), " ".join(others))
    if alike >= CLOSE or DamerauLevenshtein.distance(one, other) == 1:
        return 6.0, "family.close"
    if sound(one) == sound(other) and alike >= 70:
        return 5.0, "family.sounds"
    if alike >= ALIKE:
        return 3.0, "family.alike"
    return -6.0, "family.differs"


def _first(a: Traits, b: Traits) -> tuple[float, str] | None:
    one, other = first_name(a), first_name(b)
    if not one or not other:
        return None
    if one == other or one.replace(" ", "") == other.replace(" ", ""):
        return 6.0, "first.same"
    if fold(a.used_given) == other or fold(b.used_given) == one:
        return 5.0, "first.used"
    if one.split()[0] == other.split()[0] or (min(len(one), len(other)) == 1 and one[0] == other[0]):
        return 3.5, "first.part"
    if one in map(fold, b.birth_given_names) or other in map(fold, a.birth_given_names):
        return 2.5, "first.other_given"
    alike = ratio(one, other)
    if alike >= 85 or DamerauLevenshtein.distance(one, other) == 1:
        return (4.0, "first.close") if min(len(one), len(other)) > 3 else (1.0, "first.close")
    if sound(one) == sound(other) and alike >= 65:
        return 3.0, "first.sounds"
    return -12.0, "first.differs"


def _date(one: str, other: str) -> list[tuple[float, str]]:
    if not one or not other:
        return []
    if one == other:
        return [(13.0, "date.same")] if one[4:6] != "00" and one[6:] != "00" else [(5.0, "date.same_imprecise")]
    if one[:4] == other[:4]:
        if _is_approximate(one) or _is_approximate(other):
            return [(4.0, "date.approximate")]
        if one[4:6] == other[6:] and one[6:] == other[4:6]:
            return [(9.0, "date.swapped")]
    if DamerauLevenshtein.distance(one, other) == 1:
        return [(7.0, "date.one_digit")]
    if sum(x == y for x, y in ((one[:4], other[:4]), (one[4:6], other[4:6]), (one[6:], other[6:]))) == 2:
        return [(4.0, "date.one_part")]
    if abs(int(one[:4]) - int(other[:4])) <= 2 and (_is_approximate(one) or _is_approximate(other)):
        return [(2.0, "date.approximate")]
    return [(-9.0, "date.differs")]


def _is_approximate(date: str) -> bool:
    """A year or month without the rest, or the first of January or the last of December, which stand for it."""
    return date.endswith("00") or date[4:] in ("0101", "1231")


def _others(a: Traits, b: Traits) -> list[tuple[float, str]]:
    found = []
    if a.sex in ("F", "M") and b.sex in ("F", "M"):
        found.append((1.0, "sex.same") if a.sex == b.sex else (-6.0, "sex.differs"))
    one, other = a.birth_place_insee, b.birth_place_insee
    if one and other:
        near = (1.0, "place.department") if one[:2] == other[:2] else (-3.0, "place.differs")
        found.append((5.0, "place.same") if one == other else near)
    return found


def _ins(a: Record, b: Record) -> list[tuple[float, str]]:
    one, other = a.usable_ins, b.usable_ins
    if one is None or other is None or one.oid != other.oid:
        return []
    return [(14.0, "ins.same")] if one.number == other.number else [(-22.0, "ins.differs")]
