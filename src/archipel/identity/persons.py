"""Persons by their identifiers, and back."""

from __future__ import annotations

from collections.abc import Collection

from archipel.identity import rows
from archipel.identity.model import LocalId, Person, Record
from archipel.kit.database import Tx
from archipel.kit.errors import NotFound


def person_of(tx: Tx, local_id: LocalId) -> Person | None:
    """The person that an identifier belongs to; None for one that nobody has spoken of."""
    return persons_of(tx, [local_id]).get(local_id)


def persons_of(tx: Tx, ids: Collection[LocalId]) -> dict[LocalId, Person]:
    """The persons of identifiers; those that nobody has spoken of are left out."""
    records = rows.by_ids(tx, ids)
    persons = rows.persons(tx, {record.person_id for record in records})
    return {record.id: persons[record.person_id] for record in records}


def person_with(tx: Tx, person_id: str) -> Person:
    """One person, or NotFound: there is none, or all her records belong to another now."""
    found = rows.persons(tx, [person_id]).get(person_id)
    if found is None:
        raise NotFound(f"There is no person {person_id[:32]}.", code="no-person", field="person_id")
    return found


def records_of(tx: Tx, person_id: str) -> list[Record]:
    """The records of a person, the one that speaks for her first."""
    found = rows.persons(tx, [person_id]).get(person_id)
    return sorted(found.records, key=lambda record: record.trust, reverse=True) if found else []


def ids_of_person(tx: Tx, person_id: str) -> list[LocalId]:
    """All identifiers of a person: her exams, requests, reports and doses are those that name one of them."""
    return [record.id for record in records_of(tx, person_id)]
