"""The archive on one back end, as a door sees it: sites, a receiver, and objects to send."""

from __future__ import annotations

import copy
import io
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pydicom import dcmread
from pydicom.dataset import Dataset
from sqlalchemy import select

from archipel import archive, directory, migrations
from archipel.archive import Incoming, Outcome, Source, rows
from archipel.archive.seal import seal_series
from archipel.directory import Site
from archipel.kit import feed
from archipel.kit.actor import Actor
from archipel.kit.blobs import open_blobs
from archipel.kit.clock import Clock, SetClock
from archipel.kit.database import Database
from archipel.kit.scope import Scope
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool
from tests import make
from tests.servers import Backend

EVERYTHING = Scope.system("tests")
SYSTEM = Actor.system("tests")


class Room:
    """A migrated, empty archive with sites a and b (b assigns its own Patient IDs as ``HOSP-B``)."""

    def __init__(self, backend: Backend, folder: Path, *, clock: Clock | None = None, seals: bool = False, **settings: Any) -> None:
        self.backend, self.folder, self.seals = backend, folder, seals
        self.clock = clock or SetClock(datetime(2026, 1, 15, 10, 0, tzinfo=UTC))
        self.database = Database(backend.database_url, clock=self.clock)
        migrations.upgrade(self.database)
        self.blobs = open_blobs(
            backend.blobs_url, access_key=backend.access_key, secret_key=backend.secret_key, region=backend.region
        )  # fmt: skip
        self.settings = ArchiveSettings(**{"free_bytes_min": 0, **settings})
        self.spool = Spool(folder / "spool", memory_bytes_each=self.settings.memory_bytes_each)
        with self.database.write() as tx:
            for site in (Site("a", "Site A"), Site("b", "Site B", issuer="HOSP-B")):
                if site.id not in {s.id for s in directory.sites(tx)}:
                    directory.add_site(tx, SYSTEM, site)
        self.receiver = self.new_receiver()

    def new_receiver(self) -> archive.Receiver:
        """Another receiver on the same archive, started, as another process would have."""
        receiver = archive.Receiver(
            self.database, self.blobs, self.spool, self.settings,
            lambda tx: {site.id: site.default_issuer for site in directory.sites(tx)}, disk=self.folder,
        )  # fmt: skip
        receiver.start()
        return receiver

    def close(self) -> None:
        """Stop it."""
        self.receiver.drain()
        self.blobs.close()
        self.database.close()

    def source(self, site_id: str = "a", *, ae_title: str = "MODALITY", association_id: str = "assoc-1", may_reject: bool = True) -> Source:
        """Where things come from."""
        return Source("dimse", site_id, Actor("device", ae_title, site_id=site_id), ae_title, "127.0.0.1", association_id, may_reject)

    def incoming(self, ds: Dataset | bytes, site_id: str = "a", *, piece: int = 65_536, **source: Any) -> Incoming:
        """An object as it arrives, spooled."""
        data = ds if isinstance(ds, bytes) else make.part10(ds)
        spooled = self.spool.new()
        for start in range(0, len(data), piece):
            spooled.write(data[start : start + piece])
        return Incoming.from_part10(spooled, self.source(site_id, **source))

    def send(self, *objects: Dataset | bytes, site_id: str = "a", **source: Any) -> list[Outcome]:
        """Send all at once and wait for the outcomes; where a group is one instance, one after the other, each into a blob of its own."""
        if self.settings.group_count_max == 1:
            return [self._send_apart(ds, site_id, **source) for ds in objects]
        futures = [self.receiver.submit(self.incoming(ds, site_id, **source)) for ds in objects]
        outcomes = [future.result(60) for future in futures]
        if self.seals:
            self.seal()
        return outcomes

    def seal(self, study_uid: str = "") -> int:
        """Seal every series with open rows, settled or not; returns how many were."""
        with self.database.read() as tx:
            i = rows.instance.c
            statement = select(i.study_uid, i.series_uid).distinct()
            some = list(tx.execute(statement.where(i.study_uid == study_uid) if study_uid else statement))
        return sum(seal_series(self.database, self.blobs, *one) for one in some)

    def _send_apart(self, ds: Dataset | bytes, site_id: str, **source: Any) -> Outcome:
        self.blobs.close()
        outcome = self.receiver.submit(self.incoming(ds, site_id, **source)).result(60)
        if self.seals:
            self.seal()
        return outcome

    def fates(self, *objects: Dataset | bytes, site_id: str = "a") -> list[str]:
        """Only what became of each."""
        return [outcome.fate.value for outcome in self.send(*objects, site_id=site_id)]

    def place(self, ds: Dataset | bytes, site_id: str = "a", **source: Any) -> Any:
        """An object whose bytes are durable, understood and ready to be indexed: for tests that hold the transaction themselves."""
        from archipel.archive.arrival import understand
        from archipel.archive.model import Place
        from archipel.archive.receive import Placed
        from archipel.kit.ids import new_id

        arrival = understand(self.incoming(ds, site_id, **source))
        with arrival.incoming.spooled.open() as file:
            file.seek(arrival.incoming.dataset_offset)
            key = f"received/test/{new_id()}"
            self.blobs.put(key, [arrival.meta, file.read()])
        return Placed(arrival, Place(key, 0, arrival.length_bytes, len(arrival.meta)))

    def issuers(self) -> dict[str, str]:
        """The issuers of bare Patient IDs."""
        with self.database.read() as tx:
            return {site.id: site.default_issuer for site in directory.sites(tx)}

    def refs(self, **condition: Any) -> list[archive.InstanceRef]:
        """The stored instances that meet a condition."""
        with self.database.read() as tx:
            return archive.locate(tx, EVERYTHING, **condition)

    def dataset(self, sop_instance_uid: str) -> bytes:
        """The dataset as stored."""
        (ref,) = self.refs(sop_instance_uid=sop_instance_uid)
        return b"".join(archive.dataset(self.blobs, ref))

    def exam(self, study_uid: str) -> archive.Exam:
        """One exam."""
        with self.database.read() as tx:
            return archive.exam(tx, EVERYTHING, study_uid)

    def series(self, study_uid: str) -> list[archive.Series]:
        """Its series."""
        with self.database.read() as tx:
            return archive.series_of(tx, EVERYTHING, study_uid)

    def conflicts(self, *, scope: Scope = EVERYTHING, state: str = "open") -> list[archive.Conflict]:
        """The list that people work through."""
        with self.database.read() as tx:
            return archive.conflicts(tx, scope, state=state)

    def totals(self) -> dict[str, int]:
        """Patients, studies, series, instances."""
        with self.database.read() as tx:
            return archive.totals(tx)

    def changes(self, name: str = "") -> list[tuple[str, dict[str, Any]]]:
        """What was published."""
        with self.database.read() as tx:
            return [(n, payload) for _, n, payload in feed.changes_after(tx, 0, limit=10_000) if name in ("", n)]

    def follow(self) -> None:
        """Let every follower of the archive catch up."""
        for follower in archive.followers(self.blobs, quiet_s=self.settings.quiet_s):
            while feed.advance(self.database, follower):
                pass

    def damage(self) -> list[archive.Damage]:
        """What does not verify."""
        return [checked.damage for checked in archive.verify(self.database, self.blobs) if checked.damage]

    def check_counts(self) -> None:
        """Every number of every exam equals what its instances add up to."""
        with self.database.read() as tx:
            exams, _, _ = archive.exams(tx, EVERYTHING, archive.Query(archive.Level.STUDY, include_rejected=True, limit=1000))
        for exam in exams:
            every = self.refs(study_uid=exam.study_uid, include_rejected=True)
            shown = self.refs(study_uid=exam.study_uid)
            assert exam.instance_count == len(shown)
            assert exam.series_count == len({ref.series_uid for ref in shown})
            assert exam.size_bytes == sum(ref.length_bytes for ref in every)
            assert exam.rejected == (not shown)
            assert set(exam.modalities) == {ref.modality for ref in shown or every} - {""}
            for series in self.series(exam.study_uid):
                mine = [ref for ref in shown if ref.series_uid == series.series_uid]
                both = [ref for ref in every if ref.series_uid == series.series_uid]
                assert series.instance_count == len(mine)
                assert series.size_bytes == sum(ref.length_bytes for ref in both)
                assert series.rejected == (not mine)
                assert set(series.sop_classes) == {ref.sop_class_uid for ref in both}


def dataset_of(ds: Dataset | bytes) -> bytes:
    """The dataset's bytes as they are sent, without file meta."""
    data = ds if isinstance(ds, bytes) else make.part10(ds)
    read = dcmread(io.BytesIO(data), stop_before_pixels=True)
    return data[144 + read.file_meta.FileMetaInformationGroupLength :]


def copies(ds: Dataset, *changes: dict[str, Any]) -> list[Dataset]:
    """Copies of one object, each with other attributes."""
    made: list[Dataset] = []
    for change in changes:
        other = copy.deepcopy(ds)
        for keyword, value in change.items():
            setattr(other, keyword, value)
        made.append(other)
    return made


def by_fate(outcomes: Iterable[Outcome] | Sequence[Outcome]) -> dict[str, int]:
    """Counts by fate."""
    found: dict[str, int] = {}
    for outcome in outcomes:
        found[outcome.fate.value] = found.get(outcome.fate.value, 0) + 1
    return found
