"""The listener: admits connections, takes their messages one after the other, drains them at the end."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

import structlog
from cryptography import x509
from cryptography.x509.oid import NameOID

from archipel import audit, directory
from archipel.audit import Outcome
from archipel.directory import Hl7Peer
from archipel.hl7 import mllp
from archipel.kit import traces
from archipel.kit.actor import Actor
from archipel.kit.errors import ArchipelError, Unavailable
from archipel.kit.metrics import Metrics
from archipel.kit.settings import MllpSettings
from archipel.mllp import intake
from archipel.mllp.parts import Queue

T = TypeVar("T")
THREADS = 8
READ_BYTES = 65_536
PEERS_FRESH_S = 1.0
STRANGERS_MAX = 16
STRANGER_BYTES_MAX = 65_536
REFUSED_AGAIN_S = 60
REFUSED_KEPT_MAX = 256
log = structlog.get_logger(__name__)


@dataclass(eq=False)
class Connection:
    """One connection: ``peers`` are those that it may be from, as of ``looked_at``."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    task: asyncio.Task[Any]
    address: str
    subject: tuple[str, ...] | None
    decoder: mllp.Decoder
    peers: Sequence[Hl7Peer] = ()
    looked_at: float = float("-inf")
    is_busy: bool = False
    taken_count: int = 0


