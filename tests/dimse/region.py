"""A door with a real archive behind it, on a loop of its own, for peers that block."""

from __future__ import annotations

import asyncio
import shutil
import ssl
import threading
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import uvloop

from archipel import archive, dimse, directory, migrations
from archipel.kit.actor import Actor
from archipel.kit.blobs import open_blobs
from archipel.kit.database import Database
from archipel.kit.jobs import enqueue
from archipel.kit.scope import Scope
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool

TEST = Actor.system("tests")


class Region:
    """Database, files, receiver and a listening door; devices call from 127.0.0.1."""

    aet = "ARCHIPEL"

    def __init__(self, folder: Path, *, tls: ssl.SSLContext | None = None, **options: Any) -> None:
        self.folder = folder
        (folder / "data").mkdir(parents=True)
        self.database = Database(f"sqlite:///{folder / 'archipel.db'}")
        migrations.upgrade(self.database)
        self.database.transact(directory.ensure_default_site)
        self.blobs = open_blobs(f"file://{folder / 'blobs'}")
        spool = {name: options.pop(name) for name in ("memory_bytes_each", "object_bytes_max") if name in options}
        self.spool = Spool(folder / "spool", **spool)
        self.archive_settings = ArchiveSettings(free_bytes_min=0)
        self.receiver = options.pop("receiver", None) or archive.Receiver(
            self.database, self.blobs, self.spool, self.archive_settings, issuers, disk=folder
        )
        self.receiver.start()
        self._server_tls = tls
        self.door = dimse.create(
            database=self.database,
            blobs=self.blobs,
            receiver=self.receiver,
            spool=self.spool,
            pixels=options.pop("pixels", None),
            tls_client=options.pop("tls_client", None),
            enqueue_result=lambda tx, arguments, delay_s: enqueue(tx, "dimse.commitment_result", arguments, delay_s=delay_s),
            settings=dimse.DimseSettings(**{"artim_s": 1, "commitment_wait_s": 0.3, **options}),
        )
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self.run(self.door.start("127.0.0.1", 0, tls=tls))

    def run(self, work: Coroutine[Any, Any, Any], seconds: float = 30) -> Any:
        """Run a coroutine on the door's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def device(self, ae_title: str, port: int = 104, *, site_id: str = directory.DEFAULT_SITE, **more: Any) -> None:
        """Make a device known; it is at 127.0.0.1 unless ``host`` says otherwise."""
        device = directory.Device(ae_title, more.pop("host", "127.0.0.1"), port, site_id, **more)
        self.database.transact(lambda tx: directory.add_device(tx, TEST, device))

    def site(self, site_id: str) -> None:
        """Add a site with the archive switched on."""
        self.database.transact(lambda tx: directory.add_site(tx, TEST, directory.Site(site_id, site_id)))

    def stored(self) -> set[str]:
        """SOP Instance UIDs of everything that is stored."""
        query = archive.Query(archive.Level.IMAGE, limit=5000)
        with self.database.read() as tx:
            rows = archive.find(tx, Scope.system("tests"), query).rows
        return {row["00080018"]["Value"][0] for row in rows}

    def dataset(self, sop_instance_uid: str) -> bytes:
        """The stored dataset, byte for byte."""
        with self.database.read() as tx:
            (ref,) = archive.locate(tx, Scope.system("tests"), sop_instance_uid=sop_instance_uid)
        return b"".join(archive.dataset(self.blobs, ref))

    def spool_files(self) -> list[Path]:
        """What lies in the spool."""
        return list((self.folder / "spool").iterdir())

    def close(self) -> None:
        """Stop everything."""
        self.run(self.door.stop(0))
        self.receiver.drain()
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(5)
        self.loop.close()
        self.database.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def issuers(tx: Any) -> dict[str, str]:
    return {site.id: site.default_issuer for site in directory.sites(tx)}
