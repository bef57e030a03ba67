"""The DICOMweb door on a real socket: database, blobs, receiver, sign-in and uvicorn, as the platform wires them."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from fastapi import FastAPI
from pydicom.dataset import Dataset
from sqlalchemy import select

from archipel import archive, dicomweb, directory, migrations, signin
from archipel.archive import rows
from archipel.archive.seal import seal_series
from archipel.dicom.pixels import PixelWorkers
from archipel.kit.actor import Actor
from archipel.kit.blobs import open_blobs
from archipel.kit.database import Database
from archipel.kit.file_cache import FileCache
from archipel.kit.metrics import Metrics
from archipel.kit.settings import ArchiveSettings, HttpSettings
from archipel.kit.spool import Spool
from tests import make
from tests.servers import Backend, free_port

SYSTEM = Actor.system("tests")


class Region:
    """One archive with its door at ``url``; ``client()`` is signed in as an archive operator."""

    def __init__(self, folder: Path, backend: Backend, *, seals: bool = False, **settings: Any) -> None:
        self.seals = seals
        self.database = Database(backend.database_url)
        migrations.upgrade(self.database)
        self.blobs = open_blobs(backend.blobs_url, **{key: value for key, value in backend.blobs.items() if key != "url"})
        self.spool = Spool(folder / "spool", memory_bytes_max=32 << 20)
        self.metrics = Metrics()
        with self.database.write() as tx:
            directory.ensure_default_site(tx)
            directory.add_site(tx, SYSTEM, directory.Site("north", "North"))
        self.receiver = archive.Receiver(
            self.database, self.blobs, self.spool, ArchiveSettings(free_bytes_min=0),
            lambda tx: {site.id: site.default_issuer for site in directory.sites(tx)}, disk=folder, metrics=self.metrics,
        )  # fmt: skip
        self.receiver.start()
        self.pixels = PixelWorkers(processes=1, memory_bytes_max=2 << 30, seconds_max=30)
        self.cache = FileCache(folder / "cache", bytes_max=64 << 20)
        self.settings = HttpSettings(**settings)
        self.token = self.token_of("checks", "archive_operator")
        self.port = free_port()
        self._door = self._app()
        self.url = f"http://127.0.0.1:{self.port}/dicom-web"
        self._server = uvicorn.Server(
            uvicorn.Config(self._answer, host="127.0.0.1", port=self.port, log_level="error", access_log=False, interface="asgi3")
        )
        self._thread = threading.Thread(target=self._server.run)

    async def _answer(self, scope: Any, receive: Any, send: Any) -> None:
        await self._door(scope, receive, send)

    def forget(self) -> None:
        """A door that remembers nothing, as after a restart."""
        self._door = self._app()

    def _app(self) -> Any:
        app = FastAPI()
        router = dicomweb.create(
            database=self.database, blobs=self.blobs, receiver=self.receiver, spool=self.spool, pixels=self.pixels,
            settings=self.settings, metrics=self.metrics, ae_title="ARCHIPEL", cache=self.cache,
        )  # fmt: skip
        app.include_router(router, prefix="/dicom-web")
        return signin.SignInMiddleware(app, database=self.database, guarded=("/dicom-web",), open_paths=frozenset())

    def start(self) -> Region:
        """Listen."""
        self._thread.start()
        until = time.monotonic() + 20
        while not self._server.started and time.monotonic() < until:
            time.sleep(0.02)
        assert self._server.started
        return self

    def stop(self) -> None:
        """Let go of everything."""
        self._server.should_exit = True
        self._thread.join(20)
        self.receiver.drain()
        self.pixels.close()
        self.database.engine.dispose()

    def token_of(self, login: str, role: str, site: str = "default") -> str:
        """A bearer token of a new account."""
        with self.database.write() as tx:
            directory.add_account(tx, SYSTEM, login=login, role=role, site_id=site)
            return signin.issue_token(tx, SYSTEM, login)

    def client(self, token: str = "", **headers: str) -> httpx.Client:
        """A signed-in client of the door."""
        return httpx.Client(base_url=self.url, headers={"Authorization": f"Bearer {token or self.token}", **headers}, timeout=60)

    def put(self, datasets: Sequence[Dataset | bytes | Path], site: str = "default") -> list[archive.Outcome]:
        """Store without the door, so that reading is tested on its own."""
        source = archive.Source("import", site, SYSTEM)
        futures = []
        for one in datasets:
            spooled = self.spool.new()
            spooled.write(one if isinstance(one, bytes) else one.read_bytes() if isinstance(one, Path) else make.part10(one))
            futures.append(self.receiver.submit(archive.Incoming.from_part10(spooled, source)))
        outcomes = [future.result(30) for future in futures]
        if self.seals:
            self.seal(self.url)
        return outcomes

    def seal(self, root: str = "") -> None:
        """Seal every series with open rows; ``root`` is the address of the door, if it is known."""
        with self.database.read() as tx:
            i = rows.instance.c
            some = list(tx.execute(select(i.study_uid, i.series_uid).distinct()))
        for one in some:
            seal_series(self.database, self.blobs, *one, root=root)


@contextmanager
def running(folder: Path, backend: Backend, *, seals: bool = False, **settings: Any) -> Iterator[Region]:
    """A region that is stopped at the end."""
    region = Region(folder, backend, seals=seals, **settings).start()
    try:
        yield region
    finally:
        region.stop()