class MllpDoor:
    """Listens for HL7 v2 messages. ``start`` may be called once per address (one of them with TLS); all share limits and drain."""

    def __init__(self, queue: Queue, settings: MllpSettings, metrics: Metrics) -> None:
        self._queue, self._settings, self._metrics = queue, settings, metrics
        self._servers: list[asyncio.Server] = []
        self._open: set[Connection] = set()
        self._strangers: set[Connection] = set()
        self._by_address: Counter[str] = Counter()
        self._refused: dict[tuple[str, str], float] = {}
        self._ending = asyncio.Event()
        self._threads = ThreadPoolExecutor(THREADS, thread_name_prefix="mllp")
        metrics.hl7_connections.set_function(lambda: len(self._open))

    # --- life -------------------------------------------------------------------------------------------------------------------

    async def start(self, host: str, port: int, *, tls: ssl.SSLContext | None = None) -> int:
        """Listen on an address; returns the port, which matters when 0 was asked for."""
        handshake = {"ssl_handshake_timeout": 30.0, "ssl_shutdown_timeout": 2.0} if tls else {}
        server = await asyncio.start_server(self._connected, host, port, ssl=tls, backlog=128, limit=READ_BYTES, **handshake)
        self._servers.append(server)
        bound = int(server.sockets[0].getsockname()[1])
        log.info("mllp.listening", host=host, port=bound, tls=tls is not None)
        return bound

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports of all listeners, in the order in which they were started."""
        return tuple(int(server.sockets[0].getsockname()[1]) for server in self._servers if server.sockets)

    async def stop(self, grace_s: float) -> None:
        """Take nothing new, apply and answer what was taken for up to ``grace_s``, then close everything."""
        self._ending.set()
        loop = asyncio.get_running_loop()
        until = loop.time() + grace_s
        for server in self._servers:
            server.close()
        while self._open and loop.time() < until:
            for connection in list(self._open):
                if not connection.is_busy:
                    connection.task.cancel()
            await asyncio.sleep(0.02)
        left = [connection.task for connection in self._open]
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=5)
        self._servers.clear()
        self._threads.shutdown(wait=False, cancel_futures=True)

    # --- one connection ---------------------------------------------------------------------------------------------------------

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """The door loop of one connection: whatever happens in it ends it and no other."""
        address = str((writer.get_extra_info("peername") or ("",))[0])
        s = self._settings
        if (
            self._ending.is_set()
            or len(self._open) >= s.connection_count_max
            or self._by_address[address] >= s.address_connection_count_max
        ):
            log.warning("mllp.too_many_connections", address=address)
            writer.transport.abort()
            return
        task = asyncio.current_task()
        assert task is not None
        connection = Connection(reader, writer, task, address, _subject(writer), mllp.Decoder(s.message_bytes_max))
        self._open.add(connection)
        self._by_address[address] += 1
        reason = "closed"
        try:
            reason = await self._serve(connection)
        except asyncio.CancelledError:
            reason = "stopped"
        except (OSError, TimeoutError) as error:
            reason = type(error).__name__
        except Exception:
            reason = "failed"
            log.exception("mllp.failed", address=address)
        finally:
            self._open.discard(connection)
            self._strangers.discard(connection)
            self._by_address -= Counter({address: 1})
            writer.close()
            garbage = connection.decoder.garbage_bytes
            if reason != "closed" or garbage:
                log.info(
                    "mllp.connection_ended", address=address, reason=reason, message_count=connection.taken_count, garbage_bytes=garbage
                )

    async def _serve(self, connection: Connection) -> str:
        """Read and answer until the peer has gone, is silent for too long, or we end; why it ended."""
        loop = asyncio.get_running_loop()
        if not await self._admitted(connection):
            return "too many strangers"
        begun = loop.time()
        while not self._ending.is_set():
            inside = connection.decoder.is_inside
            wait_s = begun + self._settings.message_s - loop.time() if inside else float(self._settings.idle_s)
            try:
                data = await asyncio.wait_for(connection.reader.read(READ_BYTES), max(wait_s, 0.0))
            except TimeoutError:
                return "slow" if inside else "idle"
            if not data:
                return "closed"
            frames = connection.decoder.feed(data)
            if frames or not inside:
                begun = loop.time()
            for frame in frames:
                if self._ending.is_set():
                    break
                connection.is_busy = True
                await self._message(connection, frame)
                connection.is_busy = False
        return "stopped"

    async def _admitted(self, connection: Connection) -> bool:
        """Look up who calls; one whom nobody knows gets little room, and few of them at once, so that a wrong address is still told."""
        await self._look(connection)
        if any(peer.active for peer in connection.peers):
            return True
        connection.decoder.bytes_max = STRANGER_BYTES_MAX
        self._strangers.add(connection)
        return len(self._strangers) <= STRANGERS_MAX

    async def _look(self, connection: Connection) -> None:
        now = asyncio.get_running_loop().time()
        if now - connection.looked_at < PEERS_FRESH_S:
            return

        def look() -> Sequence[Hl7Peer]:
            with self._queue.database.read() as tx:
                return directory.hl7_peers_at(tx, connection.address, connection.subject)

        connection.peers = await self._run(look)
        connection.looked_at = now

    async def _message(self, connection: Connection, frame: mllp.Frame) -> None:
        """One message to its last answer, measured."""
        begun = asyncio.get_running_loop().time()
        try:
            await self._look(connection)
            taken = await self._run(lambda: intake.take(self._queue, connection.peers, connection.address, frame))
            await self._say(connection, taken.answers)
            if taken.message_id:
                first = taken
                taken = await self._run(lambda: intake.finish(self._queue, first))
                await self._say(connection, taken.answers)
        except ArchipelError as error:
            log.warning("mllp.not_taken", address=connection.address, reason=str(error))
            taken = intake.not_now(self._queue, frame, error)
            await self._say(connection, taken.answers)
        except (OSError, TimeoutError, asyncio.CancelledError):
            raise
        except Exception as error:  # one message must not end the connection for those behind it
            log.exception("mllp.message_failed", address=connection.address)
            taken = intake.not_now(self._queue, frame, Unavailable("The message could not be taken.", code="internal", detail=repr(error)))
            await self._say(connection, taken.answers)
        connection.taken_count += 1
        seconds = asyncio.get_running_loop().time() - begun
        event = self._queue.label(taken.event)
        self._metrics.hl7_messages.labels("unknown-sender" if taken.stranger else event, taken.code).inc()
        self._metrics.operation_seconds.labels("mllp", event).observe(seconds)
        traces.done(f"mllp {event}", seconds, {"archipel.code": taken.code})
        if taken.stranger:
            await self._note_stranger(connection.address, taken.stranger)

    async def _say(self, connection: Connection, answers: Sequence[bytes]) -> None:
        for answer in answers:
            connection.writer.write(mllp.frame(answer))
        if answers:
            await asyncio.wait_for(connection.writer.drain(), self._settings.message_s)

    async def _note_stranger(self, address: str, name: str) -> None:
        """Once a minute per name and address, so that a flood writes little: a log line and an audit record, without the message."""
        now = asyncio.get_running_loop().time()
        self._refused = {key: at for key, at in self._refused.items() if now - at < REFUSED_AGAIN_S}
        if (address, name) in self._refused or len(self._refused) >= REFUSED_KEPT_MAX:
            return
        self._refused[address, name] = now
        log.warning("mllp.sender_unknown", address=address, sender=name)

        def note() -> None:
            with self._queue.database.write() as tx:
                actor = Actor("device", name, address=address)
                audit.record(tx, actor, "mllp.message", outcome=Outcome.REFUSED, reason=intake.SENDER_UNKNOWN)

        await self._run(note)

    async def _run(self, act: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._threads, act)


def _subject(writer: asyncio.StreamWriter) -> tuple[str, ...] | None:
    """The subject of the client certificate, whole and its common names; None without TLS."""
    link = writer.get_extra_info("ssl_object")
    if link is None:
        return None
    encoded = link.getpeercert(binary_form=True)
    if not encoded:
        return ()
    subject = x509.load_der_x509_certificate(encoded).subject
    return (subject.rfc4514_string(), *(str(part.value) for part in subject.get_attributes_for_oid(NameOID.COMMON_NAME)))
