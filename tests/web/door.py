"""The door on a real socket, with the real database, object store, receiver, sign-in and accounts around it."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import uvicorn
from fastapi import FastAPI

from archipel import archive, directory, migrations, signin, web
from archipel.archive import Incoming, Outcome, Source
from archipel.dicom.pixels import PixelWorkers
from archipel.directory import ROLES, Device, Site
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs, open_blobs
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.feed import FeedRunner
from archipel.kit.metrics import Metrics
from archipel.kit.settings import ArchiveSettings, BlobSettings, DatabaseSettings, HttpSettings, Settings, SignInSettings
from archipel.kit.spool import Spool
from tests import make
from tests.servers import Backend

PASSWORD = "correct horse battery"
START = datetime(2026, 3, 2, 9, 30, tzinfo=UTC)
WITH_PASSWORD = ("administrator", "site_administrator", "radiologist", "physicist")
TESTER = Actor.system("test")


@dataclass
class Door:
    """A running door. Sites ``north`` and ``south`` stand beside ``default``; each role has an account of its own name in the north."""

    folder: Path
    database: Database
    blobs: Blobs
    spool: Spool
    receiver: archive.Receiver
    settings: Settings
    clock: SetClock
    pixels: PixelWorkers
    url: str = ""
    stopping: threading.Event = field(default_factory=threading.Event)
    resets: list[float] = field(default_factory=list)

    def token(self, login: str) -> str:
        """A bearer token."""
        self.ready(login)
        return self.database.transact(lambda tx: signin.issue_token(tx, TESTER, login))

    def client(self, login: str = "", **options: Any) -> httpx.Client:
        """A script's client, with a bearer token when a login is given."""
        headers = {"Authorization": f"Bearer {self.token(login)}"} if login else {}
        return httpx.Client(base_url=self.url + "/api/v1", headers=headers, timeout=30, **options)

    def browser(self, login: str, password: str = PASSWORD) -> httpx.Client:
        """A client that has signed in by cookie and repeats its CSRF value."""
        self.ready(login)
        client = self.client()
        answer = client.post("/session", json={"login": login, "password": password})
        assert answer.status_code == 200, answer.text
        client.headers["X-Archipel-CSRF"] = client.cookies["archipel_csrf"]
        return client

    def ready(self, login: str) -> None:
        """Make one of the usual accounts when it is not there: hashing passwords takes long, and a test needs a few of them."""
        with self.database.read() as tx:
            known = {account.login for account in directory.accounts(tx)}
        if login not in known and login in (*ROLES, "south_doctor"):
            south = login == "south_doctor"
            self.account(login, "requesting_doctor" if south else login, "south" if south else "north")

    def account(self, login: str, role: str, site_id: str = "north") -> None:
        """An account; those in WITH_PASSWORD need not change theirs."""

        self.database.transact(lambda tx: directory.add_account(tx, TESTER, login=login, role=role, site_id=site_id))
        if login in WITH_PASSWORD:
            self.database.transact(lambda tx: directory.set_password(tx, login, PASSWORD))

    def store(self, *objects: Any, site_id: str = "north") -> list[Outcome]:
        """Put objects into the archive as a site's."""
        source = Source("import", site_id, TESTER)
        outcomes = []
        for ds in objects:
            spooled = self.spool.new()
            spooled.write(make.part10(ds))
            outcomes.append(self.receiver.receive(Incoming.from_part10(spooled, source)))
        return outcomes


def settings_of(folder: Path, backend: Backend | None, signin: SignInSettings | None = None, **http: Any) -> Settings:
    """Settings with a data folder of its own, on a back end (SQLite and files when none is named)."""
    backend = backend or Backend("sqlite-files", f"sqlite:///{folder / 'archipel.db'}", f"file://{folder / 'blobs'}")
    return Settings(
        data=folder, database=DatabaseSettings(url=backend.database_url), blobs=BlobSettings(**backend.blobs), http=HttpSettings(**http),
        archive=ArchiveSettings(free_bytes_min=0), signin=signin or SignInSettings(),
    )  # fmt: skip


