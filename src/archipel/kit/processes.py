"""Processes: who runs on this database, what each is doing now, and what it did in the last minutes."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import structlog
from sqlalchemy import delete, insert, select, update

from archipel.kit import rows
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Invalid
from archipel.kit.ids import new_id
from archipel.kit.ticker import Ticker

log = structlog.get_logger(__name__)

BEAT_S = 5.0
# A process that was not heard of for this long is taken for dead, and forgotten a while later.
SILENT_S = 30
FORGOTTEN_S = 3600
MINUTES_KEPT = 70
# Places that several machines see and on which neither SQLite's write-ahead log nor our file locks hold.
SHARED_FILE_SYSTEMS = ("nfs", "cifs", "smb", "9p", "ceph", "glusterfs", "lustre", "beegfs", "gpfs", "ocfs2", "gfs2", "afs", "fuse.")
ADDED = ("received", "received_bytes", "refused", "errors")
HIGHEST = ("waiting", "lag", "jobs_waiting", "seal_lag_s")


@dataclass(frozen=True)
class Process:
    """One running process. ``machine`` names the running kernel; ``objects`` is where it keeps the bytes."""

    id: str
    machine: str
    host: str
    pid: int
    does: tuple[str, ...]
    objects: str
    started_at: datetime
    seen_at: datetime
    draining: bool = False
    figures: dict[str, Any] | None = None


def host_name() -> str:
    """The name of this machine, or container."""
    return socket.gethostname()[:255]


def this_process(does: tuple[str, ...], objects: str, now: datetime) -> Process:
    """The process that asks, under a new id."""
    boot = Path("/proc/sys/kernel/random/boot_id")
    machine = boot.read_text().strip() if boot.exists() else socket.gethostname()
    return Process(new_id(), machine[:64], host_name(), os.getpid(), does, objects[:300], now, now)


def running(tx: Tx) -> list[Process]:
    """The processes that were heard of lately, oldest first."""
    p = rows.process.c
    since = to_text(tx.now() - timedelta(seconds=SILENT_S))
    found = tx.execute(select(rows.process).where(p.seen_at >= since).order_by(p.started_at, p.id)).all()
    return [
        Process(
            row.id, row.machine, row.host, row.pid, tuple(row.doors.split(",")), row.objects, from_text(row.started_at),
            from_text(row.seen_at), bool(row.draining), json.loads(row.figures),
        )
        for row in found
    ]  # fmt: skip


def announce(tx: Tx, process: Process, figures: dict[str, Any], *, draining: bool) -> None:
    """Say that a process runs, and what it is doing; what was silent for long is forgotten."""
    p = rows.process.c
    values = {"seen_at": to_text(tx.now()), "draining": int(draining), "figures": json.dumps(figures, separators=(",", ":"))}
    if not tx.execute(update(rows.process).where(p.id == process.id).values(values)).rowcount:
        tx.execute(
            insert(rows.process).values(
                id=process.id, machine=process.machine, host=process.host, pid=process.pid, doors=",".join(process.does),
                objects=process.objects, started_at=to_text(process.started_at), **values,
            )
        )  # fmt: skip
    tx.execute(delete(rows.process).where(p.seen_at < to_text(tx.now() - timedelta(seconds=FORGOTTEN_S))))


def leave(tx: Tx, process_id: str) -> None:
    """A process has ended."""
    tx.execute(delete(rows.process).where(rows.process.c.id == process_id))


def leave_all(tx: Tx) -> None:
    """No process runs on this database: it was restored, and those that it speaks of ran on another."""
    tx.execute(delete(rows.process))


def note_minute(tx: Tx, process_id: str, at: datetime, figures: dict[str, int]) -> None:
    """What a process did in the minute that began at ``at``, so far; minutes that are no longer shown are removed."""
    m = rows.minute.c
    text, begun = json.dumps(figures, separators=(",", ":")), to_text(at)
    if not tx.execute(update(rows.minute).where(m.process_id == process_id, m.at == begun).values(figures=text)).rowcount:
        tx.execute(insert(rows.minute).values(process_id=process_id, at=begun, figures=text))
        tx.execute(delete(rows.minute).where(m.at < to_text(at - timedelta(minutes=MINUTES_KEPT))))


def last_hour(tx: Tx) -> list[dict[str, Any]]:
    """The last sixty minutes of all processes together, oldest first, quiet ones included.

    ``at``, added up ``received``, ``received_bytes``, ``refused``, ``errors``, and the highest of what HIGHEST names.
    """
    newest = tx.now().replace(second=0, microsecond=0)
    minutes = [newest - timedelta(minutes=ago) for ago in range(59, -1, -1)]
    found = {to_text(at): dict.fromkeys((*ADDED, *HIGHEST), 0) for at in minutes}
    m = rows.minute.c
    for at, text in tx.execute(select(m.at, m.figures).where(m.at >= to_text(minutes[0]), m.at <= to_text(newest))):
        into, figures = found.get(at), json.loads(text)
        if into is not None:
            into |= {name: into[name] + figures.get(name, 0) for name in ADDED}
            into |= {name: max(into[name], figures.get(name, 0)) for name in HIGHEST}
    return [{"at": at, **found[to_text(at)]} for at in minutes]


class Heartbeat:
    """Tells the database every few seconds that this process runs, what it does and what it did since the last time.

    ``figures()`` is what it does now; of it the numbers named in HIGHEST go into the minutes too. ``totals()`` counts since the start.
    """

    def __init__(
        self,
        database: Database,
        process: Process,
        *,
        figures: Callable[[], dict[str, Any]],
        totals: Callable[[], dict[str, int]],
        draining: Callable[[], bool],
    ) -> None:
        self._database, self.process = database, process
        self._figures, self._totals, self._draining = figures, totals, draining
        self._minute: datetime | None = None
        self._before, self._last = dict.fromkeys(ADDED, 0), dict.fromkeys(ADDED, 0)
        self._highest = dict.fromkeys(HIGHEST, 0)
        self._ticker = Ticker("heartbeat", self.beat, every_s=BEAT_S)

    def start(self) -> None:
        self._ticker.start()

    def stop(self) -> None:
        """The last word of this process."""
        self._ticker.stop()
        try:
            self._database.transact(lambda tx: leave(tx, self.process.id))
        except ArchipelError as error:  # the database is away: it will notice the silence
            log.warning("heartbeat.not_left", detail=error.detail)

    def beat(self) -> None:
        """Tell the database."""
        now, figures, totals = self._database.clock.now(), self._figures(), self._totals()
        minute = now.replace(second=0, microsecond=0)
        if minute != self._minute:
            self._before = self._last  # what happened since the last beat counts for the new minute
            self._minute, self._highest = minute, dict.fromkeys(HIGHEST, 0)
        self._highest = {name: max(value, int(figures.get(name, 0))) for name, value in self._highest.items()}
        self._last = totals
        did = {name: totals.get(name, 0) - self._before[name] for name in ADDED} | self._highest

        def act(tx: Tx) -> None:
            announce(tx, self.process, figures, draining=self._draining())
            note_minute(tx, self.process.id, minute, did)

        self._database.transact(act)


def refuse_unsafe(database: Database, mine: Process, data: Path, *, one_of_several: bool) -> None:
    """Invalid when the processes that run together here cannot be safe: told at the start, before anything is received."""
    if database.dialect == "sqlite" and one_of_several and is_shared(data):
        raise _refusal(f"SQLite in {data} lies on a file system that machines share; several processes there need PostgreSQL.")
    with database.read() as tx:
        others = [one for one in running(tx) if one.id != mine.id]
    for other in others:
        where = f"process {other.pid} on {other.host}"
        elsewhere, files = not _together(mine, other), "file" in (_kind(mine.objects), _kind(other.objects))
        if elsewhere and database.dialect == "sqlite":
            raise _refusal(f"{where} uses this SQLite database from another machine; several machines need PostgreSQL.")
        if elsewhere and files:
            raise _refusal(f"{where} cannot see objects that are files of this machine, nor we its; several machines need an S3 store.")
        if files and mine.objects != other.objects:
            raise _refusal(f"{where} keeps its objects in {other.objects}, and this one in {mine.objects}; they must be the same.")


def is_shared(folder: Path) -> bool:
    """Whether a folder lies on a file system that several machines see."""
    mounts = Path("/proc/self/mountinfo")
    kind, longest = "", -1
    for line in mounts.read_text().splitlines() if mounts.exists() else []:
        left, _, right = line.partition(" - ")
        point = Path(left.split()[4].replace("\\040", " "))
        if folder.absolute().is_relative_to(point) and len(point.parts) >= longest:
            kind, longest = right.split()[0], len(point.parts)
    return kind.startswith(SHARED_FILE_SYSTEMS)


def _together(one: Process, other: Process) -> bool:
    """On one machine: one kernel, or one name; a machine that restarts keeps its name, a container its kernel."""
    return one.machine == other.machine or one.host == other.host


def _kind(objects: str) -> str:
    return objects.partition(":")[0]


def _refusal(public: str) -> Invalid:
    return Invalid(public, code="processes")
