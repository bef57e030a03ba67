"""Who may do what, and see which exams."""

from __future__ import annotations

import pytest

from archipel import directory, sharing
from archipel.directory import ROLES, Site
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import NotAllowed, NotFound

ALL = frozenset(
    [
        "exam.read",
        "exam.store",
        "exam.reject",
        "exam.download",
        "conflict.resolve",
        "device.manage",
        "site.manage",
        "account.manage",
        "system.read",
        "system.operate",
        "demo.reset",
        "audit.read",
        "identity.manage",
        "device.read",
        "device.control",
    ]
)
# Roles whose work needs no right today, or is opened to them exam by exam.
NOTHING = frozenset(
    [
        "town_doctor",
        "patient",
        "guardian",
        "rota_coordinator",
        "medical_commission_member",
        "screening_coordinator",
        "screening_physician",
        "accountant",
    ]
)
NO_EXAM = NOTHING | {"auditor", "identity_officer", "biomedical_engineer"}


def person(role: str, site: str = "default") -> Actor:
    return Actor("account", "someone", role=role, site_id=site)


def test_the_table_names_every_role_and_no_unknown_permission() -> None:
    assert set(sharing.roles()) == set(ROLES)
    assert set(sharing.PERMISSIONS) == {*ROLES, "device"}
    for rights in sharing.PERMISSIONS.values():
        assert rights <= ALL
    assert sharing.permissions_of("administrator") == ALL
    assert sharing.permissions_of("nobody") == frozenset()


def test_rights_that_must_never_move() -> None:
    for role in ROLES:
        assert sharing.may(person(role), "exam.read") is (role not in NO_EXAM)
    assert sharing.permissions_of("auditor") == {"audit.read"}
    assert sharing.permissions_of("identity_officer") == {"identity.manage"}
    for role in NOTHING:
        assert sharing.PERMISSIONS[role] == frozenset(), role
    assert sharing.permissions_of("biomedical_engineer") == {"device.read", "device.control"}
    assert {role for role in ROLES if sharing.may(person(role), "device.control")} == {"administrator", "physicist", "biomedical_engineer"}
    for role in ("nurse", "front_desk", "first_reader", "second_reader"):
        assert sharing.permissions_of(role) == {"exam.read"}, role
    for role in ("teleradiologist", "secretary"):
        assert sharing.permissions_of(role) == {"exam.read", "exam.download"}, role
    for right in ("exam.read", "exam.store", "exam.download"):
        assert sharing.may(person("archive_operator"), right)
    for right in ALL - {"exam.read", "exam.download"}:
        assert not sharing.may(person("requesting_doctor"), right)
    for right in ("site.manage", "system.operate", "demo.reset"):
        assert [role for role in ROLES if sharing.may(person(role), right)] == ["administrator"]
    assert not any(sharing.may(Actor("device", "CT1"), r) for r in ("account.manage", "conflict.resolve", "system.read", "audit.read"))
    assert not sharing.may(Actor("device", "CT1", role="administrator"), "account.manage")
    assert not sharing.may(Actor.system("task"), "exam.read")


@pytest.mark.parametrize("role", ROLES)
@pytest.mark.parametrize("permission", sorted(ALL))
def test_requiring_follows_the_table(role: str, permission: str) -> None:
    if permission in sharing.permissions_of(role):
        sharing.require(person(role), permission)
    else:
        with pytest.raises(NotAllowed, match=permission):
            sharing.require(person(role), permission)


@pytest.mark.parametrize("role", [role for role in ROLES if role not in NO_EXAM])
def test_a_scope_is_ones_own_site_but_for_two_roles(database: Database, role: str) -> None:
    with database.write() as tx:
        directory.add_site(tx, Actor.system("t"), Site("nord", "Nord"))
        scope = sharing.scope_for(tx, person(role, "nord"), "care")
        assert scope.covers("nord")
        assert scope.covers("default") is (role in ("administrator", "archive_operator"))
        assert "care" in scope.reason
        assert "someone" in scope.reason


