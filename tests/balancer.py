"""A TCP balancer of a few lines: each connection goes to the next process whose ``/readyz`` answers 200."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
from dataclasses import dataclass

EVERY_S = 0.1


@dataclass
class Backend:
    """One process behind the balancer."""

    port: int
    ready_port: int
    ready: bool = False
    connections: int = 0


class Balancer:
    """Listens on a free port of loopback until it is stopped."""

    def __init__(self, backends: list[Backend]) -> None:
        self.backends = backends
        self.port = 0
        self._turn = itertools.count()
        self._loop = asyncio.new_event_loop()
        self._listening = threading.Event()
        self._thread = threading.Thread(target=self._run, name="balancer", daemon=True)

    def start(self) -> Balancer:
        self._thread.start()
        assert self._listening.wait(10)
        return self

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(asyncio.start_server(self._serve, "127.0.0.1", 0))
        self.port = server.sockets[0].getsockname()[1]
        checks = [self._loop.create_task(self._check(backend)) for backend in self.backends]
        self._listening.set()
        self._loop.run_forever()
        server.close()
        for task in [*checks, *asyncio.all_tasks(self._loop)]:
            task.cancel()
        self._loop.run_until_complete(asyncio.sleep(0.05))
        self._loop.close()

    async def _check(self, backend: Backend) -> None:
        while True:
            try:
                backend.ready = await asyncio.wait_for(self._is_ready(backend.ready_port), 3)
            except (OSError, TimeoutError, asyncio.IncompleteReadError):
                backend.ready = False
            await asyncio.sleep(EVERY_S)

    @staticmethod
    async def _is_ready(port: int) -> bool:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        try:
            writer.write(b"GET /readyz HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            return (await reader.readline()).startswith(b"HTTP/1.1 200")
        finally:
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        upstream = await self._connect()
        if upstream is None:
            writer.close()
            return
        backend, (back_reader, back_writer) = upstream
        backend.connections += 1
        await asyncio.gather(self._pipe(reader, back_writer), self._pipe(back_reader, writer))

    async def _connect(self) -> tuple[Backend, tuple[asyncio.StreamReader, asyncio.StreamWriter]] | None:
        start = next(self._turn)
        ready = [backend for backend in self.backends if backend.ready]
        for n in range(len(ready)):
            backend = ready[(start + n) % len(ready)]
            with contextlib.suppress(OSError):
                return backend, await asyncio.open_connection("127.0.0.1", backend.port)
        return None

    @staticmethod
    async def _pipe(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while data := await reader.read(1 << 16):
                writer.write(data)
                await writer.drain()
        except OSError:
            pass
        finally:
            writer.close()
