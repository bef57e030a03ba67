"""Structures, units, professionals and what they are in structures."""

from __future__ import annotations

from datetime import date

import pytest

from archipel import directory, migrations
from archipel.directory import Membership, Professional, Site, Structure, Unit, people
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import Conflict, Invalid, NotFound
from tests.servers import Backend

ADMIN = Actor("account", "admin", role="administrator")
# Numbers of the national HL7 examples; the key of the last one is wrong.
RPPS, OTHER, WRONG = "10100534436", "10000023084", "01234564895"
LEGAL, PLACE = Structure("970000001", "legal", "CHU"), Structure("970000018", "geographic", "CHU, site central", "970000001")


def test_a_site_refers_to_its_geographic_entity_which_belongs_to_a_legal_one(backend: Backend) -> None:
    database = Database(backend.database_url)
    migrations.upgrade(database)
    with database.write() as tx:
        directory.ensure_default_site(tx)
        with pytest.raises(NotFound):
            people.put_structure(tx, ADMIN, PLACE)
        people.put_structure(tx, ADMIN, LEGAL)
        people.put_structure(tx, ADMIN, PLACE)
        assert people.structures(tx) == [LEGAL, PLACE]
        assert directory.change_site(tx, ADMIN, "default", finess=PLACE.finess).finess == PLACE.finess
        assert directory.add_site(tx, ADMIN, Site("north", "North", finess=PLACE.finess)) == directory.site_named(tx, "north")
        for finess in (LEGAL.finess, "970000026", "97"):
            with pytest.raises(Invalid):
                directory.change_site(tx, ADMIN, "default", finess=finess)
        with pytest.raises(Conflict):
            people.put_structure(tx, ADMIN, Structure(LEGAL.finess, "geographic", "X", LEGAL.finess))
        with pytest.raises(Invalid):
            people.put_structure(tx, ADMIN, Structure("970000034", "geographic", "X", PLACE.finess))
        unit = people.put_unit(tx, ADMIN, Unit("north", "RAD", "Radiology"))
        assert people.units_of(tx, "north") == [unit] and people.units_of(tx, "default") == []
    with database.write() as tx:
        people.put_professional(tx, ADMIN, Professional(RPPS, "PICQUÉ-LÉGER", "Jean", "10"))
        people.put_membership(tx, ADMIN, Membership(RPPS, PLACE.finess, "radiologist", "2024-01-01", "2025-06-30"))
        people.put_membership(tx, ADMIN, Membership(RPPS, PLACE.finess, "radiologist", "2024-01-01", "2025-12-31"))
        assert [m.to_on for m in people.memberships(tx, rpps=RPPS)] == ["2025-12-31"]
        for day, there in (("2023-12-31", 0), ("2024-01-01", 1), ("2025-12-31", 1), ("2026-01-01", 0)):
            assert len(people.memberships(tx, on=day)) == there, day
        for text, count in (("picque", 1), ("LEGER j", 1), ("icque", 0), (RPPS[:5], 1), ("%", 1), ("jean x", 0)):
            assert people.find_professionals(tx, text)[1] == count, text
    database.close()


@pytest.mark.parametrize("finess", ["2A0000014", "2B0000020", "970000018"])
def test_a_finess_number_may_be_of_corsica(database: Database, finess: str) -> None:
    with database.write() as tx:
        assert people.put_structure(tx, ADMIN, Structure(finess, "legal", "X")).finess == finess


@pytest.mark.parametrize(
    "who",
    [
        Professional(WRONG, "A", "B"), Professional("", "A", "B"), Professional("1" * 10, "A", "B"), Professional(RPPS, " ", "B"),
        Professional(RPPS, "=1+1", "B"), Professional(RPPS, "A\nB", "B"), Professional(RPPS, "A", "@B"), Professional(RPPS, "A", "B", "x!"),
    ],
)  # fmt: skip
def test_professionals_that_are_not_well_formed_are_refused(database: Database, who: Professional) -> None:
    with database.write() as tx, pytest.raises(Invalid):
        people.put_professional(tx, ADMIN, who)


def test_an_account_takes_only_a_number_with_its_key(database: Database) -> None:
    with database.write() as tx:
        directory.add_account(tx, ADMIN, login="jean", role="radiologist")
        assert directory.change_account(tx, ADMIN, "jean", rpps=OTHER).rpps == OTHER
        with pytest.raises(Invalid):
            directory.change_account(tx, ADMIN, "jean", rpps=WRONG)


def test_codes_from_memory_are_not_offered() -> None:
    offered = directory.value_sets.coded("profession", date(2026, 1, 1))
    assert [(c.code, c.system) for c in offered] == [("10", "1.2.250.1.71.1.2.7")]
    assert directory.value_sets.coded("specialty", date(2026, 1, 1)) == []
    every = [c for name in ("profession", "specialty") for c in directory.value_sets.coded(name, date(2026, 1, 1), also_off=True)]
    assert all(c.on is not c.source.startswith("from memory") for c in every) and len(every) > 4
    assert directory.value_sets.coded("profession", date(1999, 1, 1)) == []


def test_roles_have_their_names_in_both_languages() -> None:
    assert set(directory.ROLE_NAMES) == set(directory.ROLES)
    assert all(len(names) == 2 and all(names) for names in directory.ROLE_NAMES.values())
    assert directory.ROLE_NAMES["physicist"][1] == "Medical physicist"
