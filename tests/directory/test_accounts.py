"""Accounts: one-time passwords, roles, and an administrator who always remains."""

from __future__ import annotations

import threading
from collections.abc import Callable

import pytest

from archipel import directory
from archipel.directory import ROLES, Site
from archipel.kit.actor import Actor
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Conflict, Invalid, NotFound

ADMIN = Actor("account", "admin", role="administrator")
GOOD = "correct horse battery"


def add(database: Database, login: str = "claire", role: str = "technician", **more: str) -> tuple[directory.Account, str]:
    with database.write() as tx:
        return directory.add_account(tx, ADMIN, login=login, role=role, **more)


@pytest.mark.parametrize("role", ROLES)
def test_an_account_of_every_role_signs_in_with_its_one_time_password(database: Database, role: str) -> None:
    account, password = add(database, role=role)
    assert account.must_change_password
    with database.write() as tx:
        signed_in = directory.authenticate(tx, "claire", password)
        assert signed_in is not None
        assert (signed_in.role, signed_in.site_id) == (role, "default")
        assert signed_in.last_sign_in_at
        assert directory.authenticate(tx, "claire", password + "x") is None
        assert directory.authenticate(tx, "Claire", password) is None
        assert directory.authenticate(tx, "nobody", password) is None


def test_one_time_passwords_differ_and_are_readable_on_the_telephone(database: Database) -> None:
    passwords = {add(database, login=f"user{n}")[1] for n in range(5)}
    assert len(passwords) == 5
    assert all(len(p) == 17 and not set(p) & set("0O1lI") for p in passwords)


@pytest.mark.parametrize(
    ("login", "role", "site", "kind"),
    [
        ("", "technician", "default", Invalid), ("a b", "technician", "default", Invalid), ("-x", "technician", "default", Invalid),
        ("x" * 65, "technician", "default", Invalid), ("x\0", "technician", "default", Invalid), ("claire", "boss", "default", Invalid),
        ("claire", "technician", "nowhere", NotFound),
    ],
)  # fmt: skip
def test_what_is_not_well_formed_is_refused(database: Database, login: str, role: str, site: str, kind: type[Exception]) -> None:
    with pytest.raises(kind):
        add(database, login=login, role=role, site_id=site)


@pytest.mark.parametrize("name", ["x" * 121, "a\0b", "a\nb", "\ud800"])
def test_names_are_one_bounded_line(database: Database, name: str) -> None:
    with pytest.raises(Invalid):
        add(database, name=name)
    add(database)
    with pytest.raises(Invalid), database.write() as tx:
        directory.change_account(tx, ADMIN, "claire", name=name)


def test_a_login_is_taken_once_also_at_once(database: Database) -> None:
    add(database)
    with pytest.raises(Conflict):
        add(database)
    together, fates = threading.Barrier(4), []

    def join() -> None:
        together.wait()
        try:
            add(database, login="paul")
            fates.append("added")
        except Conflict:
            fates.append("conflict")

    threads = [threading.Thread(target=join) for _ in range(4)]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(fates) == ["added", "conflict", "conflict", "conflict"]


@pytest.mark.parametrize(
    ("current", "new", "code"),
    [
        ("wrong", GOOD, "wrong-password"), (None, "short", "password-length"), (None, "x" * 257, "password-length"),
        (None, "claire-is-my-name", "password-weak"), (None, None, "password-weak"),
    ],
)  # fmt: skip
def test_passwords_are_held_to_their_rules(database: Database, current: str | None, new: str | None, code: str) -> None:
    _, password = add(database)
    with pytest.raises(Invalid) as caught, database.write() as tx:
        directory.new_password(tx, "claire", current or password, new or password)
    assert caught.value.code == code
    with database.write() as tx:
        assert directory.authenticate(tx, "claire", password) is not None


def test_a_changed_password_replaces_the_one_time_one_and_a_reset_replaces_both(database: Database) -> None:
    _, first = add(database)
    with database.write() as tx:
        made = directory.new_password(tx, "claire", first, GOOD)
        assert GOOD not in repr(made) and "argon2" not in repr(made)
        directory.change_password(tx, ADMIN, made)
        with pytest.raises(Invalid):  # another change of the same password at the same moment
            directory.change_password(tx, ADMIN, made)
        assert directory.authenticate(tx, "claire", first) is None
        account = directory.authenticate(tx, "claire", GOOD)
        assert account is not None
        assert not account.must_change_password
        second = directory.reset_password(tx, ADMIN, "claire")
        assert directory.authenticate(tx, "claire", GOOD) is None
        account = directory.authenticate(tx, "claire", second)
        assert account is not None
        assert account.must_change_password


def test_a_disabled_account_does_not_sign_in(database: Database) -> None:
    add(database, login="chief", role="administrator")
    _, password = add(database)
    with database.write() as tx:
        directory.change_account(tx, ADMIN, "claire", active=False)
        assert directory.authenticate(tx, "claire", password) is None


