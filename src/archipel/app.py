"""The composition: settings -> database, blobs, doors, followers. The only place that wires."""

from __future__ import annotations

import fcntl
import importlib
import os
import shutil
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, field
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import IO, Any
from urllib.parse import urlsplit

from fastapi import FastAPI
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp

from archipel import __version__, archive, audit, dicomweb, dimse, directory, distribution, flow, identity, migrations, mllp, web
from archipel.dicom import scu
from archipel.dicom.pixels import PixelWorkers
from archipel.hl7 import adt
from archipel.kit import traces
from archipel.kit.blobs import Blobs, FileBlobs, open_blobs
from archipel.kit.cipher import Cipher, read_keys
from archipel.kit.clock import Clock, SystemClock
from archipel.kit.database import Database, Tx
from archipel.kit.encrypted import EncryptedBlobs
from archipel.kit.errors import Conflict, Invalid, NotFound
from archipel.kit.feed import FeedRunner, Follower, position
from archipel.kit.file_cache import FileCache
from archipel.kit.gate import Gate
from archipel.kit.gauges import Gauges, spool_bytes
from archipel.kit.health import Health, Readiness
from archipel.kit.ids import new_id
from archipel.kit.jobs import Act, JobRunner, enqueue, is_open
from archipel.kit.metrics import Metrics
from archipel.kit.processes import Heartbeat, Process, announce, refuse_unsafe, this_process
from archipel.kit.settings import Settings
from archipel.kit.spool import Spool
from archipel.kit.ticker import Ticker
from archipel.kit.tiered import TieredBlobs
from archipel.signin import SignInMiddleware, open_paths

SETTLE_EVERY_S = 1.0
SEAL_LEFT_EVERY_S = 600.0
SWEEP_EVERY_S = 600.0
VERIFY_EVERY_S = 60.0
COPY_EVERY_S = 2.0
HL7_LEFT_EVERY_S = 60.0
# What a process can do: doors that listen, and the work that goes on behind them (feed, jobs, quiet timer).
DOORS = ("dimse", "dicomweb", "mllp", "web")
EVERYTHING = (*DOORS, "work")
DEMO_RESET = "demo.reset"
DICOMWEB = "/dicom-web"
STATIC = Path(__file__).parent / "static"


def open_database(settings: Settings, clock: Clock | None = None) -> Database:
    """The database, migrated, with the site that an unused folder has."""
    settings.data.mkdir(parents=True, exist_ok=True)
    database = Database(settings.database_url, clock=clock, pool_size=settings.database.pool_size)
    migrations.upgrade(database)
    with database.read() as tx:
        missing = not any(site.id == directory.DEFAULT_SITE for site in directory.sites(tx))
    if missing:
        database.transact(directory.ensure_default_site)
    return database


def open_objects(settings: Settings) -> Blobs:
    """The object store of the settings, behind this machine's folder if there is one."""
    b = settings.blobs
    store = open_blobs(settings.blobs_url, access_key=b.access_key, secret_key=b.secret_key, region=b.region)
    cipher = _cipher(settings)

    def kept(blobs: Blobs) -> Blobs:
        return EncryptedBlobs(blobs, cipher) if cipher else blobs

    if not b.local:
        return kept(store)
    if isinstance(store, FileBlobs):
        raise Invalid("A local folder stands before an S3 store, not before files.", code="blobs-local", field="blobs.local")
    return TieredBlobs(kept(FileBlobs(Path(b.local).absolute())), kept(store), prefix=f"{archive.SEALED_FOLDER}/")


def _cipher(settings: Settings) -> Cipher | None:
    file = settings.blobs.key_file
    return read_keys(Path(file), apart_from=settings.data) if file else None


def picture_cache(settings: Settings) -> FileCache | None:
    """Where rendered images are kept, encrypted as objects are; it gives up its room before receiving has none."""
    free = 2 * settings.archive.free_bytes_min
    most = settings.pixels.cache_bytes_max
    return FileCache(settings.data / "cache" / "pictures", bytes_max=most, free_bytes_min=free, cipher=_cipher(settings)) if most else None


