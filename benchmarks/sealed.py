"""What sealing saves and costs: index bytes per instance, bytes kept of bytes received, reading and metadata before and after.

    python benchmarks/sealed.py [--series 20] [--instances 200] [--ct FOLDER]

Figures of one archive on SQLite and files, in one run. ``--ct`` is a folder of DICOM files whose uncompressed CT images are packed; the
default is ``../shared/data/dicom`` where that is, else the CT of the demo region.
"""

from __future__ import annotations

import argparse
import io
import logging
import sqlite3
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pydicom
import structlog

sys.path.insert(0, str(Path(__file__).parents[1]))

from archipel import archive
from archipel.archive import Level, Query, packing
from archipel.archive.seal import seal_series
from archipel.demo import demo_exams
from archipel.dicom import uids
from tests import make
from tests.archive.room import EVERYTHING, Room
from tests.dicomweb.region import running
from tests.servers import Backend

UNREADABLE = (pydicom.errors.InvalidDicomError, OSError, ValueError, AttributeError, TypeError, EOFError, KeyError)
SHARED = Path(__file__).parents[2] / "shared" / "data" / "dicom"


def opened(folder: Path) -> Room:
    """An empty archive."""
    return Room(Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}"), folder)


def index_bytes(folder: Path) -> dict[str, int]:
    """Bytes of each table with its indexes, in a database without free pages."""
    whole, compact = sqlite3.connect(folder / "archipel.db"), folder / "compact.db"
    whole.execute("VACUUM INTO ?", (str(compact),))
    whole.close()
    database = sqlite3.connect(compact)
    sizes = database.execute("SELECT tbl_name, sum(pgsize) FROM dbstat JOIN sqlite_schema USING (name) GROUP BY tbl_name").fetchall()
    database.close()
    compact.unlink()
    return dict(sizes)


def of_instances(sizes: dict[str, int]) -> int:
    """Bytes that grow with instances and series."""
    return sum(size for name, size in sizes.items() if name.startswith(("archive_instance", "archive_sealed", "archive_series")))


def milliseconds(act: Callable[[], Any], tries: int = 15) -> float:
    """Median of some tries."""
    times = []
    for _ in range(tries):
        start = time.perf_counter()
        act()
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def reading(room: Room, study_uid: str, uid: str) -> dict[str, float]:
    """Milliseconds of what a viewer asks the index for."""

    def find(**match: str) -> Any:
        with room.database.read() as tx:
            return archive.find(tx, EVERYTHING, Query(Level.IMAGE, match, limit=1000))

    def locate(**key: str) -> Any:
        with room.database.read() as tx:
            return archive.locate(tx, EVERYTHING, **key)

    return {
        "instances of a study": milliseconds(lambda: find(**{"0020000D": study_uid})),
        "one instance by its UID": milliseconds(lambda: find(**{"00080018": uid})),
        "places of a study": milliseconds(lambda: locate(study_uid=study_uid)),
        "place of one instance": milliseconds(lambda: locate(sop_instance_uid=uid)),
    }


def real_header(instances: int, source: Path) -> list[Any]:
    """A series with the header of a real CT image of the folder, or that of the tests' where there is none."""
    real = next(
        (ds for ds in map(_read, sorted(source.rglob("*"))) if ds is not None and ds.get("Modality") == "CT" and len(ds) > 80), None
    )
    made = make.ct_study(instances=instances, size=64)
    for ds in made if real is not None else ():
        for element in real:
            if element.tag not in ds and element.tag.group < 0x7FE0:
                ds.add(element)
    return made


def _read(path: Path) -> Any:
    try:
        ds = pydicom.dcmread(path, stop_before_pixels=True)
        return ds if ds.file_meta.TransferSyntaxUID in uids.NATIVE else None
    except UNREADABLE:
        return None