@pytest.mark.parametrize("change", [{"active": False}, {"role": "radiologist"}])
def test_the_last_administrator_stays(database: Database, change: dict[str, object]) -> None:
    add(database, login="one", role="administrator")
    add(database, login="two", role="administrator")
    with database.write() as tx:
        directory.change_account(tx, ADMIN, "one", **change)
    with pytest.raises(Conflict) as caught, database.write() as tx:
        directory.change_account(tx, ADMIN, "two", **change)
    assert caught.value.code == "last-administrator"
    with database.read() as tx:
        assert directory.account_named(tx, "two").active


@pytest.mark.parametrize("change", [{"active": False}, {"role": "radiologist"}, {"site_id": "training"}, {"site_id": "closed"}])
def test_an_administrator_of_the_training_region_or_of_a_closed_site_is_not_the_one_who_stays(
    database: Database, change: dict[str, object]
) -> None:
    training_and_closed(database)
    for site_id in ("training", "closed", "default"):
        add(database, login=f"of-{site_id}", role="administrator", site_id=site_id)
    with pytest.raises(Conflict) as caught, database.write() as tx:
        directory.change_account(tx, ADMIN, "of-default", **change)
    assert caught.value.code == "last-administrator"
    with database.write() as tx:
        assert directory.account_named(tx, "of-default").site_id == "default"
        for login in ("of-training", "of-closed"):
            directory.change_account(tx, ADMIN, login, active=False)


def test_the_site_of_the_last_administrator_stays_open_and_real(database: Database) -> None:
    training_and_closed(database)
    for site_id in ("training", "default"):
        add(database, login=f"of-{site_id}", role="administrator", site_id=site_id)
    with pytest.raises(Conflict) as caught, database.write() as tx:
        directory.change_site(tx, ADMIN, "default", active=False)
    assert caught.value.code == "last-administrator"
    with pytest.raises(Conflict), database.write() as tx:
        directory.set_demo(tx, ["default"])
    with database.write() as tx:
        directory.change_site(tx, ADMIN, "default", name="Renamed")
        directory.change_site(tx, ADMIN, "closed", active=True)
        directory.change_account(tx, ADMIN, "of-training", site_id="closed")
        directory.change_site(tx, ADMIN, "default", active=False)


def test_where_there_is_no_real_administrator_the_others_can_be_changed(database: Database) -> None:
    """A region of training alone, and a way out when everything is closed."""
    training_and_closed(database)
    add(database, login="of-training", role="administrator", site_id="training")
    with database.write() as tx:
        directory.change_account(tx, ADMIN, "of-training", locale="en")
        directory.change_account(tx, ADMIN, "of-training", active=False)


def training_and_closed(database: Database) -> None:
    with database.write() as tx:
        for site_id in ("training", "closed"):
            directory.add_site(tx, ADMIN, Site(site_id, site_id))
        directory.set_demo(tx, ["training"])
        directory.change_site(tx, ADMIN, "closed", active=False)


def test_an_administrator_disabled_and_the_others_site_closed_at_once_leave_one(database: Database) -> None:
    with database.write() as tx:
        directory.add_site(tx, ADMIN, Site("north", "North"))
    add(database, login="one", role="administrator")
    add(database, login="two", role="administrator", site_id="north")
    together, fates = threading.Barrier(2), []

    def act(work: Callable[[Tx], object]) -> None:
        together.wait()
        try:
            database.transact(work)
            fates.append("done")
        except Conflict:
            fates.append("conflict")

    works: tuple[Callable[[Tx], object], ...] = (
        lambda tx: directory.change_account(tx, ADMIN, "one", active=False),
        lambda tx: directory.change_site(tx, ADMIN, "north", active=False),
    )
    threads = [threading.Thread(target=act, args=(work,)) for work in works]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(fates) == ["conflict", "done"]


def test_two_administrators_who_disable_each_other_at_once_leave_one(database: Database) -> None:
    add(database, login="one", role="administrator")
    add(database, login="two", role="administrator")
    together, fates = threading.Barrier(2), []

    def disable(login: str) -> None:
        together.wait()
        try:
            database.transact(lambda tx: directory.change_account(tx, ADMIN, login, active=False))
            fates.append("done")
        except Conflict:
            fates.append("conflict")

    threads = [threading.Thread(target=disable, args=(login,)) for login in ("one", "two")]
    for one in threads:
        one.start()
    for one in threads:
        one.join()
    assert sorted(fates) == ["conflict", "done"]


def test_the_first_administrator_is_made_once(database: Database) -> None:
    with database.write() as tx:
        made = directory.ensure_first_administrator(tx)
        assert made is not None
        assert (made[0].login, made[0].role) == ("admin", "administrator")
        assert directory.ensure_first_administrator(tx) is None


def test_the_accounts_of_the_training_region_are_not_the_first(database: Database) -> None:
    with database.write() as tx:
        directory.add_site(tx, ADMIN, Site("t", "Training", demo=True))
        directory.add_account(tx, ADMIN, login="demo-admin", role="administrator", site_id="t")
        made = directory.ensure_first_administrator(tx)
        assert made is not None
        assert made[0].login == "admin"
        assert directory.ensure_first_administrator(tx) is None


def test_unknown_accounts_are_not_found(database: Database) -> None:
    with database.write() as tx:
        for login in ("nobody", "", "a\0b"):
            with pytest.raises(NotFound):
                directory.reset_password(tx, ADMIN, login)
