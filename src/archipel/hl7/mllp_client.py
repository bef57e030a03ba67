"""The sending end of MLLP: one connection to a peer, one message at a time, each with the acknowledgement that names its control id.

Every wait is bounded. A connection is kept and used again; when the peer has closed it while it lay idle, it is opened anew before
anything is sent. A message is never sent twice: when the line breaks after it went out, the caller is told (``unanswered``) and decides.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from types import TracebackType

from archipel.hl7 import ack, er7, mllp
from archipel.hl7.ack import Acknowledgement
from archipel.kit.errors import Invalid, LimitReached, Unavailable

ACK_BYTES_MAX = 1_048_576
STRAY_ACKS_MAX = 20  # acknowledgements of other messages that are passed over while one is awaited

_READ_BYTES = 65_536


@dataclass(frozen=True, slots=True)
class Peer:
    """Where to call. ``tls`` is a client context when the peer asks for TLS; ``server_name`` is on its certificate, the host when empty."""

    host: str
    port: int
    name: str = ""
    tls: ssl.SSLContext | None = None
    server_name: str = ""


@dataclass(frozen=True, slots=True)
class Limits:
    """How long to wait for what, in seconds."""

    connect_s: float = 10
    send_s: float = 60
    response_s: float = 60
    counted: Callable[[int], None] = field(default=lambda change: None, compare=False)
    """Told of each connection that opens (1) and ends (-1)."""


class Connection:
    """One connection to a peer; a context manager. Raises ``Unavailable`` (``no-connection``, ``unanswered``, ``no-acknowledgement``)."""

    def __init__(self, peer: Peer, limits: Limits | None = None) -> None:
        self.peer = peer
        self.limits = limits or Limits()
        self._socket: socket.socket | None = None
        self._decoder = mllp.Decoder(ACK_BYTES_MAX)
        self._frames: list[mllp.Frame] = []

    def __enter__(self) -> Connection:
        self.open()
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()

    @property
    def name(self) -> str:
        """The peer, for messages."""
        return f"{self.peer.name or 'the HL7 receiver'} at {self.peer.host}:{self.peer.port}"

    @property
    def is_open(self) -> bool:
        """Whether there is a connection that the peer has not closed."""
        return self._socket is not None and not self._is_gone()

    def open(self) -> None:
        """Connect, with TLS when the peer asks for it; nothing happens when there is a connection."""
        if self.is_open:
            return
        self.close()
        try:
            raw = socket.create_connection((self.peer.host, self.peer.port), timeout=self.limits.connect_s)
            try:
                raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                tls = self.peer.tls
                self._socket = tls.wrap_socket(raw, server_hostname=self.peer.server_name or self.peer.host) if tls else raw
            except BaseException:
                raw.close()
                raise
        except (OSError, ValueError) as error:
            raise Unavailable(f"{self.name} cannot be reached: {error}.", code="no-connection") from error
        self._decoder = mllp.Decoder(ACK_BYTES_MAX)
        self._frames = []
        self.limits.counted(1)

    def close(self) -> None:
        """Close the connection."""
        if self._socket is not None:
            with contextlib.suppress(OSError):
                self._socket.close()
            self._socket = None
            self.limits.counted(-1)

    def send(self, message: bytes, *, after_the_act: bool = True) -> Acknowledgement:
        """Send one message and wait for its acknowledgement.

        In enhanced mode CA is not the last word: with ``after_the_act`` the answer to the act is awaited when MSH-16 asks for one. Raises
        ``Invalid`` when the message has no control id, and ``Unavailable`` when no answer came in time; the connection is closed then, so
        that a late answer is not taken for the next one.
        """
        read = er7.parse(message)
        if not read.control_id:
            raise Invalid("A message has a control id (MSH-10).", code="required-field", field="MSH-10")
        awaits_the_act = after_the_act and ack.wanted(read).application in ("AL", "SU")
        data = mllp.frame(message)
        self.open()
        return self._answer(read.control_id, awaits_the_act, self._sent(data))

    def _sent(self, data: bytes) -> float:
        sock = self._live()
        try:
            sock.settimeout(self.limits.send_s)
            sock.sendall(data)
        except OSError as error:
            self.close()
            raise Unavailable(f"{self.name} did not take the message.", code="unanswered", detail=repr(error)) from error
        return time.monotonic() + self.limits.response_s

    def _answer(self, control_id: str, awaits_the_act: bool, until: float) -> Acknowledgement:
        for _ in range(STRAY_ACKS_MAX):
            frame = self._frame(until)
            try:
                if frame.fault:
                    raise Invalid("The acknowledgement is cut off or too long.", code="data-type")
                answer = ack.read(er7.parse(frame.data))
            except (Invalid, LimitReached) as error:
                self.close()
                raise Unavailable(
                    f"{self.name} answered what is no acknowledgement.", code="no-acknowledgement", detail=str(error)
                ) from error
            if answer.control_id == control_id and not (answer.code == "CA" and awaits_the_act):
                return answer
        self.close()
        raise Unavailable(f"{self.name} acknowledges other messages than the one that was sent.", code="no-acknowledgement")

    def _frame(self, until: float) -> mllp.Frame:
        while not self._frames:
            sock = self._live()
            left = until - time.monotonic()
            try:
                if left <= 0:
                    raise TimeoutError
                sock.settimeout(left)
                data = sock.recv(_READ_BYTES)
            except TimeoutError as error:
                self.close()
                raise Unavailable(f"{self.name} did not answer within {self.limits.response_s:g} s.", code="unanswered") from error
            except OSError as error:
                self.close()
                raise Unavailable(f"{self.name} broke the connection before it answered.", code="unanswered", detail=repr(error)) from error
            if not data:
                self.close()
                raise Unavailable(f"{self.name} closed the connection before it answered.", code="unanswered")
            self._frames += self._decoder.feed(data)
        return self._frames.pop(0)

    def _live(self) -> socket.socket:
        if self._socket is None:
            raise Unavailable(f"There is no connection with {self.name}.", code="no-connection")
        return self._socket

    def _is_gone(self) -> bool:
        """Whether an idle connection was closed by the peer, or holds bytes that nobody asked for; it is closed here then."""
        sock = self._live()
        try:
            sock.settimeout(0)
            sock.recv(1)
        except (BlockingIOError, ssl.SSLWantReadError):  # nothing there; TLS may have had a session ticket to take
            return False
        except OSError:
            pass
        self.close()
        return True