def metadata(folder: Path, made: list[Any]) -> dict[str, tuple[float, int]]:
    """Milliseconds of the metadata of a series over HTTP and bytes of the answer, by what was done; nothing is remembered between two."""
    found = {}
    with running(folder, Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")) as region:
        region.put(made)
        study_uid, series_uid = str(made[0].StudyInstanceUID), str(made[0].SeriesInstanceUID)
        with region.client(Accept="application/dicom+json") as client:

            def ask(**more: str) -> tuple[float, int]:
                times = []
                for _ in range(15):
                    region.forget()
                    client.get("/studies?limit=1")
                    start = time.perf_counter()
                    with client.stream("GET", f"/studies/{study_uid}/series/{series_uid}/metadata", headers=more) as answer:
                        size = sum(map(len, answer.iter_raw()))
                    times.append(time.perf_counter() - start)
                return statistics.median(times) * 1e3, size

            found["open"] = ask()
            seal_series(region.database, region.blobs, study_uid, series_uid, root=region.url)
            found["sealed, by the address known at sealing"] = ask()
            found["sealed, by another"] = ask(Host="archive.example")
            etag = client.get(f"/studies/{study_uid}/series/{series_uid}/metadata").headers["etag"]
            found["sealed, not modified"] = ask(**{"If-None-Match": etag})
    return found


def ct_files(folder: Path) -> Iterator[bytes]:
    """Uncompressed CT images of a folder, or of the demo region."""
    if not folder.is_dir():
        yield from (content for exam in demo_exams(date(2026, 1, 15), small=True) for content in exam.files)
        return
    for path in sorted(folder.rglob("*")):
        if path.is_file():
            yield path.read_bytes()


def packed_share(folder: Path, source: Path) -> tuple[int, int, float]:
    """Bytes received and kept of uncompressed CT, and seconds of sealing it."""
    room = opened(folder)
    for content in ct_files(source):
        try:
            ds = pydicom.dcmread(io.BytesIO(content), stop_before_pixels=True)
        except UNREADABLE:
            continue
        if ds.get("Modality") == "CT" and getattr(ds.file_meta, "TransferSyntaxUID", "") in uids.NATIVE and "Rows" in ds:
            room.send(content)
    before = time.perf_counter()
    room.seal()
    seconds = time.perf_counter() - before
    with room.database.read() as tx:
        (page, *_) = archive.exams(tx, EVERYTHING, Query(Level.STUDY, limit=1000))
        refs = [ref for exam in page for ref in archive.locate(tx, EVERYTHING, study_uid=exam.study_uid)]
    room.close()
    return sum(ref.length_bytes for ref in refs), sum(packing.stored_bytes(ref.place) for ref in refs), seconds


def main() -> None:
    """Print the figures."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.WARNING))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--series", type=int, default=20)
    parser.add_argument("--instances", type=int, default=200)
    parser.add_argument("--ct", type=Path, default=SHARED)
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "index").mkdir()
        room = opened(folder / "index")
        studies = [make.ct_study(instances=asked.instances) for _ in range(asked.series)]
        for study in studies:
            room.send(*study)
        count = asked.series * asked.instances
        first = (str(studies[0][0].StudyInstanceUID), str(studies[0][-1].SOPInstanceUID))
        before, was = of_instances(index_bytes(folder / "index")) / count, reading(room, *first)
        start = time.perf_counter()
        room.seal()
        seconds = time.perf_counter() - start
        after, now = of_instances(index_bytes(folder / "index")) / count, reading(room, *first)
        room.close()
        print(f"index bytes per instance, {asked.instances} a series: {before:.0f} open, {after:.0f} sealed")
        print(f"sealing: {count / seconds:.0f} small instances in a second")
        for label, value in was.items():
            print(f"{label}: {value:.2f} ms open, {now[label]:.2f} ms sealed")
        (folder / "metadata").mkdir()
        for label, (value, size) in metadata(folder / "metadata", real_header(asked.instances, asked.ct)).items():
            print(f"metadata of a series of {asked.instances}, {label}: {value:.1f} ms, {size / 1e3:.0f} kB")
        (folder / "ct").mkdir()
        received, kept, seconds = packed_share(folder / "ct", asked.ct)
        rate = received / 1e6 / seconds
        print(f"uncompressed CT: {received / 1e6:.1f} MB received, {kept / received:.3f} of it kept, {rate:.0f} MB sealed in a second")


if __name__ == "__main__":
    main()
