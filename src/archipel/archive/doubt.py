"""Doubt: whose exam is this? What contradicts what the archive holds of a study and its patient."""

from __future__ import annotations

from typing import Any

from archipel.archive.arrival import BIRTH_DATE, ISSUER, PATIENT_ID, PATIENT_NAME, SEX, TEXT_LENGTH_MAX, Arrival
from archipel.archive.model import Flag
from archipel.dicom import text

TRAITS = (PATIENT_ID, ISSUER, PATIENT_NAME, BIRTH_DATE, SEX)


def patient_key(arrival: Arrival, issuers: dict[str, str]) -> tuple[str, str]:
    """(Patient ID, issuer). Without an issuer the sending site is the issuer, known or not; without an id the study stands alone.

    All of the value counts, with what it must not hold, or 77\\1 and 77\\2 would be one patient; an id that the key cannot hold is none.
    """
    patient_id = arrival.whole(PATIENT_ID)
    if not patient_id or len(patient_id) > TEXT_LENGTH_MAX:
        return "", f"study:{arrival.study_uid}"
    site_id = arrival.source.site_id
    return patient_id, arrival.issuer or issuers.get(site_id) or f"site:{site_id}"


def is_one_person(one: Arrival, other: Arrival, issuers: dict[str, str]) -> bool:
    """Whether two instances of a study name the same patient."""
    return patient_key(one, issuers) == patient_key(other, issuers) and not _contradicts(one, _whole_traits(other))


def doubts(arrival: Arrival, study_row: Any, key: tuple[str, str], patient_row: Any | None) -> list[tuple[Flag, dict[str, str]]]:
    """What speaks against this instance's being of that study and patient, each with the traits that are held.

    ``patient_row`` is the patient of ``key``, if there is one.
    """
    found: list[tuple[Flag, dict[str, str]]] = []
    of_study = _traits(study_row.attributes)
    if key != (study_row.patient_id, study_row.issuer) or _contradicts(arrival, of_study):
        found.append((Flag.PATIENT_MISMATCH, of_study))
    elif key[0] and patient_row is not None and _contradicts(arrival, _traits(patient_row.attributes)):
        found.append((Flag.PATIENT_ATTRIBUTES, _traits(patient_row.attributes)))
    if arrival.source.site_id != study_row.site_id:
        found.append((Flag.OTHER_SITE, of_study))
    return found


def _traits(attributes: dict[str, str]) -> dict[str, str]:
    return {path: attributes.get(path, "") for path in TRAITS}


def _whole_traits(arrival: Arrival) -> dict[str, str]:
    return {path: arrival.whole(path) for path in TRAITS}


def _contradicts(arrival: Arrival, archived: dict[str, str]) -> bool:
    """Whether name, birth date or sex contradict; an absent value contradicts nothing, nor does case, accent or punctuation."""
    name, known = arrival.whole(PATIENT_NAME), archived[PATIENT_NAME]
    if name and known and name != known and (folded := text.fold(name)) and folded != text.fold(known):
        return True
    pairs = ((arrival.whole(path), archived[path]) for path in (BIRTH_DATE, SEX))
    return any(new and old and new != old for new, old in pairs)
