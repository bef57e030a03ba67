"""Load: put the demo region into a platform; reset: tell it anew.

Nothing is deleted, here as everywhere: a reset rejects what is there and receives a new edition of the exams.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import date

from archipel import archive, directory
from archipel.demo.dataset import DemoExam
from archipel.demo.exams import CLOSING_NUMBER, accession, demo_exams
from archipel.demo.region import ACCOUNTS, DEMO_PASSWORD, DEVICES, SITES, DemoAccount
from archipel.kit.actor import Actor
from archipel.kit.database import Database, Tx
from archipel.kit.scope import Scope
from archipel.kit.spool import Spool

ACTOR = Actor.system("demo")
SITE_IDS = tuple(site.id for site in SITES)
# Instances on their way at once: enough to fill the receiver's groups, few enough to leave its queue to the others.
IN_FLIGHT_MAX = 16
STUDIES_PER_STEP = 200
ACCESSION_NUMBER = "00080050"

Progress = Callable[[str], None]


@dataclass(frozen=True)
class Loaded:
    """How many instances met which fate, by the words of ``archive.Fate``."""

    stored: int = 0
    already_stored: int = 0
    kept_aside: int = 0
    refused: int = 0


def load(
    database: Database,
    receiver: archive.Receiver,
    spool: Spool,
    today: date,
    *,
    small: bool = False,
    progress: Progress = lambda name: None,
) -> Loaded:
    """Make the region and feed its exams; does nothing when it is there in full, starts afresh when it was broken off.

    ``progress`` is called with the name of each exam that begins. Raises what ``directory`` raises.
    """
    if is_loaded(database):
        return Loaded()
    with database.write() as tx:
        make_region(tx)
    if study_count(database):
        return reset(database, receiver, spool, today, small=small, progress=progress)
    return feed(receiver, spool, demo_exams(today, small), progress)


def reset(
    database: Database,
    receiver: archive.Receiver,
    spool: Spool,
    today: date,
    *,
    small: bool = False,
    progress: Progress = lambda name: None,
) -> Loaded:
    """The demo as on its first day: accounts, devices and sites restored, everything at its sites rejected, exams received anew."""
    with database.write() as tx:
        make_region(tx)
        resolve_conflicts(tx)
    while reject_some(database):
        pass
    edition = database.clock.now().isoformat()
    return feed(receiver, spool, demo_exams(today, small, edition=edition), progress)


def is_loaded(database: Database) -> bool:
    """Whether the exam that comes last is there."""
    match = {ACCESSION_NUMBER: accession(CLOSING_NUMBER)}
    with database.read() as tx:
        found, _, _ = archive.exams(tx, demo_scope(), archive.Query(archive.Level.STUDY, match, limit=1))
    return bool(found)


def study_count(database: Database) -> int:
    with database.read() as tx:
        return sum(archive.study_count_of_site(tx, site_id) for site_id in SITE_IDS)


def demo_scope() -> Scope:
    return Scope.of_sites(SITE_IDS, "demo")


def make_region(tx: Tx) -> None:
    """Sites, devices and accounts as ``region`` describes them; what exists already is set back to that."""
    existing = {site.id for site in directory.sites(tx)}
    for site in SITES:
        if site.id not in existing:
            directory.add_site(tx, ACTOR, directory.Site(site.id, site.name, site.kind, site.issuer, site.services, demo=True))
    directory.set_demo(tx, SITE_IDS)
    for device in DEVICES:
        known = directory.Device(device.aet, device.host, device.port, device.site_id, device.description)
        if known not in directory.devices(tx):
            directory.add_device(tx, ACTOR, known)
    logins = {account.login for account in directory.accounts(tx)}
    for account in ACCOUNTS:
        make_account(tx, account, account.login in logins)


def make_account(tx: Tx, account: DemoAccount, exists: bool) -> None:
    if not exists:
        directory.add_account(tx, ACTOR, login=account.login, role=account.role, site_id=account.site_id, name=account.name)
    wanted = {"name": account.name, "role": account.role, "site_id": account.site_id, "locale": account.locale, "active": True}
    directory.change_account(tx, ACTOR, account.login, **wanted)
    directory.set_password(tx, account.login, DEMO_PASSWORD)


def resolve_conflicts(tx: Tx) -> None:
    for conflict in archive.conflicts(tx, demo_scope(), state="open", limit=10_000):
        archive.resolve(tx, ACTOR, demo_scope(), conflict.id, conflict.actions[0], comment="demo reset")


def reject_some(database: Database) -> int:
    """Hide up to STUDIES_PER_STEP studies of the demo's sites; returns how many."""
    with database.write() as tx:
        found, _, _ = archive.exams(tx, demo_scope(), archive.Query(archive.Level.STUDY, limit=STUDIES_PER_STEP))
        for exam in found:
            archive.reject(tx, ACTOR, demo_scope(), exam.study_uid, code="113039", comment="demo reset")
    return len(found)


def feed(receiver: archive.Receiver, spool: Spool, exams: Iterator[DemoExam], progress: Progress) -> Loaded:
    """Send every file through the receiver, exam by exam: what contradicts an exam comes when that exam is stored."""
    fates: Counter[str] = Counter()
    for exam in exams:
        progress(exam.name)
        source = archive.Source("demo", exam.site_id, ACTOR, association_id=f"demo {exam.name}")
        waiting: list[Future[archive.Outcome]] = []
        for content in exam.files:
            if len(waiting) == IN_FLIGHT_MAX:
                fates[waiting.pop(0).result().fate.value] += 1
            spooled = spool.new()
            spooled.write(content)
            waiting.append(receiver.submit(archive.Incoming.from_part10(spooled, source, exam.name)))
        fates.update(future.result().fate.value for future in waiting)
    return Loaded(**{fate.value: fates[fate.value] for fate in archive.Fate})