def test_who_reads_the_trail_sees_the_acts_of_all_sites_or_of_its_own(database: Database) -> None:
    with database.write() as tx:
        directory.add_site(tx, Actor.system("t"), Site("nord", "Nord"))
        assert sharing.trace_scope_for(tx, person("auditor")).covers("nord")
        assert not sharing.trace_scope_for(tx, person("site_administrator")).covers("nord")
        for role in ("auditor", "nobody"):
            with pytest.raises(NotAllowed):
                sharing.scope_for(tx, person(role), "care")
        with pytest.raises(NotAllowed):
            sharing.trace_scope_for(tx, person("radiologist"))


def test_a_site_that_is_switched_off_shows_nothing_to_its_people_and_devices(database: Database) -> None:
    with database.write() as tx:
        directory.change_site(tx, Actor.system("t"), "default", active=False)
        for actor in (person("radiologist"), Actor("device", "CT1", site_id="default")):
            assert not sharing.scope_for(tx, actor, "retrieve").covers("default")


def test_those_who_may_not_read_get_no_scope(database: Database) -> None:
    with database.read() as tx:
        for actor in (person("nobody"), Actor.system("task")):
            with pytest.raises(NotAllowed):
                sharing.scope_for(tx, actor, "care")
        with pytest.raises(NotFound):
            sharing.scope_for(tx, person("radiologist", "gone"), "care")


def test_a_device_with_the_role_of_an_administrator_sees_its_site_only(database: Database) -> None:
    with database.read() as tx:
        scope = sharing.scope_for(tx, Actor("device", "CT1", role="administrator", site_id="default"), "retrieve")
    assert scope.covers("default")
    assert not scope.covers("nord")


def test_a_closed_site_stores_nothing(database: Database) -> None:
    with database.write() as tx:
        directory.add_site(tx, Actor.system("tests"), Site("north", "North"))
        sharing.require_store(tx, person("radiologist", "north"))
        with pytest.raises(NotAllowed, match="right"):
            sharing.require_store(tx, person("requesting_doctor", "north"))
        directory.change_site(tx, Actor.system("tests"), "north", active=False)
        with pytest.raises(NotAllowed, match="switched off"):
            sharing.require_store(tx, person("radiologist", "north"))


def test_a_site_whose_archive_is_off_stores_nothing_by_any_door(database: Database) -> None:
    system, device = Actor.system("tests"), directory.Device("CT1", "10.0.0.5", 104, "north")
    with database.write() as tx:
        directory.add_site(tx, system, Site("north", "North", services=("archive", "dose")))
        directory.add_device(tx, system, device)
        assert directory.device_for(tx, "CT1", "10.0.0.5") == device
        sharing.require_store(tx, person("technician", "north"))
        directory.change_site(tx, system, "north", services=("dose",))
        assert directory.device_for(tx, "CT1", "10.0.0.5") is None
        for actor in (person("technician", "north"), person("administrator")):
            with pytest.raises(NotAllowed, match="has no archive") as caught:
                sharing.require_store_at(tx, actor, "north")
            assert caught.value.code == "no-archive"
        assert sharing.scope_for(tx, person("technician", "north"), "care").covers("north"), "what it has stays to be read"


@pytest.mark.parametrize(
    ("host", "taken"), [("192.0.2.9", True), ("203.0.113.1", True), ("127.0.0.1", False), ("10.0.0.1", False), ("pacs", False)]
)
def test_the_training_region_calls_no_machine_that_may_exist(host: str, taken: bool) -> None:
    trainer = Actor("account", "trainer", role="administrator", site_id="demo", demo=True)
    sharing.check_device_host(person("administrator"), host)
    if taken:
        sharing.check_device_host(trainer, host)
    else:
        with pytest.raises(NotAllowed):
            sharing.check_device_host(trainer, host)
