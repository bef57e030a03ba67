"""Connections through a balancer that says who calls: the PROXY protocol, version 1, before the first PDU.

Source: the PROXY protocol, https://www.haproxy.org/download/2.6/doc/proxy-protocol.txt, section 2.1
"""

from __future__ import annotations

import asyncio
import ipaddress
from typing import Any

import structlog

from archipel.dimse.wire import Wire

log = structlog.get_logger(__name__)

LINE_BYTES_MAX = 107  # with its CR LF


class Announced(asyncio.BufferedProtocol):
    """Hands a connection to its wire: at once when it comes from anywhere but a trusted balancer, else under the announced address."""

    def __init__(self, wire: Wire, trusted: tuple[str, ...], wait_s: float) -> None:
        self._wire, self._trusted, self._wait_s = wire, trusted, wait_s
        self._line = bytearray(LINE_BYTES_MAX)
        self._end = 0
        self._transport: Any = None
        self._over: asyncio.TimerHandle | None = None
        self._is_handed_over = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        peer = transport.get_extra_info("peername")
        if not isinstance(peer, tuple) or peer[0] not in self._trusted:
            self._hand_over(transport, b"")
            return
        self._over = asyncio.get_running_loop().call_later(self._wait_s, self._refuse, "no announcement in time")

    def get_buffer(self, sizehint: int) -> memoryview:
        return self._wire.get_buffer(sizehint) if self._is_handed_over else memoryview(self._line)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        if self._is_handed_over:
            self._wire.buffer_updated(nbytes)
            return
        self._end += nbytes
        line, found, rest = bytes(self._line[: self._end]).partition(b"\r\n")
        if found:
            address = announced(line)
            if address is None:
                self._refuse("an announcement that cannot be read")
            else:
                self._hand_over(_Named(self._transport, address), rest)
        elif self._end == LINE_BYTES_MAX or not b"PROXY ".startswith(line[:6]):
            self._refuse("no announcement")

    def eof_received(self) -> bool:
        return self._wire.eof_received() if self._is_handed_over else False

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_waiting()
        if self._is_handed_over:
            self._wire.connection_lost(exc)

    def pause_writing(self) -> None:
        self._wire.pause_writing()

    def resume_writing(self) -> None:
        self._wire.resume_writing()

    def _hand_over(self, transport: Any, rest: bytes) -> None:
        self._stop_waiting()
        self._is_handed_over = True
        self._wire.connection_made(transport)
        if rest:
            self._wire.get_buffer(len(rest))[: len(rest)] = rest
            self._wire.buffer_updated(len(rest))

    def _refuse(self, reason: str) -> None:
        self._stop_waiting()
        log.warning("dimse.not_announced", address=self._transport.get_extra_info("peername")[0], reason=reason)
        self._transport.abort()

    def _stop_waiting(self) -> None:
        if self._over is not None:
            self._over.cancel()
            self._over = None


class _Named:
    """A transport whose peer is who the balancer says."""

    def __init__(self, transport: Any, address: str) -> None:
        self._transport, self._address = transport, address

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """As the transport, but for the peer."""
        return (self._address, 0) if name == "peername" else self._transport.get_extra_info(name, default)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


def announced(line: bytes) -> str | None:
    """The caller's address in a line without its end; None when it is no line of the protocol, or names nobody (UNKNOWN)."""
    words = line.split(b" ")
    if len(words) != 6 or words[0] != b"PROXY" or words[1] not in (b"TCP4", b"TCP6"):
        return None
    try:
        address = ipaddress.ip_address(words[2].decode("ascii"))
        ports = [int(word) for word in words[4:]]
    except ValueError:
        return None
    right_kind = address.version == (4 if words[1] == b"TCP4" else 6)
    return str(address) if right_kind and all(0 <= port <= 65535 for port in ports) else None
