"""The demo in a platform: loaded once, told anew by a reset, nothing of it lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest

from archipel import archive, demo, directory, migrations
from archipel.kit.actor import Actor
from archipel.kit.blobs import open_blobs
from archipel.kit.database import Database
from archipel.kit.scope import Scope
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool
from tests.servers import Backend

TODAY = date(2026, 1, 15)


@dataclass
class Rig:
    database: Database
    receiver: archive.Receiver
    spool: Spool


@pytest.fixture
def rig(backend: Backend, tmp_path: Path) -> Iterator[Rig]:
    database = Database(backend.database_url)
    migrations.upgrade(database)
    blobs = open_blobs(backend.blobs_url, access_key=backend.access_key, secret_key=backend.secret_key, region=backend.region)
    spool = Spool(tmp_path / "spool")
    settings = ArchiveSettings(free_bytes_min=0)
    receiver = archive.Receiver(
        database, blobs, spool, settings, lambda tx: {s.id: s.default_issuer for s in directory.sites(tx)}, disk=tmp_path
    )
    receiver.start()
    yield Rig(database, receiver, spool)
    receiver.drain()
    database.close()


def shown(rig: Rig) -> dict[str, str]:
    """Visible exams: accession number -> study UID."""
    with rig.database.read() as tx:
        found, _, _ = archive.exams(tx, Scope.system("test"), archive.Query(archive.Level.STUDY, limit=500))
    return {exam.accession_number: exam.study_uid for exam in found}


def test_load_makes_the_region_once(rig: Rig) -> None:
    names: list[str] = []
    first = demo.load(rig.database, rig.receiver, rig.spool, TODAY, small=True, progress=names.append)
    assert first.refused == 0 and first.stored > 80 and first.kept_aside == 1
    assert names[0] == "ct-chest" and names[-1] == "closing"
    again = demo.load(rig.database, rig.receiver, rig.spool, date(2026, 1, 20), small=True)
    assert again == demo.Loaded()
    with rig.database.read() as tx:
        sites = {site.id: site for site in directory.sites(tx)}
        accounts = {account.login: account for account in directory.accounts(tx)}
        kinds = {conflict.kind for conflict in archive.conflicts(tx, Scope.system("test"), state="open")}
    assert all(sites[site.id].demo for site in demo.SITES)
    shown = {"administrator", "site_administrator", "radiologist", "technician", "requesting_doctor", "physicist", "biomedical_engineer"}
    assert {account.role for account in accounts.values()} >= shown
    assert kinds == set(archive.ConflictKind) - {archive.ConflictKind.OTHER_SITE}
    with rig.database.write() as tx:
        assert directory.authenticate(tx, "demo-radiologue", demo.DEMO_PASSWORD) is not None


def test_reset_tells_the_demo_anew(rig: Rig) -> None:
    demo.load(rig.database, rig.receiver, rig.spool, TODAY, small=True)
    before = shown(rig)
    with rig.database.write() as tx:
        directory.change_account(tx, Actor.system("test"), "demo-manip", active=False)
    result = demo.reset(rig.database, rig.receiver, rig.spool, TODAY, small=True)
    after = shown(rig)
    assert result.refused == 0
    assert set(after) == set(before) and not set(after.values()) & set(before.values())
    with rig.database.read() as tx:
        assert directory.account_named(tx, "demo-manip").active
        assert archive.exam(tx, Scope.system("test"), before["DEMO00000001"]).rejected


def test_a_load_that_was_broken_off_is_made_whole(rig: Rig) -> None:
    class Killed(Exception):
        pass

    def break_off(name: str) -> None:
        if name == "pet-ct":
            raise Killed

    with pytest.raises(Killed):
        demo.load(rig.database, rig.receiver, rig.spool, TODAY, small=True, progress=break_off)
    assert not demo.is_loaded(rig.database)
    assert demo.load(rig.database, rig.receiver, rig.spool, date(2026, 1, 16), small=True).refused == 0
    assert demo.is_loaded(rig.database)
    assert len(shown(rig)) == len({exam.name for exam in demo.demo_exams(TODAY, small=True)} - {"conflict-content", "conflict-patient"})
