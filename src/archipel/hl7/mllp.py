"""MLLP framing (HL7 Minimal Lower Layer Protocol, release 1): 0x0B, the message, 0x1C 0x0D. Bytes in, frames out; no sockets.

A message holds neither 0x1C nor a 0x0B that MSH follows, so a peer that lost the thread is found again: what comes between frames is
dropped and counted, a frame whose end was lost is given as ``cut`` when the next one starts, one that grows too long as ``too-long`` with
its first bytes.
"""

from __future__ import annotations

from dataclasses import dataclass

from archipel.kit.errors import Invalid

FRAME_BYTES_MAX = 67_108_864
HEAD_BYTES = 4_096  # of a frame that is too long: enough for its MSH

START, END = b"\x0b", b"\x1c"
_OPENING = (b"\x0bMSH", b"\x0bFHS", b"\x0bBHS")


@dataclass(frozen=True, slots=True)
class Frame:
    """What one frame held. ``fault`` is "", ``cut`` (its end never came) or ``too-long`` (``data`` is its head then)."""

    data: bytes
    fault: str = ""


def frame(message: bytes) -> bytes:
    """A message as it goes on the wire. Raises ``Invalid`` (``data-type``) when it holds 0x1C, which would end it early."""
    if END in message:
        raise Invalid("The message holds the byte 0x1C, which ends a frame.", code="data-type")
    return START + message + END + b"\r"


class Decoder:
    """The frames of one connection. ``garbage_bytes`` counts what lay outside frames."""

    def __init__(self, bytes_max: int = FRAME_BYTES_MAX) -> None:
        self.bytes_max = bytes_max
        self.garbage_bytes = 0
        self._buffer = bytearray()
        self._is_open = False
        self._is_dropping = False  # inside a frame that was too long
        self._scanned = 0

    @property
    def is_inside(self) -> bool:
        """Whether a frame has begun and not ended: its peer owes the rest."""
        return self._is_open

    def feed(self, data: bytes) -> list[Frame]:
        """Take bytes as they come; the frames that they complete."""
        self._buffer += data
        frames: list[Frame] = []
        while self._open() if not self._is_open else self._close(frames):
            pass
        return frames

    def end(self) -> Frame | None:
        """The connection is over: what had begun, as ``cut``."""
        left = Frame(bytes(self._buffer), "cut") if self._is_open and self._buffer and not self._is_dropping else None
        self._reset()
        self._buffer.clear()
        return left

    def _open(self) -> bool:
        start = self._buffer.find(START)
        skipped = bytes(self._buffer[:start] if start >= 0 else self._buffer)
        self.garbage_bytes += len(skipped.lstrip(b"\r\n"))  # the CR of an end, and blank lines between, are none
        if start < 0:
            self._buffer.clear()
            return False
        del self._buffer[: start + 1]
        self._is_open = True
        self._scanned = 0
        return True

    def _close(self, frames: list[Frame]) -> bool:
        """Look on for an end or a new start; whether the state changed."""
        end = self._buffer.find(END, self._scanned)
        again = self._restart(end if end >= 0 else len(self._buffer))
        if again >= 0:
            self._give(frames, again, "cut")
            del self._buffer[:again]  # its 0x0B opens the next one
            return True
        if end >= 0:
            self._give(frames, end, "")
            del self._buffer[: end + 1]
            return True
        if len(self._buffer) > self.bytes_max and not self._is_dropping:
            frames.append(Frame(bytes(self._buffer[:HEAD_BYTES]), "too-long"))
            self._is_dropping = True
        if self._is_dropping:
            del self._buffer[:-3]
        self._scanned = max(0, len(self._buffer) - 3)  # a start of four bytes may be split between two reads
        return False

    def _restart(self, until: int) -> int:
        found = [at for at in (self._buffer.find(opening, self._scanned, until) for opening in _OPENING) if at >= 0]
        return min(found, default=-1)

    def _give(self, frames: list[Frame], end: int, fault: str) -> None:
        if not self._is_dropping:
            too_long = end > self.bytes_max
            frames.append(Frame(bytes(self._buffer[: HEAD_BYTES if too_long else end]), "too-long" if too_long else fault))
        self._reset()

    def _reset(self) -> None:
        self._is_open = False
        self._is_dropping = False
        self._scanned = 0
