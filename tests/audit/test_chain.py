"""The chain: places in order, days signed, and each way of tampering in the database named by its record."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest
from sqlalchemy import text

from archipel import audit
from archipel.audit import Key, Verified
from archipel.audit.keys import make_key
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.errors import Conflict

CLAIRE = Actor("account", "claire", "Claire Élan", "technician", "default", "10.0.0.1")


@pytest.fixture
def key(database: Database, tmp_path: Path) -> Key:
    """A key that signs."""
    made = audit.signing_key(database, tmp_path / "audit.key")
    assert made is not None
    return made


def write(database: Database, count: int) -> None:
    """Some records, each in a transaction of its own."""
    for n in range(count):
        with database.write() as tx:
            audit.record(tx, CLAIRE, "archive.open", study_uid=f"1.2.{n}", door="web", count=n)


def chain_all(database: Database, key: Key) -> int:
    """Chain what waits."""
    total = 0
    while count := database.transact(lambda tx: audit.chain(tx, key)):
        total += count
    return total


def run(database: Database, *statements: str) -> None:
    """Change rows as somebody with the database's password would."""
    with database.write() as tx:
        for one in statements:
            tx.execute(text(one))


def ids(database: Database) -> list[str]:
    """Ids of records by place, from place 1."""
    with database.read() as tx:
        return ["", *(str(one) for one in tx.execute(text("SELECT record_id FROM audit_link ORDER BY seq")).scalars())]


def named(found: Verified) -> set[tuple[str, str]]:
    """What was found, and of which record."""
    return {(one.kind, one.record_id) for one in found.findings}


@pytest.fixture
def days(database: Database, key: Key, clock: SetClock) -> list[str]:
    """Two signed days of five records, and five records of a third."""
    for _ in range(3):
        write(database, 5)
        chain_all(database, key)
        clock.advance(86_400)
    clock.advance(-86_400)
    return ids(database)


def test_an_untouched_chain_is_whole(database: Database, key: Key, days: list[str]) -> None:
    found = audit.verify_chain(database, [key.public])
    assert (found.findings, found.record_count, found.seq, found.signed_day) == ([], 15, 15, "2026-01-16")
    assert len(days) == 16


def test_what_waits_is_no_finding_and_is_counted(database: Database, key: Key, days: list[str]) -> None:
    write(database, 2)
    found = audit.verify_chain(database, [key.public])
    assert found.is_whole and found.waiting_count == 2
    with database.read() as tx:
        assert audit.chain_state(tx) == audit.ChainState(15, "2026-01-17T10:00:00.000000Z", "2026-01-16", 2)


SWAPPED = (
    "UPDATE audit_link SET record_id = 'x' WHERE seq = 4",
    "UPDATE audit_link SET record_id = '{4}' WHERE seq = 8",
    "UPDATE audit_link SET record_id = '{8}' WHERE seq = 4",
)
CASES: list[tuple[str, tuple[str, ...], set[tuple[str, str]]]] = [
    ("a field", ("UPDATE audit_record SET actor_id = 'other' WHERE id = '{7}'",), {("altered", "{7}")}),
    ("a detail", ("UPDATE audit_record SET detail = '{{}}' WHERE id = '{12}'",), {("altered", "{12}")}),
    ("an instant", ("UPDATE audit_record SET at = '2026-01-15T09:00:00.000000Z' WHERE id = '{1}'",), {("altered", "{1}")}),
    ("a record", ("DELETE FROM audit_record WHERE id = '{3}'",), {("removed", "{3}")}),
    (
        "a record and its link",
        ("DELETE FROM audit_record WHERE id = '{3}'", "DELETE FROM audit_link WHERE seq = 3"),
        {("link_removed", "")},
    ),
    ("a link", ("DELETE FROM audit_link WHERE seq = 3",), {("link_removed", ""), ("inserted", "{3}")}),
    ("a swap of records", SWAPPED, {("reordered", "{4}"), ("reordered", "{8}"), ("link_altered", "{4}"), ("link_altered", "{8}")}),
    (
        "a swap of links",
        (
            "UPDATE audit_link SET seq = 99 WHERE seq = 4",
            "UPDATE audit_link SET seq = 4 WHERE seq = 8",
            "UPDATE audit_link SET seq = 8 WHERE seq = 99",
        ),
        {("link_altered", "{4}"), ("link_altered", "{8}")},
    ),
    (
        "an insertion",
        (
            (
                "INSERT INTO audit_record SELECT 'f000', at, actor_kind, actor_id, actor_name, actor_role, actor_site_id, actor_address, "
                "action, outcome, study_uid, object_id, detail FROM audit_record WHERE id = '{2}'"
            ),
        ),
        {("inserted", "f000")},
    ),
    (
        "the tail",
        ("DELETE FROM audit_record WHERE id IN ('{14}', '{15}')", "DELETE FROM audit_link WHERE seq >= 14"),
        {("tail_removed", "")},
    ),
    (
        "the tail, with an end of one's own",
        (
            "DELETE FROM audit_record WHERE id IN ('{14}', '{15}')",
            "UPDATE audit_head SET seq = 13, digest = (SELECT digest FROM audit_link WHERE seq = 13)",
            "DELETE FROM audit_link WHERE seq >= 14",
        ),
        {("head", "")},
    ),
    ("a day's signature", ("DELETE FROM audit_day WHERE day = '2026-01-15'",), {("day", "")}),
    ("the end", ("DELETE FROM audit_head",), {("head", "")}),
    ("a link's instant", ("UPDATE audit_link SET at = '2026-01-15T11:00:00.000000Z' WHERE seq = 5",), {("link_altered", "{5}")}),
    (
        "a record called removed",
        ("UPDATE audit_link SET removal_id = 'r' WHERE seq = 5", "DELETE FROM audit_record WHERE id = '{5}'"),
        {("removed", "{5}")},
    ),
]


