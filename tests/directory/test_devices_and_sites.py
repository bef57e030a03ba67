"""Devices call from their own address; sites and their services."""

from __future__ import annotations

import pytest

from archipel import audit, directory
from archipel.directory import Device, Site
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import Conflict, Invalid, NotFound

ADMIN = Actor("account", "admin", role="administrator")


def known(database: Database, host: str, address: str, *, aet: str = "CT1", **more: object) -> bool:
    with database.write() as tx:
        directory.add_device(tx, ADMIN, Device("CT1", host, 104, "default", **more))  # type: ignore[arg-type]
        return directory.device_for(tx, aet, address) is not None


@pytest.mark.parametrize(
    ("host", "address", "expected"),
    [
        ("10.0.0.5", "10.0.0.5", True), ("10.0.0.5", "10.0.0.6", False), ("10.0.0.5", "::ffff:10.0.0.5", True),
        ("::ffff:10.0.0.5", "10.0.0.5", True), ("fd00::1", "fd00:0:0::1", True), ("fe80::1", "fe80::1%eth0", True),
        ("localhost", "127.0.0.1", True), ("localhost", "::ffff:127.0.0.1", True), ("localhost", "10.0.0.1", False),
        ("no-such-host.invalid", "10.0.0.1", False), ("10.0.0.5", "", False), ("10.0.0.5", "not an address", False),
        ("localhost", "", False), ("127.1", "10.0.0.1", False),
    ],
)  # fmt: skip
def test_a_device_is_known_from_its_own_address_only(database: Database, host: str, address: str, expected: bool) -> None:
    assert known(database, host, address) is expected


def test_a_device_that_is_unknown_or_switched_off_or_of_a_site_that_is_gets_nothing(database: Database) -> None:
    assert known(database, "10.0.0.5", "10.0.0.5", aet=" CT1 ")
    assert not known(database, "10.0.0.5", "10.0.0.5", aet="ct1")
    assert not known(database, "10.0.0.5", "10.0.0.5", aet="CT2")
    assert not known(database, "10.0.0.5", "10.0.0.5", active=False)
    assert known(database, "10.0.0.5", "10.0.0.5")
    with database.write() as tx:
        directory.change_site(tx, ADMIN, "default", services=("dose",))
        assert directory.device_for(tx, "CT1", "10.0.0.5") is None
        directory.change_site(tx, ADMIN, "default", services=("archive",), active=False)
        assert directory.device_for(tx, "CT1", "10.0.0.5") is None


def test_the_same_title_twice_is_one_device(database: Database) -> None:
    with database.write() as tx:
        directory.add_device(tx, ADMIN, Device("CT1", "10.0.0.5", 104, "default"))
        directory.add_device(tx, ADMIN, Device("CT1 ", "10.0.0.6", 11112, "default"))
        (device,) = directory.devices(tx)
        assert (device.ae_title, device.host, device.port) == ("CT1", "10.0.0.6", 11112)
        directory.change_device(tx, ADMIN, "CT1", port=105)
        assert directory.device_named(tx, "CT1").port == 105
        directory.remove_device(tx, ADMIN, "CT1")
        with pytest.raises(NotFound):
            directory.device_named(tx, "CT1")
        with pytest.raises(NotFound):
            directory.remove_device(tx, ADMIN, "CT1")
        assert sorted(r.action for r in audit.search(tx)) == [*["directory.add_device"] * 3, "directory.remove_device"]


@pytest.mark.parametrize(
    "device",
    [
        Device("", "h", 104, "default"), Device("X" * 17, "h", 104, "default"), Device("A\\B", "h", 104, "default"),
        Device("É", "h", 104, "default"), Device("A", "", 104, "default"), Device("A", "a b", 104, "default"),
        Device("A", "h\0", 104, "default"), Device("A", "a..b", 104, "default"), Device("A", "x" * 64 + ".fr", 104, "default"),
        Device("A", "h" * 256, 104, "default"), Device("A", "h", 0, "default"), Device("A", "h", 65536, "default"),
        Device("A", "h", 104, "default", description="x" * 201), Device("A", "h", 104, "default", description="\0"),
    ],
)  # fmt: skip
def test_devices_that_cannot_be_are_refused(database: Database, device: Device) -> None:
    with pytest.raises(Invalid), database.write() as tx:
        directory.add_device(tx, ADMIN, device)


def test_a_device_belongs_to_a_site_that_exists(database: Database) -> None:
    with pytest.raises(NotFound), database.write() as tx:
        directory.add_device(tx, ADMIN, Device("A", "h", 104, "nowhere"))


def test_sites_join_change_and_are_listed(database: Database) -> None:
    with database.write() as tx:
        directory.add_site(tx, ADMIN, Site("nord", "CHU Nord", issuer="NORD"))
        assert directory.site_named(tx, "nord").default_issuer == "NORD"
        assert directory.site_named(tx, "default").default_issuer == "site:default"
        directory.change_site(tx, ADMIN, "nord", services=("archive", "dose"), name="CHU du Nord")
        assert [s.name for s in directory.sites(tx)] == ["CHU du Nord", "Default site"]
        with pytest.raises(Conflict):
            directory.add_site(tx, ADMIN, Site("nord", "Again"))
        assert directory.ensure_default_site(tx).id == "default"


@pytest.mark.parametrize(
    "site",
    [
        Site("Nord", "x"), Site("", "x"), Site("a" * 65, "x"), Site("-a", "x"), Site("a", ""), Site("a", " "), Site("a", "x" * 201),
        Site("a", "x", kind="castle"), Site("a", "x", services=("archive", "magic")), Site("a", "x", issuer="x" * 65),
        Site("a", "x\0y"), Site("a", "x", issuer="\0"), Site("a", "x", time_zone="z" * 61),
    ],
)  # fmt: skip
def test_sites_that_cannot_be_are_refused(database: Database, site: Site) -> None:
    with pytest.raises(Invalid), database.write() as tx:
        directory.add_site(tx, ADMIN, site)
