"""One TCP connection as a source and sink of PDUs, with bounded memory on both sides.

Bytes are read into one buffer that grows to the largest PDU seen, never past the limit; when it is full the socket is not read, so a
fast peer waits in its own kernel. A PDU is a view on that buffer, valid until the next one is asked for.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any, cast

from archipel.dicom import pdu

_FIRST_BYTES = 65_536
_AHEAD_BYTES = 65_536  # read while a full PDU is being looked at
_WRITE_HIGH_BYTES = 262_144


class PeerGone(Exception):
    """The connection is over: closed, reset, or given up because the peer stalled. Ordinary; ``reason`` is for the log."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Wire(asyncio.BufferedProtocol):
    """The bytes of one association. Made by the listener; ``opened`` is called once with the wire when it is connected."""

    def __init__(self, opened: Callable[[Wire], None], data_bytes_max: int) -> None:
        self._opened = opened
        self._data_bytes_max = data_bytes_max
        self._buffer = bytearray(_FIRST_BYTES)
        self._start = 0  # of what has not been given out
        self._end = 0  # of what has arrived
        self._needed = 1
        self._arrived: asyncio.Future[None] | None = None
        self._writable: asyncio.Future[None] | None = None
        self._write_paused = False
        self._read_paused = False
        self._gone: str | None = None
        self._transport: asyncio.Transport | None = None
        self.address = ""
        self.certificate: bytes | None = None
        self.received_bytes = 0
        self.sent_bytes = 0

    # --- called by the event loop -----------------------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's share no base class
        raw = transport.get_extra_info("socket")
        if raw is not None and raw.family in (socket.AF_INET, socket.AF_INET6):
            raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        peer = transport.get_extra_info("peername")
        self.address = peer[0] if isinstance(peer, tuple) else ""
        secured: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
        self.certificate = secured.getpeercert(binary_form=True) if secured is not None else None
        self._live().set_write_buffer_limits(high=_WRITE_HIGH_BYTES)
        self._opened(self)

    def get_buffer(self, sizehint: int) -> memoryview:
        return memoryview(self._buffer)[self._end :]

    def buffer_updated(self, nbytes: int) -> None:
        self._end += nbytes
        self.received_bytes += nbytes
        if self._end == len(self._buffer):
            self._pause()
        if self._end - self._start >= self._needed:
            self._wake(self._arrived)

    def eof_received(self) -> bool:
        self._lost("the peer closed the connection")
        return False

    def connection_lost(self, exc: Exception | None) -> None:
        self._lost(f"the connection broke ({type(exc).__name__})" if exc else "the connection was closed")

    def pause_writing(self) -> None:
        self._write_paused = True

    def resume_writing(self) -> None:
        self._write_paused = False
        self._wake(self._writable)

    # --- called by the association ----------------------------------------------------------------------------------------------

    @property
    def is_gone(self) -> bool:
        """Whether the peer has left."""
        return self._gone is not None

    async def read_pdu(self, first_byte_s: float, whole_s: float) -> tuple[int, memoryview]:
        """Type and body of the next PDU: ``first_byte_s`` to wait for its start, ``whole_s`` from there to its end.

        Raises ``PduError`` from the head alone when the PDU is none or too long, ``PeerGone`` when the peer left or stalled.
        """
        ready = self.take_pdu()
        if ready is not None:
            return ready
        await self._await(1, first_byte_s, "sent nothing")
        try:
            async with asyncio.timeout(whole_s):
                while True:
                    ready = self.take_pdu()
                    if ready is not None:
                        return ready
                    await self._await(self._needed, None, "")
        except TimeoutError:
            raise self.give_up(f"the peer stalled for {whole_s:g} s within a PDU") from None

    def take_pdu(self) -> tuple[int, memoryview] | None:
        """The next PDU if it is here whole, without waiting."""
        self._let_go()
        available = self._end - self._start
        if available < pdu.HEAD_BYTES:
            self._needed = pdu.HEAD_BYTES
            self._make_room(pdu.HEAD_BYTES)
            return None
        kind, length = pdu.read_head(memoryview(self._buffer)[self._start : self._start + pdu.HEAD_BYTES], self._data_bytes_max)
        whole = pdu.HEAD_BYTES + length
        if available < whole:
            self._needed = whole
            self._make_room(whole)
            return None
        body = memoryview(self._buffer)[self._start + pdu.HEAD_BYTES : self._start + whole]
        self._start += whole
        return kind, body

    async def write(self, data: bytes, seconds: float) -> None:
        """Send; waits while the peer does not take what was sent before."""
        if self._gone is not None:
            raise PeerGone(self._gone)
        self._live().write(data)
        self.sent_bytes += len(data)
        if not self._write_paused:
            return
        self._writable = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._writable
        except TimeoutError:
            raise self.give_up(f"the peer took no data for {seconds:g} s") from None
        finally:
            self._writable = None
        if self._gone is not None:
            raise PeerGone(self._gone)

    async def wait_activity(self, seconds: float) -> bool:
        """Whether the peer sends something, or leaves, within this time."""
        if self._end > self._start or self._gone is not None:
            return True
        self._needed = 1
        self._arrived = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived
        except TimeoutError:
            return False
        finally:
            self._arrived = None
        return True

    async def wait_gone(self, seconds: float) -> None:
        """Wait until the peer has closed, reading nothing into account; at most this long (ARTIM)."""
        until = asyncio.get_running_loop().time() + seconds
        with contextlib.suppress(PeerGone):
            while (left := until - asyncio.get_running_loop().time()) > 0:
                self._let_go()
                self._start = self._end
                self._make_room(1)
                await self._await(1, left, "did not close")

    def close(self) -> None:
        """Close once what was written is sent."""
        if self._transport is not None:
            self._transport.close()

    def send_last(self, data: bytes, reason: str) -> None:
        """Send and close; whoever waits on this wire gets ``PeerGone`` with this reason."""
        if self._gone is None:
            self._live().write(data)
            self._live().close()
        self._lost(reason)

    def give_up(self, reason: str) -> PeerGone:
        """Drop the connection at once; the exception to raise."""
        if self._transport is not None:
            self._transport.abort()
        self._lost(reason)
        return PeerGone(self._gone or reason)

    # --- inside -----------------------------------------------------------------------------------------------------------------

    def _live(self) -> asyncio.Transport:
        assert self._transport is not None
        return self._transport

    async def _await(self, needed: int, seconds: float | None, failing: str) -> None:
        if self._end - self._start >= needed:
            return
        if self._gone is not None:
            raise PeerGone(self._gone)
        self._needed = needed
        self._arrived = asyncio.get_running_loop().create_future()
        try:
            async with asyncio.timeout(seconds):
                await self._arrived
        except TimeoutError:
            if seconds is None:
                raise
            raise self.give_up(f"the peer {failing} for {seconds:g} s") from None
        finally:
            self._arrived = None
        if self._end - self._start < needed and self._gone is not None:
            raise PeerGone(self._gone)

    def _let_go(self) -> None:
        """The last PDU has been read: its room is free again."""
        if self._start == self._end:
            self._start = self._end = 0
            self._resume()

    def _make_room(self, whole: int) -> None:
        if len(self._buffer) - self._start < whole:
            waiting = memoryview(self._buffer)[self._start : self._end]
            fresh = bytearray(max(len(self._buffer), whole + _AHEAD_BYTES if whole > len(self._buffer) else 0))
            fresh[: len(waiting)] = waiting
            self._start, self._end, self._buffer = 0, len(waiting), fresh
        if self._end < len(self._buffer):
            self._resume()

    def _pause(self) -> None:
        if not self._read_paused and self._gone is None:
            self._live().pause_reading()
            self._read_paused = True

    def _resume(self) -> None:
        if self._read_paused:
            self._read_paused = False
            if self._gone is None:
                self._live().resume_reading()

    def _lost(self, reason: str) -> None:
        if self._gone is None:
            self._gone = reason
        self._wake(self._arrived)
        self._wake(self._writable)

    @staticmethod
    def _wake(waiter: asyncio.Future[Any] | None) -> None:
        if waiter is not None and not waiter.done():
            waiter.set_result(None)