@contextmanager
def running(
    folder: Path,
    backend: Backend | None = None,
    *,
    static: Path | None = None,
    followers: Any = None,
    echo: Any = None,
    signin_settings: SignInSettings | None = None,
    **http: Any,
) -> Iterator[Door]:
    """A door with its surroundings, until the block ends; at the port of its public address, if it has one."""
    settings = settings_of(folder, backend, signin_settings, **http)
    clock = SetClock(START)
    database = Database(settings.database_url, clock=clock)
    migrations.upgrade(database)
    b = settings.blobs
    blobs = open_blobs(settings.blobs_url, access_key=b.access_key, secret_key=b.secret_key, region=b.region)
    spool = Spool(folder / "spool", memory_bytes_each=256 << 10)
    receiver = archive.Receiver(
        database, blobs, spool, settings.archive, lambda tx: {s.id: s.default_issuer for s in directory.sites(tx)}, disk=folder
    )
    receiver.start()
    pixels = PixelWorkers(processes=1, memory_bytes_max=2 << 30, seconds_max=60)
    door = Door(folder, database, blobs, spool, receiver, settings, clock, pixels)
    _populate(door)
    followers = followers or archive.followers(blobs, quiet_s=settings.archive.quiet_s)
    runner = FeedRunner(database, followers, poll_s=0.05)
    runner.start()
    app = _app(door, followers, static or folder / "static", echo)
    with _served(app, door):
        yield door
    runner.stop()
    receiver.drain()
    pixels.close()
    database.close()


def _app(door: Door, followers: Any, static: Path, echo: Any) -> Any:
    app = FastAPI(title="Archipel", version="test", docs_url=None, redoc_url=None, openapi_url="/api/openapi.json")
    router = web.create(
        database=door.database, blobs=door.blobs, receiver=door.receiver, spool=door.spool, settings=door.settings, followers=followers,
        started_at=START, ae_title="ARCHIPEL", metrics=Metrics(), pixels=door.pixels,
        demo_reset=lambda tx: door.resets.append(time.monotonic()),
        stopping=door.stopping.is_set,
        echo_device=echo,
    )  # fmt: skip
    app.include_router(router, prefix="/api/v1")
    web.install(app, static)
    return signin.SignInMiddleware(app, database=door.database, guarded=("/api/v1",), open_paths=signin.open_paths(door.settings))


@contextmanager
def _served(app: Any, door: Door) -> Iterator[None]:
    listening = socket.socket()
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listening.bind(("127.0.0.1", urlsplit(door.settings.http.public_url).port or 0))
    listening.listen(64)
    door.url = f"http://127.0.0.1:{listening.getsockname()[1]}"
    server = uvicorn.Server(uvicorn.Config(app, log_config=None, lifespan="off", timeout_graceful_shutdown=10))
    thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]}, daemon=True)
    thread.start()
    _until(lambda: server.started)
    try:
        yield
    finally:
        door.stopping.set()
        server.should_exit = True
        thread.join(20)
        listening.close()
    assert not thread.is_alive(), "the server did not end"


def _until(condition: Callable[[], bool], seconds: float = 20) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "not in time"
        time.sleep(0.01)


def _populate(door: Door) -> None:
    def act(tx: Any) -> None:
        directory.ensure_default_site(tx)
        directory.add_site(tx, TESTER, Site("north", "North Hospital", issuer="NORTH"))
        directory.add_site(tx, TESTER, Site("south", "South Practice", kind="practice"))
        directory.add_device(tx, TESTER, Device("CT_NORTH", "127.0.0.1", 104, "north"))
        directory.add_device(tx, TESTER, Device("CR_SOUTH", "127.0.0.1", 104, "south"))

    door.database.transact(act)
