"""Searches among a million studies: milliseconds at the 50th and 95th percentile, offset pages against cursor pages.

    python benchmarks/million.py [--url sqlite:////tmp/million.db] [--studies 1000000] [--tries 40]

BENCH_MILLION=1000000 is the number of studies that ``make bench`` makes; 100,000 when nothing is said. A million take ten minutes.

The rows are made by the archive's own act of receiving (``receive_together``), one instance a study, two thousand a transaction;
what it leaves out is the bytes: headers are given as values, and places name no blob. A database that holds the studies already
is measured as it is. Each search runs as a door runs it: a reading transaction, a scope, the act; in turn wide and of one site.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from archipel import archive, directory, migrations
from archipel.archive import Incoming, Level, Place, Query, Source
from archipel.archive.arrival import Arrival
from archipel.archive.receive import Placed, receive_together
from archipel.dicom.index import path_of
from archipel.directory import Site
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.scope import Scope
from archipel.kit.spool import Spool

NAMES = (
    "MARTIN", "BERNARD", "THOMAS", "PETIT", "ROBERT", "RICHARD", "DURAND", "DUBOIS", "MOREAU", "LAURENT", "SIMON", "MICHEL", "LEFÈVRE",
    "LEROY", "ROUX", "DAVID", "BERTRAND", "MOREL", "FOURNIER", "GIRARD",
)  # fmt: skip
SITES = ("north", "south", "east", "west")
GROUP = 2000
WIDE, LOCAL = Scope.system("benchmark"), Scope.of_sites(["north"], "benchmark")


def values(i: int) -> dict[str, tuple[str, ...]]:
    """What the header of one instance says: three studies a patient, 25 years, four modalities and one study in 20,000 of a fifth."""
    person = i // 3
    said = {
        "SOPClassUID": "1.2.840.10008.5.1.4.1.1.2", "SOPInstanceUID": f"1.2.3.{i}.1.1", "StudyInstanceUID": f"1.2.3.{i}",
        "SeriesInstanceUID": f"1.2.3.{i}.1", "PatientName": f"{NAMES[person % 20]}{person // 200 % 97}^JEAN{person % 31}",
        "PatientID": f"P{person:08d}", "PatientBirthDate": f"19{person % 80 + 10}0101", "PatientSex": "F",
        "StudyDate": f"20{i % 25:02d}{i // 25 % 12 + 1:02d}{i // 300 % 28 + 1:02d}", "StudyTime": f"{i % 24:02d}{i % 60:02d}10",
        "AccessionNumber": f"A{i}", "StudyDescription": "TDM THORAX", "StudyID": str(i % 1000), "SeriesNumber": "1", "InstanceNumber": "1",
        "Modality": "ES" if i % 20_000 == 7 else ("CT", "MR", "US", "CR")[i // 7 % 4],
    }  # fmt: skip
    return {path_of(keyword): (value,) for keyword, value in said.items()}


def groups(count: int, spool: Spool) -> Iterator[list[Placed]]:
    """The studies, two thousand at a time; those of one patient stay at one site."""
    empty = spool.new()
    sources = [Source("benchmark", site, Actor.system("benchmark"), "BENCH", "127.0.0.1", "benchmark") for site in SITES]
    place = Place("benchmark/none", 0, 1000, 400)
    for first in range(0, count, GROUP):
        group = []
        for i in range(first, min(first + GROUP, count)):
            incoming = Incoming(empty, "1.2.840.10008.1.2.1", "", "", sources[i // 3 % len(SITES)])
            group.append(Placed(Arrival(incoming, values(i), b"", lambda i=i: f"{i:064x}", None, ()), place))  # type: ignore[misc]
        yield group


def fill(database: Database, count: int) -> float:
    """Make the studies; returns the seconds it took."""
    started = time.perf_counter()
    with database.write() as tx:
        known = {site.id for site in directory.sites(tx)}
        for site in SITES:
            if site not in known:
                directory.add_site(tx, Actor.system("benchmark"), Site(site, site))
        issuers = {site.id: site.default_issuer for site in directory.sites(tx)}
    with tempfile.TemporaryDirectory() as folder:
        spool = Spool(Path(folder))
        for number, group in enumerate(groups(count, spool), 1):
            with database.write(durable=False) as tx:
                receive_together(tx, group, issuers)
            if number % 50 == 0:
                print(f"  {number * GROUP} studies after {time.perf_counter() - started:.0f} s", flush=True)
    return time.perf_counter() - started


def searches(count: int) -> dict[str, Callable[[int], Query]]:
    """Searches by name; each takes the number of the try, so that no two tries ask the same."""

    def study(limit: int = 50, offset: int = 0, **match: str) -> Query:
        include = archive.DEFAULTS[Level.STUDY]
        return Query(Level.STUDY, {path_of(k): v for k, v in match.items()}, include, limit=limit, offset=offset)

    return {
        "patient id": lambda n: study(PatientID=f"P{n * 7919 % (count // 3):08d}"),
        "accession number": lambda n: study(AccessionNumber=f"A{n * 7919 % count}"),
        "name prefix": lambda n: study(PatientName=f"{NAMES[n % 20]}{n % 9 + 1}*"),
        "short name prefix": lambda n: study(PatientName=f"{'BDFGLMPRST'[n % 10]}*"),
        "month": lambda n: study(StudyDate=f"20{n % 25:02d}{n % 12 + 1:02d}"),
        "year and modality": lambda n: study(StudyDate=f"20{n % 25:02d}0101-20{n % 25:02d}1231", ModalitiesInStudy="CT"),
        "year and rare modality": lambda n: study(StudyDate=f"20{n % 25:02d}0101-20{n % 25:02d}1231", ModalitiesInStudy="ES"),
        "first page": lambda n: study(),
        "deep page by offset": lambda n: study(offset=20_000 + 50 * n),
        "deeper page by offset": lambda n: study(offset=count // 2 + 50 * n),
    }


def measure(database: Database, count: int, tries: int) -> None:
    """Print the table."""
    print(f"{'search':26} {'p50 ms':>8} {'p95 ms':>8} {'rows':>6}")
    for label, query in searches(count).items():
        took, rows = [], 0
        for n in range(tries):
            started = time.perf_counter()
            with database.read() as tx:
                rows = max(rows, len(archive.find(tx, LOCAL if n % 2 else WIDE, query(n)).rows))
            took.append(1000 * (time.perf_counter() - started))
        show(label, took, rows)


def follow(database: Database, count: int, tries: int) -> None:
    """Pages behind the last exam of the page before, from the middle of the archive on, as the web application turns them."""
    for label, order in (("page by cursor", ()), ("page by cursor, by name", ("patient_name",))):
        took, rows = [], 0
        for scope in (WIDE, LOCAL):
            with database.read() as tx:
                _, _, after = archive.exams(tx, WIDE, Query(Level.STUDY, limit=1, offset=count // 2, order=order))
            for _ in range(tries // 2):
                started = time.perf_counter()
                with database.read() as tx:
                    found, _, after = archive.exams(tx, scope, Query(Level.STUDY, limit=50, after=after, order=order))
                took.append(1000 * (time.perf_counter() - started))
                rows = len(found)
        show(label, took, rows)


def show(label: str, took: list[float], rows: int) -> None:
    """One line of the table."""
    print(f"{label:26} {statistics.median(took):8.1f} {statistics.quantiles(took, n=20)[-1]:8.1f} {rows:6}", flush=True)


def main() -> None:
    """Fill, then measure."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--url", default="")
    parser.add_argument("--studies", type=int, default=int(os.environ.get("BENCH_MILLION", "100000")))
    parser.add_argument("--tries", type=int, default=40)
    a = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="million-") as folder:
        database = Database(a.url or f"sqlite:///{folder}/million.db")
        try:
            migrations.upgrade(database)
            with database.read() as tx:
                held = archive.totals(tx)["studies"]
            if held < a.studies:
                print(f"{database.dialect}: {a.studies} studies made in {fill(database, a.studies):.0f} s")
            print(f"{database.dialect}: {database.size_bytes() / a.studies:.0f} bytes of database per study")
            measure(database, a.studies, a.tries)
            follow(database, a.studies, a.tries)
        finally:
            database.close()


if __name__ == "__main__":
    main()
