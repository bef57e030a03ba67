"""The composition: settings -> database, blobs, doors, followers. The only place that wires."""

from __future__ import annotations

import fcntl
import importlib
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from fastapi import FastAPI
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp

from archipel import __version__, archive, dicomweb, dimse, directory, distribution, flow, migrations, web
from archipel.dicom import scu
from archipel.dicom.pixels import PixelWorkers
from archipel.kit.blobs import Blobs, open_blobs
from archipel.kit.clock import Clock, SystemClock
from archipel.kit.database import Database, Tx
from archipel.kit.feed import FeedRunner, Follower
from archipel.kit.ids import new_id
from archipel.kit.jobs import Act, JobRunner, enqueue
from archipel.kit.metrics import Metrics
from archipel.kit.settings import Settings
from archipel.kit.spool import Spool
from archipel.kit.ticker import Ticker
from archipel.signin import SignInMiddleware

SETTLE_EVERY_S = 1.0
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
    """The object store of the settings."""
    b = settings.blobs
    return open_blobs(settings.blobs_url, access_key=b.access_key, secret_key=b.secret_key, region=b.region)


@dataclass
class Platform:
    """Everything that runs in one process, except the doors."""

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
    background: list[Any] = field(default_factory=list)

    def start_background(self, jobs: Mapping[str, Act]) -> None:
        """Start the feed, the jobs and the quiet timer."""
        settle = Ticker("settle", lambda: self.database.transact(archive.settle_due), every_s=SETTLE_EVERY_S)
        self.background = [FeedRunner(self.database, self.followers), JobRunner(self.database, jobs), settle]
        for runner in self.background:
            runner.start()

    def close(self) -> None:
        """Finish what was submitted and stop everything."""
        self.receiver.drain()
        for runner in self.background:
            runner.stop()
        self.pixels.close()
        self.blobs.close()
        self.database.close()
        shutil.rmtree(self.spool.folder, ignore_errors=True)
        self.lock.close()


def build(settings: Settings, clock: Clock | None = None) -> Platform:
    """Wire the platform on its data folder and start its receiver. Unavailable when the object store does not keep its contract."""
    clock = clock or SystemClock()
    database = open_database(settings, clock)
    blobs = open_objects(settings)
    if not settings.blobs_url.startswith("file:"):  # files keep their contract, and a full disk must not keep readers out
        blobs.probe()
    folder, lock = _claim_spool(settings.data / "spool")
    limits = settings.archive
    spool = Spool(
        folder,
        memory_bytes_max=limits.memory_bytes_max,
        memory_bytes_each=limits.memory_bytes_each,
        object_bytes_max=limits.instance_bytes_max,
    )
    metrics = Metrics()
    receiver = archive.Receiver(database, blobs, spool, limits, _issuers, disk=settings.data, metrics=metrics)
    receiver.start()
    p = settings.pixels
    pixels = PixelWorkers(processes=p.processes, memory_bytes_max=p.memory_bytes_max, seconds_max=p.seconds_max)
    followers = flow.followers(blobs, settings)
    return Platform(settings, database, blobs, spool, receiver, pixels, metrics, clock, clock.now(), followers, lock)


def dimse_door(platform: Platform) -> dimse.DimseDoor:
    """The DICOM listener."""
    return dimse.create(
        database=platform.database,
        blobs=platform.blobs,
        receiver=platform.receiver,
        spool=platform.spool,
        settings=dimse.DimseSettings.of(platform.settings.dicom),
        pixels=platform.pixels,
        enqueue_result=lambda tx, arguments, delay_s: enqueue(tx, "dimse.commitment_result", arguments, attempts_max=6, delay_s=delay_s),
        tls_client=dimse.tls_contexts(platform.settings.dicom).client,
        clock=platform.clock,
    )


@dataclass
class Health:
    """What the HTTP doors know about the life of the process."""

    ready: bool = False
    draining: bool = False
    in_flight: int = 0


def http_app(platform: Platform, door: dimse.DimseDoor, health: Health) -> ASGIApp:
    """The HTTP doors behind their sign-in: web app, API, DICOMweb, viewer, health and metrics."""
    settings = platform.settings
    api = FastAPI(title="Archipel", version=__version__, docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    parts: dict[str, Any] = {
        "database": platform.database, "blobs": platform.blobs, "receiver": platform.receiver, "spool": platform.spool,
        "pixels": platform.pixels, "metrics": platform.metrics, "ae_title": settings.dicom.ae_title,
    }  # fmt: skip
    api.include_router(dicomweb.create(settings=settings.http, **parts), prefix="/dicom-web")
    api.include_router(
        web.create(
            settings=settings,
            followers=platform.followers,
            started_at=platform.started_at,
            dimse=door,
            demo_reset=lambda: _reset_demo(platform),
            stopping=lambda: health.draining,
            **parts,
        ),
        prefix="/api/v1",
    )
    api.add_api_route(
        "/metrics", lambda: Response(platform.metrics.text(), media_type="text/plain; version=0.0.4"), include_in_schema=False
    )
    web.install(api, STATIC)
    guarded = SignInMiddleware(
        api,
        database=platform.database,
        session_hours=settings.http.session_hours,
        guarded=("/api/v1", "/dicom-web", "/metrics"),
        open_paths=frozenset({("POST", "/api/v1/session")}),
    )
    return Gate(guarded, health)


class Gate:
    """The outermost layer: answers health, counts what is in flight, and refuses new requests while the process ends."""

    def __init__(self, app: ASGIApp, health: Health) -> None:
        self._app, self._health = app, health

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        health = self._health
        if scope["path"] in ("/healthz", "/readyz"):
            ok = health.ready and not health.draining
            await JSONResponse({"status": "ok" if ok else "not ready"}, status_code=200 if ok else 503)(scope, receive, send)
            return
        if health.draining:
            body = {
                "error": {"kind": "unavailable", "code": "draining", "public": "The platform is being restarted; try again.", "field": ""}
            }
            await JSONResponse(body, status_code=503, headers={"Retry-After": "10", "Connection": "close"})(scope, receive, send)
            return
        health.in_flight += 1
        try:
            await self._app(scope, receive, send)
        finally:
            health.in_flight -= 1


def jobs(platform: Platform) -> dict[str, Act]:
    """The jobs by name."""
    dicom = platform.settings.dicom
    limits = scu.Limits(artim_s=dicom.artim_s, response_s=dicom.stall_s)
    caller = distribution.Caller(dicom.ae_title, dimse.tls_contexts(dicom).client, limits)
    return {
        "dimse.commitment_result": dimse.commitment_job(platform.database, dicom),
        "distribution.rejection_note": distribution.note_job(platform.database, platform.blobs, caller),
    }


def _reset_demo(platform: Platform) -> None:
    demo = importlib.import_module("archipel.demo")  # its generators take 100 MB of memory that no other process needs
    demo.reset(platform.database, platform.receiver, platform.spool, platform.clock.now().date())


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
