"""``archipel serve``: every door in one process, and an orderly end."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import structlog
import typer
import uvicorn
import uvloop

from archipel import __version__, directory
from archipel import app as composition
from archipel.cli.http_wire import HttpWire
from archipel.cli.options import Config, Data
from archipel.dimse import DimseDoor, tls_contexts
from archipel.kit.logs import configure_logs
from archipel.kit.settings import Settings, load_settings

log = structlog.get_logger(__name__)

# Work that is under way when the end is asked for gets this long.
GRACE_S = 25.0


def register(app: typer.Typer) -> None:
    """Add this command to the command line."""
    app.command("serve")(serve)


def serve(
    data: Data = Path("var"),
    host: Annotated[str | None, typer.Option("--host", help="Address of every door [127.0.0.1].")] = None,
    http_port: Annotated[int | None, typer.Option("--http-port", help="Port of the HTTP doors [8080].")] = None,
    dicom_port: Annotated[int | None, typer.Option("--dicom-port", help="Port of the DICOM listener [11112].")] = None,
    aet: Annotated[str | None, typer.Option("--aet", help="Our AE title [ARCHIPEL].")] = None,
    config: Config = None,
) -> None:
    """Run the platform until SIGTERM or Ctrl-C, which let it finish what is in flight."""
    http = {"host": host, "port": http_port}
    settings = load_settings(data, config, http=http, dicom={"host": host, "port": dicom_port, "ae_title": aet})
    configure_logs(as_json=settings.log_json)
    Server(settings).run()


class Server:
    """The doors of one process and their life."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._platform = composition.build(settings)
        self._dimse: DimseDoor | None = None
        self._http: _Http | None = None
        self._health = composition.Health()

    def run(self) -> None:
        """Run until told to stop; returns when everything that was acknowledged is safe and every door is closed."""
        self._first_administrator()
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def _first_administrator(self) -> None:
        made = self._platform.database.transact(directory.ensure_first_administrator)
        if made:
            print(f"first administrator: {made[0].login}   one-time password: {made[1]}", flush=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            await self._open(loop)
            await stopping.wait()
            log.info("serve.draining")
            await self._drain()
        finally:
            await asyncio.to_thread(self._platform.close)
        log.info("serve.stopped")

    async def _open(self, loop: asyncio.AbstractEventLoop) -> None:
        s, platform = self._settings, self._platform
        self._dimse = composition.dimse_door(platform)
        app = composition.http_app(platform, self._dimse, self._health)
        listening = _bound(s.http.host, s.http.port)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_keep_alive=65, timeout_graceful_shutdown=5, backlog=512, server_header=False,
            proxy_headers=bool(s.http.trusted_proxies), forwarded_allow_ips=list(s.http.trusted_proxies),
            http=type("Wire", (HttpWire,), {"head_s": s.http.head_s}),
        )  # fmt: skip
        self._http = _Http(config)
        port = await self._listen_dicom(s.dicom.port)
        if s.dicom.tls_port >= 0:
            await self._listen_dicom(s.dicom.tls_port, tls=tls_contexts(s.dicom).server)
        self._serving = loop.create_task(self._http.serve(sockets=[listening]))
        platform.start_background(composition.jobs(platform))
        while not self._http.started:
            if self._serving.done():
                self._serving.result()
            await asyncio.sleep(0.01)
        self._health.ready = True
        address = f"http://{_shown(s.http.host)}:{listening.getsockname()[1]}"
        print(
            f"web app and API: {address}   DICOM: {s.dicom.ae_title} on {_shown(s.dicom.host)}:{port}   Archipel {__version__}", flush=True
        )

    async def _listen_dicom(self, port: int, tls: ssl.SSLContext | None = None) -> int:
        assert self._dimse is not None
        try:
            return await self._dimse.start(self._settings.dicom.host, port, tls=tls)
        except OSError as error:
            raise _cannot_listen(self._settings.dicom.host, port, error) from error

    async def _drain(self) -> None:
        """Refuse new work at every door, let what is in flight finish, then close."""
        assert self._dimse is not None and self._http is not None
        self._health.draining = True
        until = asyncio.get_running_loop().time() + GRACE_S
        dimse = asyncio.create_task(self._dimse.stop(GRACE_S))
        while self._health.in_flight and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        await dimse
        self._http.should_exit = True
        await self._serving


class _Http(uvicorn.Server):
    """Uvicorn without its own signal handlers: the service decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield


def _bound(host: str, port: int) -> socket.socket:
    """A listening socket."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        raise _cannot_listen(host, port, error) from error
    listening.listen(512)
    listening.set_inheritable(False)
    return listening


def _cannot_listen(host: str, port: int, error: OSError) -> SystemExit:
    """The end of a process whose address is taken: a message, not a stack trace."""
    print(f"archipel: cannot listen on {host}:{port}: {os.strerror(error.errno or 0)}", file=sys.stderr)
    return SystemExit(1)


def _shown(host: str) -> str:
    return {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(host, host)  # noqa: S104 (shown to people, not bound)