@pytest.mark.parametrize(("statements", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_was_tampered_with_is_named(
    database: Database, key: Key, days: list[str], statements: tuple[str, ...], expected: set[tuple[str, str]]
) -> None:
    run(database, *(one.format(*days) for one in statements))
    found = audit.verify_chain(database, [key.public])
    got = {(kind, record_id) for kind, record_id in named(found) if not (kind in ("day", "head", "link_removed") and record_id == "")}
    wanted = {(kind, record_id.format(*days)) for kind, record_id in expected}
    assert wanted <= named(found)
    assert got <= wanted  # no record is named that was left alone


def test_a_day_rewritten_with_all_its_links_shows(database: Database, key: Key, days: list[str], tmp_path: Path, clock: SetClock) -> None:
    """Somebody computes the chain again and signs it with a key of their own: the public key that was exported says so."""
    exported = tmp_path / "public.pem"
    exported.write_text(key.public.pem)
    tables = ("audit_link", "audit_head", "audit_day")
    run(database, f"UPDATE audit_record SET actor_id = 'other' WHERE id = '{days[7]}'", *(f"DELETE FROM {t}" for t in tables))
    run(database, "INSERT INTO audit_pending SELECT id FROM audit_record")
    (tmp_path / "audit.key").unlink()
    forged = audit.signing_key(database, tmp_path / "audit.key")
    assert forged is not None
    chain_all(database, forged)
    assert audit.verify_chain(database, [forged.public]).is_whole
    found = audit.verify_chain(database, [audit.read_public_key(exported)])
    assert {one.kind for one in found.findings} == {"head"}
    assert forged.public.id in found.findings[0].text


def test_no_key_is_made_where_something_was_signed(database: Database, days: list[str], tmp_path: Path) -> None:
    assert audit.signing_key(database, tmp_path / "another.key") is None


def test_another_key_does_not_go_on_unless_it_is_named(database: Database, key: Key, days: list[str], tmp_path: Path) -> None:
    other = make_key(tmp_path / "other.key")
    write(database, 1)
    assert chain_all(database, other) == 0
    assert database.transact(lambda tx: audit.chain(tx, other, former=frozenset({key.public.id}))) == 1
    assert audit.verify_chain(database, [key.public, other.public]).is_whole


@pytest.mark.parametrize("statement", ["DELETE FROM audit_head", "UPDATE audit_head SET seq = 3"])
def test_nothing_is_built_on_an_end_that_was_tampered_with(database: Database, key: Key, days: list[str], statement: str) -> None:
    write(database, 1)
    run(database, statement)
    with pytest.raises(Conflict):
        chain_all(database, key)


def test_a_clock_that_was_set_back_leaves_the_days_in_order(database: Database, key: Key, days: list[str], clock: SetClock) -> None:
    clock.advance(-3 * 86_400)
    write(database, 1)
    chain_all(database, key)
    clock.advance(5 * 86_400)
    write(database, 1)
    chain_all(database, key)
    found = audit.verify_chain(database, [key.public])
    assert (found.findings, found.seq, found.signed_day) == ([], 17, "2026-01-17")


def test_a_late_commit_gets_a_later_place(database: Database, key: Key) -> None:
    if database.dialect == "sqlite":
        pytest.skip("one writer: no transaction commits beside another")
    opened, go_on = threading.Event(), threading.Event()

    def slow() -> None:
        with database.write() as tx:
            audit.record(tx, CLAIRE, "archive.open", study_uid="1.late")
            opened.set()
            go_on.wait(20)

    thread = threading.Thread(target=slow)
    thread.start()
    assert opened.wait(20)
    write(database, 3)
    assert chain_all(database, key) == 3
    go_on.set()
    thread.join(20)
    assert chain_all(database, key) == 1
    with database.read() as tx:
        (late,) = audit.trace(tx, "1.late")
    assert ids(database)[4] == late.id
    assert audit.verify_chain(database, [key.public]).is_whole


def test_two_processes_that_chain_at_once_make_one_chain(database: Database, key: Key) -> None:
    write(database, 60)

    def act() -> None:
        for _ in range(6):
            database.transact(lambda tx: audit.chain(tx, key, limit=7))

    threads = [threading.Thread(target=act) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    found = audit.verify_chain(database, [key.public])
    assert (found.findings, found.seq, found.waiting_count) == ([], 60, 0)