class Receiver(archive.Receiver):
    """The archive's receiver, counted."""

    def __init__(self, *parts: Any, metrics: Metrics, **options: Any) -> None:
        super().__init__(*parts, metrics=metrics, **options)
        self._counts = metrics

    def submit(self, incoming: archive.Incoming) -> Future[archive.Outcome]:
        """Take one instance, as the archive does."""
        door, size = incoming.source.door, incoming.spooled.size_bytes
        self._counts.waiting.inc()
        future = super().submit(incoming)
        future.add_done_callback(lambda answered: self._answered(door, size, answered.result().fate))
        return future

    def _answered(self, door: str, size_bytes: int, fate: archive.Fate) -> None:
        self._counts.waiting.dec()
        self._counts.answered_bytes.labels(door, fate.value).inc(size_bytes)


@dataclass
class Platform:
    """Everything that runs in one process, except the doors. ``does`` is what it is for, of EVERYTHING."""

    settings: Settings
    database: Database
    blobs: Blobs
    spool: Spool
    receiver: archive.Receiver
    pixels: PixelWorkers
    metrics: Metrics
    clock: Clock
    started_at: datetime
    followers: tuple[Follower, ...]
    lock: IO[str]
    does: tuple[str, ...] = EVERYTHING
    health: Health = field(default_factory=Health)
    background: list[Any] = field(default_factory=list)

    def join(self) -> Process:
        """Say that this process runs. Invalid, before anything is received, when it cannot be safe beside those that run."""
        mine = this_process(self.does, self.settings.objects, self.clock.now())
        refuse_unsafe(self.database, mine, self.settings.data, one_of_several=self.does != EVERYTHING)
        self.database.transact(lambda tx: announce(tx, mine, {}, draining=False))
        return mine

    def _settle(self) -> int:
        return self.database.transact(lambda tx: archive.settle_due(tx, quiet_s=self.settings.archive.quiet_s))

    def start_background(self, mine: Process, jobs: Mapping[str, Act], now_figures: Callable[[], dict[str, Any]]) -> None:
        """Keep saying what this process does, and start the feed, the jobs and the quiet timer when it does the work."""
        gauges = Gauges(self.database, self.followers, self.settings.data, self.spool.folder, state_gauges)
        self.metrics.registry.register(gauges)

        def figures() -> dict[str, Any]:
            return now_figures() | _state_figures(self, gauges)

        beat = Heartbeat(
            self.database, mine, figures=figures, totals=self.metrics.totals, draining=lambda: self.health.draining
        )  # fmt: skip
        self.background = [beat]
        if "work" in self.does:
            settle = Ticker("settle", self._settle, every_s=SETTLE_EVERY_S)
            self.background += [FeedRunner(self.database, self.followers), JobRunner(self.database, jobs), settle]
            self.background += audit.upkeep(self.database, self.settings.audit, self.settings.data, archive.patients_of)
            if self.settings.archive.seal:
                self.background.append(Ticker("seal-left", archive.Leftovers(self.database).ask, every_s=SEAL_LEFT_EVERY_S))
            queue, keep_days = hl7_queue(self.settings, self.database), self.settings.mllp.keep_days
            self.background.append(Ticker("hl7-left", lambda: mllp.apply_left(queue), every_s=HL7_LEFT_EVERY_S))
            self.background.append(Ticker("hl7-forget", lambda: mllp.forget(queue, keep_days=keep_days), every_s=SWEEP_EVERY_S))
            sweeper = archive.Sweeper(self.database, self.blobs, after_hours=self.settings.archive.sweep_after_hours)
            self.background.append(Ticker("sweep", sweeper.sweep, every_s=SWEEP_EVERY_S))
            a = self.settings.archive
            if a.verify_every_days:
                scrubber = archive.Scrubber(self.database, self.blobs, every_days=a.verify_every_days, bytes_per_s=a.verify_bytes_per_s)
                self.background.append(Ticker("verify", scrubber.scrub, every_s=VERIFY_EVERY_S))
            if isinstance(self.blobs, TieredBlobs):
                copier = archive.Copier(self.database, self.blobs, keep_hours=self.settings.blobs.local_hours)
                self.background += [Ticker("copy", copier.copy, every_s=COPY_EVERY_S), Ticker("free", copier.free, every_s=SWEEP_EVERY_S)]
        for runner in self.background:
            runner.start()

    def close(self) -> None:
        """Finish what was submitted and stop everything."""
        self.receiver.drain()
        traces.stop()
        for runner in reversed(self.background):
            runner.stop()
        self.pixels.close()
        self.blobs.close()
        self.database.close()
        shutil.rmtree(self.spool.folder, ignore_errors=True)
        self.lock.close()


def state_gauges(tx: Tx) -> dict[str, tuple[str, float]]:
    """The gauges of the rooms."""
    return archive.figures(tx) | audit.figures(tx)


