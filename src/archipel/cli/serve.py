"""``archipel serve`` and ``archipel work``: doors and work in one process or in several, and an orderly end."""

from __future__ import annotations

import asyncio
import gc
import os
import resource
import signal
import socket
import ssl
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import structlog
import typer
import uvicorn
import uvloop
from starlette.types import ASGIApp

from archipel import __version__, directory, mllp
from archipel import app as composition
from archipel.cli.http_wire import HttpWire, wire_of
from archipel.cli.options import Config, Data
from archipel.dimse import DimseDoor, tls_contexts
from archipel.kit.database import IntegrityError
from archipel.kit.errors import Invalid
from archipel.kit.logs import configure_logs
from archipel.kit.settings import Settings, load_settings

log = structlog.get_logger(__name__)

# Work that is under way when the end is asked for gets this long; a connection on which nothing moves is no work.
GRACE_S = 25.0
GRACE_STALLED_S = 3.0
GARBAGE_COUNT = 20_000  # objects made, less those let go, between two looks for cycles
HealthPort = Annotated[int | None, typer.Option("--health-port", help="Port of /healthz, /readyz and /metrics alone [none].")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    app.command("serve")(serve)
    app.command("work")(work)


def serve(
    data: Data = Path("var"),
    host: Annotated[str | None, typer.Option("--host", help="Address of every door [127.0.0.1].")] = None,
    http_port: Annotated[int | None, typer.Option("--http-port", help="Port of the HTTP doors [8080].")] = None,
    dicom_port: Annotated[int | None, typer.Option("--dicom-port", help="Port of the DICOM listener [11112].")] = None,
    mllp_port: Annotated[int | None, typer.Option("--mllp-port", help="Port of the HL7 v2 listener [none].")] = None,
    aet: Annotated[str | None, typer.Option("--aet", help="Our AE title [ARCHIPEL].")] = None,
    doors: Annotated[
        str | None,
        typer.Option("--doors", help="Only these of dimse,dicomweb,mllp,web; archipel work does the rest [all, and the work]."),
    ] = None,
    health_port: HealthPort = None,
    config: Config = None,
) -> None:
    """Run the platform until SIGTERM or Ctrl-C, which let it finish what is in flight."""
    does = _doors(doors)
    http = {"host": host, "port": http_port, "health_port": health_port}
    dicom = {"host": host, "port": dicom_port, "ae_title": aet}
    _run(load_settings(data, config, http=http, dicom=dicom, mllp={"host": host, "port": mllp_port}), does)


def work(
    data: Data = Path("var"),
    host: Annotated[str | None, typer.Option("--host", help="Address of health and metrics [127.0.0.1].")] = None,
    health_port: HealthPort = None,
    config: Config = None,
) -> None:
    """Do the work behind the doors (change feed, jobs, quiet timer) until SIGTERM or Ctrl-C; any number of these may run."""
    _run(load_settings(data, config, http={"host": host, "health_port": health_port}), ("work",))


def _run(settings: Settings, does: tuple[str, ...]) -> None:
    configure_logs(as_json=settings.log_json)
    Server(settings, does).run()


def _doors(text: str | None) -> tuple[str, ...]:
    """What ``--doors`` asks for, in the house's order."""
    if text is None:
        return composition.EVERYTHING
    asked = {word.strip() for word in text.split(",")}
    if not asked <= set(composition.DOORS):
        raise Invalid(f"--doors takes some of {','.join(composition.DOORS)}, not {text}.", code="doors", field="doors")
    return tuple(door for door in composition.DOORS if door in asked)


class Server:
    """The doors of one process and their life."""

    def __init__(self, settings: Settings, does: tuple[str, ...] = composition.EVERYTHING) -> None:
        self._settings, self._does = settings, does
        self._platform = composition.build(settings, does=does)
        self._dimse: DimseDoor | None = None
        self._mllp: mllp.MllpDoor | None = None
        self._http: list[tuple[_Http, asyncio.Task[None]]] = []
        self._addresses: list[dict[str, str]] = []

    def run(self) -> None:
        """Run until told to stop; returns when everything that was acknowledged is safe and every door is closed."""
        if "web" in self._does:
            self._first_administrator()
        _open_many_files()
        gc.collect()
        gc.freeze()  # what is there now stays: to look at it again and again took a twentieth of receiving
        gc.set_threshold(GARBAGE_COUNT)
        with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
            runner.run(self._serve())

    def _first_administrator(self) -> None:
        try:
            made = self._platform.database.transact(directory.ensure_first_administrator)
        except IntegrityError:  # a process that started at the same moment has made it, and shows the password
            return
        if made:
            print(f"first administrator: {made[0].login}   one-time password: {made[1]}", flush=True)

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        stopping = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, stopping.set)
        try:
            await self._open()
            await stopping.wait()
            log.info("serve.draining")
            await self._drain()
        finally:
            await asyncio.to_thread(self._platform.close)
        log.info("serve.stopped")

    async def _open(self) -> None:
        s, platform = self._settings, self._platform
        mine = await asyncio.to_thread(platform.join)
        if "dimse" in self._does:
            self._dimse = composition.dimse_door(platform)
        listening = self._listening_http()  # a port that is taken is told before anything begins
        if self._dimse is not None:
            await self._listen_dicom("dicom", s.dicom.port)
            if s.dicom.tls_port >= 0:
                await self._listen_dicom("dicom-tls", s.dicom.tls_port, tls=tls_contexts(s.dicom).server)
        if "mllp" in self._does:
            await self._open_hl7()
        await asyncio.to_thread(platform.start_background, mine, composition.jobs(platform), self._figures)
        for bound, app in listening:
            await self._serve_http(bound, app)
        platform.health.ready = True
        self._say()

    def _listening_http(self) -> list[tuple[socket.socket, ASGIApp]]:
        s, found = self._settings, []
        if {"dicomweb", "web"} & set(self._does):
            bound = _bound(s.http.host, s.http.port)
            self._addresses.append({"name": "http", "address": f"http://{_shown(s.http.host)}:{bound.getsockname()[1]}"})
            found.append((bound, composition.http_app(self._platform, self._dimse)))
        if s.http.health_port >= 0:
            bound = _bound(s.http.host, s.http.health_port)
            self._addresses.append({"name": "health", "address": f"http://{_shown(s.http.host)}:{bound.getsockname()[1]}"})
            found.append((bound, composition.gate(self._platform)))
        return found

    async def _serve_http(self, bound: socket.socket, app: ASGIApp) -> None:
        s = self._settings
        config = uvicorn.Config(
            app, log_config=None, access_log=False, timeout_keep_alive=65, timeout_graceful_shutdown=5, backlog=512, server_header=False,
            proxy_headers=bool(s.http.trusted_proxies), forwarded_allow_ips=list(s.http.trusted_proxies),
            http=wire_of(s.http),
        )  # fmt: skip
        server = _Http(config)
        serving = asyncio.get_running_loop().create_task(server.serve(sockets=[bound]))
        self._http.append((server, serving))
        while not server.started:
            if serving.done():
                serving.result()
            await asyncio.sleep(0.01)

    async def _listen_dicom(self, name: str, port: int, tls: ssl.SSLContext | None = None) -> None:
        assert self._dimse is not None
        host = self._settings.dicom.host
        try:
            bound = await self._dimse.start(host, port, tls=tls)
        except OSError as error:
            raise _cannot_listen(host, port, error) from error
        self._addresses.append({"name": name, "address": f"{_shown(host)}:{bound}"})

    async def _open_hl7(self) -> None:
        """The HL7 listeners that the settings ask for."""
        s = self._settings.mllp
        asked: list[tuple[str, str, int, ssl.SSLContext | None]] = [("hl7", mllp.plain_host(s), s.port, None)] if s.port >= 0 else []
        asked += [("hl7-tls", s.host, s.tls_port, mllp.tls_contexts(s).server)] if s.tls_port >= 0 else []
        self._mllp = composition.mllp_door(self._platform) if asked else None
        for name, host, port, tls in asked:
            assert self._mllp is not None
            if name == "hl7" and host != s.host:
                log.warning("serve.plain_hl7_on_loopback_only", wanted=s.host, setting="mllp.allow_plain")
            try:
                bound = await self._mllp.start(host, port, tls=tls)
            except OSError as error:
                raise _cannot_listen(host, port, error) from error
            self._addresses.append({"name": name, "address": f"{_shown(host)}:{bound}"})

    def _figures(self) -> dict[str, Any]:
        """What the system page of any process shows of this one."""
        found = self._dimse.associations() if self._dimse is not None else []
        return {"doors": self._addresses, "associations": [asdict(one) | {"since": one.since.isoformat()} for one in found]}

    def _say(self) -> None:
        """One line for people: where this process can be reached."""
        at = {one["name"]: one["address"] for one in self._addresses}
        parts = [f"web app and API: {at['http']}"] if "http" in at else []
        parts += [f"DICOM: {self._settings.dicom.ae_title} on {at['dicom']}"] if "dicom" in at else []
        parts += [f"{word}: {at[name]}" for name, word in (("hl7", "HL7"), ("hl7-tls", "HL7 over TLS")) if name in at]
        parts += [f"health: {at['health']}"] if "health" in at else []
        parts += ["work: feed, jobs, quiet timer"] if self._does == ("work",) else []
        print("   ".join([*parts, f"Archipel {__version__}"]), flush=True)

    async def _drain(self) -> None:
        """Refuse new work at every door, let what is in flight finish, then close."""
        health = self._platform.health
        health.draining = True
        until = asyncio.get_running_loop().time() + GRACE_S
        dimse = asyncio.create_task(self._dimse.stop(GRACE_S)) if self._dimse is not None else None
        hl7 = asyncio.create_task(self._mllp.stop(GRACE_S)) if self._mllp is not None else None
        for server, _ in self._http:
            server.hurry(GRACE_STALLED_S)
        while health.in_flight and asyncio.get_running_loop().time() < until:
            await asyncio.sleep(0.05)
        for door in (dimse, hl7):
            if door is not None:
                await door
        for server, serving in self._http:
            server.should_exit = True
            await serving


class _Http(uvicorn.Server):
    """Uvicorn without its own signal handlers: the service decides when it ends."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def hurry(self, stall_s: float) -> None:
        """Wait no longer than this for bytes that do not move."""
        for connection in list(self.server_state.connections):
            if isinstance(connection, HttpWire):
                connection.hurry(stall_s)


def _open_many_files() -> None:
    """As many open files as this machine lets us: each connection is one, and so is each blob that is read or written."""
    most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    with suppress(ValueError, OSError):  # some systems name a bound that they do not grant
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


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
