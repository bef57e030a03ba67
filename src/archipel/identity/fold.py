"""Names and dates brought to a form in which they can be compared and looked up: no accents, hyphens, particles; how a name sounds."""

from __future__ import annotations

import re
import unicodedata

from archipel.identity.model import Record, Traits

PARTICLES = frozenset(
    ("D", "DE", "DEL", "DELLA", "DES", "DI", "DO", "DOS", "DU", "L", "LA", "LE", "LES", "VAN", "VON", "DER", "DEN", "TEN", "EL", "AL")
)  # fmt: skip
_ABBREVIATED = {"ST": "SAINT", "STE": "SAINTE"}
_SOUNDS = (
    ("EAUX", "O"), ("EAU", "O"), ("AUX", "O"), ("AULT", "O"), ("AU", "O"), ("OE", "E"), ("AI", "E"), ("EI", "E"), ("PH", "F"), ("TH", "T"),
    ("CK", "K"), ("QU", "K"), ("GU", "G"), ("GN", "N"), ("SCH", "S"), ("CH", "S"), ("SH", "S"),
)  # fmt: skip
_LETTERS = str.maketrans({"Q": "K", "Z": "S", "X": "S", "Y": "I", "W": "V", "J": "G", "H": None})


def fold(text: str) -> str:
    """Upper case without accents; hyphens, apostrophes and the like as one blank; SAINT in full."""
    decomposed = unicodedata.normalize("NFKD", text.replace("œ", "oe").replace("Œ", "OE").replace("æ", "ae").replace("Æ", "AE"))
    letters = "".join(c for c in decomposed if not unicodedata.combining(c)).upper()
    parts = re.findall(r"\w+", letters.replace("_", " "))
    return " ".join(_ABBREVIATED.get(part, part) for part in parts)


def parts(folded: str) -> list[str]:
    """The parts of a folded name without its particles; all of them when it has no others."""
    every = folded.split()
    return [part for part in every if part not in PARTICLES] or every


def sound(folded: str) -> str:
    """How the first part of a name that is no particle sounds: its first sound and the consonants that are heard, at most 6."""
    name = parts(folded)[0] if folded else ""
    for written, heard in _SOUNDS:
        name = name.replace(written, heard)
    name = re.sub(r"C(?=[EIY])", "S", name).translate(_LETTERS).replace("C", "K")
    name = re.sub(r"(?<=..)[DTSEP]+$", "", name)
    code = name[:1] + re.sub("[AEIOU]", "", name[1:])
    return re.sub(r"(.)\1+", r"\1", code)[:6]


def first_name(traits: Traits) -> str:
    """The first given name, folded: of birth, else the one that is used."""
    return fold(traits.birth_first or (traits.birth_given_names[0] if traits.birth_given_names else "") or traits.used_given)


def family_name(traits: Traits) -> str:
    """The family name of birth, folded; else the one that is used."""
    return fold(traits.birth_family or traits.used_family)


def blocks(record: Record) -> dict[str, str]:
    """The indexed columns of a record; "" where it has not what the column needs, or where its traits are nobody's.

    Two records are compared when one of these is the same: the whole date; both names in either order; first name and year; day of the
    year and family name, or first name. A record that shares none of them has errors in both names and in the date.
    """
    t = record.traits
    family, used, first = family_name(t), fold(t.used_family), first_name(t)
    found = {
        "family_folded": family, "used_folded": used if used != family else "", "first_folded": first, "block_date": "",
        "block_names": "", "block_used": "", "block_first_year": "", "block_day_family": "", "block_day_first": "",
    }  # fmt: skip
    if record.is_invented:
        return found
    date = t.birth_date
    if date[4:] not in ("", "0000") and not date.endswith("00"):
        found["block_date"] = date
    f, u, g = sound(family), sound(used), sound(first)
    if f and g:
        found["block_names"] = " ".join(sorted((f, g)))
    if u and g and u != f:
        found["block_used"] = " ".join(sorted((u, g)))
    if date and g:
        found["block_first_year"] = f"{date[:4]} {g} {family[:1]}"
    if found["block_date"] and f:
        found["block_day_family"] = f"{date[4:]} {f}"
    if found["block_date"] and g:
        found["block_day_first"] = f"{date[4:]} {g} {family[:1]}"
    return found