def _state_figures(platform: Platform, gauges: Gauges) -> dict[str, Any]:
    """What the system page shows of a process, and of what it sees of feed and jobs."""
    figures: dict[str, Any] = {
        **platform.metrics.process_figures(),
        "spool_bytes": spool_bytes(platform.spool.folder),
        "disk_free_bytes": shutil.disk_usage(platform.settings.data).free,
    }
    state = gauges.state()
    if state is not None:
        figures["lag"] = max((one["lag"] for one in state["followers"]), default=0)
        figures["jobs_waiting"] = state["jobs"]["waiting"][0]
        figures["seal_lag_s"] = state["more"]["archipel_seal_lag_seconds"][1]
    return figures


def build(settings: Settings, clock: Clock | None = None, does: tuple[str, ...] = EVERYTHING) -> Platform:
    """Wire the platform on its data folder and start its receiver. Unavailable when the object store does not keep its contract."""
    clock = clock or SystemClock()
    database = open_database(settings, clock)
    blobs = open_objects(settings)
    if not settings.blobs_url.startswith("file:"):  # files keep their contract, and a full disk must not keep readers out
        blobs.probe()
    folder, lock = _claim_spool(Path(settings.spool) if settings.spool else settings.data / "spool")
    limits = settings.archive
    spool = Spool(
        folder,
        memory_bytes_max=limits.memory_bytes_max,
        memory_bytes_each=limits.memory_bytes_each,
        object_bytes_max=limits.instance_bytes_max,
    )
    metrics = Metrics()
    traces.start(settings.traces.otlp_url, ratio=settings.traces.ratio, does=",".join(does))
    receiver = Receiver(database, blobs, spool, limits, _issuers, disk=settings.data, metrics=metrics)
    receiver.start()
    p = settings.pixels
    pixels = PixelWorkers(processes=p.processes, memory_bytes_max=p.memory_bytes_max, seconds_max=p.seconds_max)
    followers = flow.followers(blobs, settings)
    return Platform(settings, database, blobs, spool, receiver, pixels, metrics, clock, clock.now(), followers, lock, does)


def readiness(platform: Platform) -> Readiness:
    """Whether this process can serve: its database, its objects, and room on its disk."""
    settings, blobs, database = platform.settings, platform.blobs, platform.database

    def database_answers() -> bool:
        with database.read() as tx:
            return position(tx) >= 0

    def objects_answer() -> bool:
        if settings.blobs.local or settings.blobs_url.startswith("file:"):
            return os.access(settings.blobs.local or urlsplit(settings.blobs_url).path, os.R_OK | os.X_OK)
        try:
            blobs.size("probe/ready")
        except NotFound:  # an answer
            return True
        return True

    def disk_has_room() -> bool:
        return shutil.disk_usage(settings.data).free >= settings.archive.free_bytes_min

    return Readiness(platform.health, {"database": database_answers, "objects": objects_answer, "disk": disk_has_room})


def dimse_door(platform: Platform) -> dimse.DimseDoor:
    """The DICOM listener."""
    return dimse.create(
        database=platform.database,
        blobs=platform.blobs,
        receiver=platform.receiver,
        spool=platform.spool,
        settings=dimse.DimseSettings.of(platform.settings.dicom, log_requests=platform.settings.log_requests),
        pixels=platform.pixels,
        enqueue_result=lambda tx, arguments, delay_s: enqueue(tx, "dimse.commitment_result", arguments, attempts_max=6, delay_s=delay_s),
        tls_client=dimse.tls_contexts(platform.settings.dicom).client,
        clock=platform.clock,
        metrics=platform.metrics,
    )


def hl7_queue(settings: Settings, database: Database) -> mllp.Queue:
    """The kept HL7 messages, and who applies them: what an ADT says goes to the register of persons."""
    hear_adt = partial(identity.hear_adt, time_zone=settings.time_zone)
    return mllp.Queue(database, {"ADT": mllp.Listens(adt.EVENTS["ADT"], hear_adt)}, _cipher(settings))


def _hl7_desk(platform: Platform) -> web.Hl7Queue:
    replay = partial(mllp.replay, hl7_queue(platform.settings, platform.database))
    return web.Hl7Queue(mllp.messages, mllp.counts, mllp.message_of, replay)


def mllp_door(platform: Platform) -> mllp.MllpDoor:
    """The HL7 listener."""
    return mllp.create(hl7_queue(platform.settings, platform.database), platform.settings.mllp, platform.metrics)


