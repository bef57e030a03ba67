"""The socket under a requestor: PDUs out and in, every wait bounded, every failure said in words (PS3.8 9.1 and 9.2)."""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from archipel.dicom import pdu
from archipel.kit.errors import Unavailable

_READ_BYTES = 262_144
_TOLERATED_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to call and under which names. ``tls`` is a client context when the peer asks for TLS."""

    host: str
    port: int
    called_ae: str
    calling_ae: str
    tls: ssl.SSLContext | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for what, in seconds."""

    connect_s: float = 10
    artim_s: float = 30
    response_s: float = 300
    length_max_bytes: int = 131_072
    counted: Callable[[int], None] = field(default=lambda change: None, compare=False)
    """Told of each connection that opens (1) and ends (-1)."""


class Link:
    """One connection to a peer. Whatever goes wrong closes it and raises ``Unavailable`` or ``PduError``."""

    def __init__(self, peer: Peer, limits: Limits) -> None:
        self.peer = peer
        self.limits = limits
        self._buffer = bytearray()
        self._socket: socket.socket | None = None

    @property
    def name(self) -> str:
        """The peer, for messages."""
        return f"{self.peer.called_ae} at {self.peer.host}:{self.peer.port}"

    @property
    def is_open(self) -> bool:
        """Whether bytes can still be exchanged."""
        return self._socket is not None

    def open(self) -> None:
        """Connect, with TLS when the peer asks for it."""
        try:
            raw = socket.create_connection((self.peer.host, self.peer.port), timeout=self.limits.connect_s)
            try:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                tls = self.peer.tls
                self._socket = tls.wrap_socket(raw, server_hostname=self.peer.host) if tls else raw
            except BaseException:
                raw.close()
                raise
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.name} cannot be reached: {error}.", code="no-connection") from error
        self.limits.counted(1)

    def send(self, data: bytes) -> None:
        """Send all of it."""
        sock = self._live()
        try:
            sock.settimeout(self.limits.response_s)
            sock.sendall(data)
        except OSError as error:
            self.close()
            raise Unavailable(f"{self.name} no longer takes data.", code="aborted", detail=repr(error)) from error

    def read_data(self) -> Iterator[pdu.Value]:
        """The values of the next P-DATA-TF; anything else at this point breaks the protocol."""
        kind, body = self._read_body(self.limits.response_s)
        if kind != pdu.P_DATA:
            raise self.broken(f"{type(self._decoded(kind, body)).__name__} where data is due")
        return pdu.values(memoryview(body))

    def read_pdu(self, seconds: float) -> pdu.Pdu:
        """The next PDU that is no data; data on the way is no longer asked for and dropped."""
        until = time.monotonic() + seconds
        while True:
            kind, body = self._read_body(max(0.001, until - time.monotonic()))
            if kind != pdu.P_DATA:
                return self._decoded(kind, body)

    def broken(self, why: str) -> Unavailable:
        """Abort because the peer does not follow the protocol; the exception to raise."""
        self.abort()
        return Unavailable(f"{self.name} broke the protocol: {why}.", code="aborted")

    def abort(self) -> None:
        """A-ABORT if it can still be sent, then close."""
        if self._socket is None:
            return
        with contextlib.suppress(OSError):
            self._socket.settimeout(1)
            self._socket.sendall(pdu.encode(pdu.Abort(0)))
        self.close()

    def close(self) -> None:
        """Close the socket."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
            self.limits.counted(-1)

    def _live(self) -> socket.socket:
        if self._socket is None:
            raise Unavailable(f"The association with {self.name} is over.", code="aborted")
        return self._socket

    def _decoded(self, kind: int, body: bytes) -> pdu.Pdu:
        answer = pdu.decode(kind, body)
        if isinstance(answer, pdu.Abort):
            self.close()
            raise Unavailable(f"{self.name} aborted the association.", code="aborted", detail=f"{answer.source}/{answer.reason}")
        return answer

    def _read_body(self, seconds: float) -> tuple[int, bytes]:
        until = time.monotonic() + seconds
        kind, length = pdu.read_head(self._read(6, until), max(self.limits.length_max_bytes, _TOLERATED_BYTES))
        return kind, self._read(length, until)

    def _read(self, count: int, until: float) -> bytes:
        sock = self._live()
        while len(self._buffer) < count:
            try:
                sock.settimeout(max(0.001, until - time.monotonic()))
                data = sock.recv(_READ_BYTES)
            except TimeoutError as error:
                self.abort()
                raise Unavailable(f"{self.name} did not answer in time.", code="timeout") from error
            except OSError as error:
                self.close()
                raise Unavailable(f"{self.name} closed the connection.", code="aborted", detail=repr(error)) from error
            if not data:
                self.close()
                raise Unavailable(f"{self.name} closed the connection.", code="aborted")
            self._buffer += data
        taken = bytes(memoryview(self._buffer)[:count])
        del self._buffer[:count]
        return taken
