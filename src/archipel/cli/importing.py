"""Import of files and folders: a bounded number in flight, a journal of what is done, a line for everything refused."""

from __future__ import annotations

import hashlib
import os
import time
from collections import Counter, deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from pathlib import Path
from typing import TextIO

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from archipel.app import Platform
from archipel.archive import Fate, Incoming, IntakeLimits, Outcome, Refusal, Source, walk_file
from archipel.cli.options import OPERATOR
from archipel.kit.ids import new_id

IN_FLIGHT_MAX = 128
FILES_PER_JOURNAL_WRITE = 64


@dataclass
class Summary:
    """What became of everything that was found."""

    fates: Counter[str] = field(default_factory=Counter)
    refused: list[tuple[str, str]] = field(default_factory=list)
    skipped_count: int = 0
    flagged_count: int = 0
    seconds: float = 0.0

    def line(self) -> str:
        """One line for people."""
        counts = ", ".join(f"{self.fates[fate.value]} {fate.value.replace('_', ' ')}" for fate in Fate)
        done = f", {self.skipped_count} files done before" if self.skipped_count else ""
        return f"{counts} ({self.flagged_count} flagged){done}; {self.seconds:.1f} s"


@dataclass(frozen=True)
class _File:
    path: Path
    size_bytes: int
    mtime_ns: int

    @property
    def key(self) -> str:
        """What the journal knows it by; a file that changed is another file."""
        return hashlib.sha256(f"{self.path}\0{self.size_bytes}\0{self.mtime_ns}".encode(errors="surrogateescape")).hexdigest()


class Importer:
    """One import. The journal lies in the data folder, so that an import that was cut off goes on where it stopped."""

    def __init__(self, platform: Platform, *, site_id: str, again: bool) -> None:
        self._platform = platform
        self._source = Source("import", site_id, OPERATOR, association_id=new_id(), may_reject=True)
        self._journal = platform.settings.data / f"import-{site_id}.journal"
        self._done = set() if again or not self._journal.exists() else set(self._journal.read_text().split())
        a = platform.settings.archive
        self._limits = IntakeLimits(zip_bytes_max=a.zip_bytes_max, zip_ratio_max=a.zip_ratio_max)
        self._flight: deque[tuple[str, str, Future[Outcome]]] = deque()
        self._pending: list[str] = []
        self._failed: set[str] = set()
        self.summary = Summary()

    def run(self, paths: Sequence[Path]) -> Summary:
        """Import everything below the paths and say what became of it."""
        started = time.monotonic()
        files = sorted({f.path: f for path in paths for f in _files(path)}.values(), key=lambda f: str(f.path))
        total = sum(f.size_bytes for f in files)
        with _progress() as progress, self._journal.open("a") as journal:
            task = progress.add_task("import", total=total, rate="")
            for number, file in enumerate(files, 1):
                if file.key in self._done:
                    self.summary.skipped_count += 1
                else:
                    self._take(file)
                    self._pending.append(file.key)
                if number % FILES_PER_JOURNAL_WRITE == 0:
                    self._write_journal(journal)
                stored = self.summary.fates[Fate.STORED.value]
                rate = f"{stored / max(time.monotonic() - started, 0.001):.0f} instances/s"
                progress.update(task, advance=file.size_bytes, rate=rate)
            self._write_journal(journal)
        self.summary.seconds = time.monotonic() - started
        return self.summary

    def _take(self, file: _File) -> None:
        for found in walk_file(file.path, str(file.path), spool=self._platform.spool, source=self._source, limits=self._limits):
            if isinstance(found, Refusal):
                self._refuse(file.key, found.name, str(found.error))
            else:
                self._submit(file.key, found)

    def _submit(self, key: str, incoming: Incoming) -> None:
        self._settle(IN_FLIGHT_MAX - 1)
        self._flight.append((key, incoming.name, self._platform.receiver.submit(incoming)))

    def _write_journal(self, journal: TextIO) -> None:
        """Note the files whose instances are all durable; those with something refused are looked at again next time."""
        self._settle(0)
        journal.writelines(f"{key}\n" for key in self._pending if key not in self._failed)
        journal.flush()
        self._pending.clear()

    def _settle(self, keep: int) -> None:
        """Wait until at most ``keep`` instances are in flight."""
        while len(self._flight) > keep:
            key, name, future = self._flight.popleft()
            outcome = future.result()
            if outcome.fate is Fate.REFUSED:
                self._refuse(key, name, str(outcome.error))
            else:
                self.summary.fates[outcome.fate.value] += 1
                self.summary.flagged_count += bool(outcome.flags)

    def _refuse(self, key: str, name: str, reason: str) -> None:
        self._failed.add(key)
        self.summary.fates[Fate.REFUSED.value] += 1
        self.summary.refused.append((name, reason))


def _files(path: Path) -> Iterator[_File]:
    """Regular files below a path; links are followed for the path itself only, so that no folder is walked twice."""
    path = path.absolute()
    found = [path] if path.is_file() else [Path(folder) / name for folder, _, names in os.walk(path) for name in names]
    for one in found:
        if one.is_file():
            status = one.stat()
            yield _File(one, status.st_size, status.st_mtime_ns)


def _progress() -> Progress:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    return Progress(*columns, console=Console(stderr=True))