def http_app(platform: Platform, door: dimse.DimseDoor | None) -> ASGIApp:
    """The HTTP doors of this process behind their sign-in: web app, API, DICOMweb, viewer; health and metrics before it."""
    settings = platform.settings
    api = FastAPI(title="Archipel", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    parts: dict[str, Any] = {
        "database": platform.database, "blobs": platform.blobs, "receiver": platform.receiver, "spool": platform.spool,
        "pixels": platform.pixels, "metrics": platform.metrics, "ae_title": settings.dicom.ae_title,
    }  # fmt: skip
    if "dicomweb" in platform.does:
        api.include_router(dicomweb.create(settings=settings.http, cache=picture_cache(settings), **parts), prefix=DICOMWEB)
    if "web" in platform.does:
        api.include_router(
            web.create(
                settings=settings,
                followers=platform.followers,
                started_at=platform.started_at,
                dimse=door,
                demo_reset=ask_for_demo_reset,
                hl7_queue=_hl7_desk(platform),
                stopping=lambda: platform.health.draining,
                **parts,
            ),
            prefix="/api/v1",
        )
        web.install(api, STATIC)
    guarded = SignInMiddleware(
        api,
        database=platform.database,
        session_hours=settings.http.session_hours,
        guarded=("/api/v1", DICOMWEB),
        open_paths=open_paths(settings),
    )
    return gate(platform, guarded)


def gate(platform: Platform, inner: ASGIApp | None = None) -> ASGIApp:
    """Health and metrics, before the HTTP doors or alone."""
    nothing = PlainTextResponse("Nothing is here.\n", status_code=404)
    s = platform.settings
    return Gate(
        inner or nothing, platform.health, readiness(platform), platform.metrics, metrics_token=s.http.metrics_token,
        log_requests=s.log_requests,
    )  # fmt: skip


def jobs(platform: Platform) -> dict[str, Act]:
    """The jobs by name."""
    dicom, outgoing = platform.settings.dicom, platform.metrics.outgoing
    limits = scu.Limits(artim_s=dicom.artim_s, response_s=dicom.stall_s, counted=outgoing)
    caller = distribution.Caller(dicom.ae_title, dimse.tls_contexts(dicom).client, limits)
    return {
        "dimse.commitment_result": dimse.commitment_job(platform.database, dicom, counted=outgoing),
        "distribution.rejection_note": distribution.note_job(platform.database, platform.blobs, caller),
        archive.SEAL_JOB: lambda study_uid: _seal(platform, study_uid),
        DEMO_RESET: lambda: _reset_demo(platform),
    }


def ask_for_demo_reset(tx: Tx) -> None:
    """Let whoever does the work bring the training region back. Conflict while that is under way, in whichever process."""
    if is_open(tx, DEMO_RESET):
        raise Conflict("The training region is being reset already.", code="reset-under-way")
    enqueue(tx, DEMO_RESET, {}, dedup_key=DEMO_RESET, attempts_max=2)


def _reset_demo(platform: Platform) -> None:
    demo = importlib.import_module("archipel.demo")  # its generators take 100 MB of memory that no other process needs
    demo.reset(platform.database, platform.receiver, platform.spool, platform.clock.now().date())


def _seal(platform: Platform, study_uid: str) -> None:
    settings = platform.settings
    root = settings.http.public_url.rstrip("/") + DICOMWEB if settings.http.public_url else ""
    archive.seal_study(platform.database, platform.blobs, study_uid, packs=settings.archive.recompress, root=root)


def _issuers(tx: Tx) -> dict[str, str]:
    return {site.id: site.default_issuer for site in directory.sites(tx)}


def _claim_spool(root: Path) -> tuple[Path, IO[str]]:
    """A spool folder of this process's own. Folders that a killed process left are removed: nobody holds their lock any more."""
    root.mkdir(parents=True, exist_ok=True)
    with (root / "claim").open("a") as claim:
        fcntl.flock(claim, fcntl.LOCK_EX)
        return _claim_under_lock(root)


def _claim_under_lock(root: Path) -> tuple[Path, IO[str]]:
    for path in root.glob("*.lock"):
        with path.open("a") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                continue
            shutil.rmtree(path.with_suffix(""), ignore_errors=True)
            path.unlink(missing_ok=True)
    folder = root / new_id()
    lock = folder.with_suffix(".lock").open("a")
    fcntl.flock(lock, fcntl.LOCK_EX)
    folder.mkdir()
    return folder, lock
