"""HTTP connections with an end to their patience and to their number: uvicorn's protocol takes everybody, and waits for ever."""

from __future__ import annotations

import asyncio
import ipaddress
import socket
import struct
from collections import Counter
from typing import Any

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from archipel.kit.settings import HttpSettings

log = structlog.get_logger(__name__)

HEAD_BYTES_MAX = 64 << 10
# A connection is looked at so many times while its patience lasts: bytes that move cost nothing.
LOOKS = 8
_TOLD_AGAIN_S = 10
_ACKED_AT = 120  # tcpi_bytes_acked in Linux's tcp_info
_CLOSE = b"Connection: close\r\nContent-Length: 0\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\n" + _CLOSE
_STALLED = b"HTTP/1.1 408 Request Timeout\r\n" + _CLOSE
_TOO_MANY = b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 10\r\n" + _CLOSE


class Places:
    """The connections that one listener takes: so many in all, so many of one address; a trusted proxy speaks for many addresses."""

    def __init__(self, count_max: int, per_address_max: int, proxies: tuple[str, ...] = ()) -> None:
        self._count_max, self._per_address_max = count_max, per_address_max
        self._everybody = "*" in proxies
        self._proxies = [found for one in proxies if (found := _network(one)) is not None]
        self._taken: Counter[str] = Counter()
        self._told_at = float("-inf")

    def take(self, address: str, now: float) -> bool:
        """Take a place, or say (to the log now and then) that there is none."""
        has_room = self._taken[address] < self._per_address_max or self._speaks_for_many(address)
        if self._taken.total() < self._count_max and has_room:
            self._taken[address] += 1
            return True
        if now - self._told_at >= _TOLD_AGAIN_S:
            self._told_at = now
            log.warning("http.too_many_connections", address=address, of_address=self._taken[address], connections=self._taken.total())
        return False

    def leave(self, address: str) -> None:
        """Give a place back."""
        self._taken[address] -= 1
        if not self._taken[address]:
            del self._taken[address]

    def _speaks_for_many(self, address: str) -> bool:
        if self._everybody or not self._proxies:
            return self._everybody
        found = _network(address)
        return found is not None and any(found[0] in network for network in self._proxies)


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        return None


def wire_of(settings: HttpSettings) -> type[HttpWire]:
    """The protocol of one listener with these limits."""
    places = Places(settings.connection_count_max, settings.address_connection_count_max, settings.trusted_proxies)
    return type("Wire", (HttpWire,), {"head_s": settings.head_s, "stall_s": settings.stall_s, "places": places})


class HttpWire(HttpToolsProtocol):
    """One connection.

    A request's head comes within ``head_s`` seconds and ``HEAD_BYTES_MAX``. Of a body that is due and of an answer that waits to be
    taken some byte moves every ``stall_s`` seconds, however slowly. Else the connection is closed.
    """

    head_s: float = 30
    stall_s: float = 120
    places = Places(2000, 400)

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._head_bytes = 0
        self._head_due: asyncio.TimerHandle | None = None
        self._look_due: asyncio.TimerHandle | None = None
        self._address = ""
        self._has_place = False
        self._in_body = False
        self._heard_at = 0.0
        self._acked: int | None = None
        self._acked_at = 0.0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._address = self.client[0] if self.client else ""
        self._has_place = self.places.take(self._address, self.loop.time())
        if not self._has_place:
            transport.write(_TOO_MANY)
            transport.close()
            return
        self._expect_head()
        self._look_later()

    def connection_lost(self, exc: Exception | None) -> None:
        self._head_came()
        if self._look_due is not None:
            self._look_due.cancel()
        if self._has_place:
            self.places.leave(self._address)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        self._heard_at = self.loop.time()
        super().data_received(data)
        if self._head_due is None:
            return
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX and not self.transport.is_closing():
            log.warning("http.head_too_large", address=self._address, bytes=self._head_bytes)
            self.transport.write(_TOO_LARGE)
            self.transport.close()

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect_head()

    def on_headers_complete(self) -> None:
        self._head_came()
        self._in_body = True
        super().on_headers_complete()

    def on_message_complete(self) -> None:
        self._in_body = False
        super().on_message_complete()

    def hurry(self, stall_s: float) -> None:
        """Be patient for no longer than this from now on: the process ends."""
        self.stall_s = min(self.stall_s, stall_s)
        if self._look_due is not None:
            self._look_due.cancel()
            self._look_later()

    # --- the head ---------------------------------------------------------------------------------------------------------------

    def _expect_head(self) -> None:
        if self._head_due is None:
            self._head_bytes = 0
            self._head_due = self.loop.call_later(self.head_s, self._head_late)

    def _head_came(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _head_late(self) -> None:
        self._head_due = None
        if not self.transport.is_closing():
            log.info("http.no_request", address=self._address, seconds=self.head_s)
            self.transport.abort()

    # --- the body, and the answer -----------------------------------------------------------------------------------------------

    def _look_later(self) -> None:
        self._look_due = self.loop.call_later(self.stall_s / LOOKS, self._look)

    def _look(self) -> None:
        self._look_later()
        now = self.loop.time()
        if self._is_stuck_writing(now):
            log.info("http.answer_not_taken", address=self._address, seconds=self.stall_s)
            self.transport.abort()
        elif self._is_stuck_reading(now):
            log.info("http.body_stalled", address=self._address, seconds=self.stall_s)
            if not self.cycle.response_started:
                self.transport.write(_STALLED)
            self.transport.close()

    def _is_stuck_reading(self, now: float) -> bool:
        if not self._in_body or self.transport.is_closing():
            return False
        if self.flow.read_paused or self.cycle.waiting_for_100_continue:  # it is we who are slow
            self._heard_at = now
        # A look later than the doors that read long bodies: they can say what became of the part that came.
        return now - self._heard_at >= self.stall_s * (1 + 1 / LOOKS)

    def _is_stuck_writing(self, now: float) -> bool:
        if not self.transport.get_write_buffer_size():
            self._acked = None
            return False
        acked = _bytes_acked(self.transport)
        if acked != self._acked:
            self._acked, self._acked_at = acked, now
        return now - self._acked_at >= self.stall_s


def _bytes_acked(transport: asyncio.Transport) -> int:
    """Bytes that the peer has taken: the buffers of the transport and the kernel hide for minutes that a slow reader moves."""
    option = getattr(socket, "TCP_INFO", None)
    found = transport.get_extra_info("socket").getsockopt(socket.IPPROTO_TCP, option, 256) if option else b""
    if len(found) < _ACKED_AT + 8:  # not Linux
        return -transport.get_write_buffer_size()
    return int(struct.unpack_from("=Q", found, _ACKED_AT)[0])
