"""A ZIP of stored members whose every byte has its place before the first is read: it can be sent from anywhere, again and again.

PKWARE APPNOTE 6.3: local headers with checksums (so that programs which read as it arrives take it), ZIP64 where a size needs it.
"""

from __future__ import annotations

import struct
import threading
import zlib
from bisect import bisect_right
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

_LOCAL = struct.Struct("<4sHHHHHIIIHH")
_CENTRAL = struct.Struct("<4sHHHHHHIIIHHHHHII")
_END64 = struct.Struct("<4sQHHIIQQQQ")
_LOCATOR = struct.Struct("<4sIQI")
_END = struct.Struct("<4sHHHHIIH")
_DATE = 1 << 5 | 1  # 1 January 1980, midnight: dates of members say nothing of the exam
_FULL = 0xFFFFFFFF
WHOLE_BYTES_MAX = 4 << 20
CHECKSUM_COUNT_MAX = 500_000


@dataclass(frozen=True)
class Member:
    """One file: its name, its length, and how to read it; ``key`` names its content for the checksums that are kept."""

    name: str
    length_bytes: int
    key: str
    read: Callable[[], Iterator[bytes]]


class Checksums:
    """CRC-32 by content, kept while there is room, so that the end of an archive does not need all of it read again."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, int] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, member: Member) -> int:
        """The member's checksum, from the content when it is not known."""
        with self._lock:
            if member.key in self._kept:
                return self._kept[member.key]
        crc = 0
        for chunk in member.read():
            crc = zlib.crc32(chunk, crc)
        self.keep(member, crc)
        return crc

    def keep(self, member: Member, crc: int) -> None:
        """Remember a checksum."""
        with self._lock:
            self._kept[member.key] = crc
            while len(self._kept) > CHECKSUM_COUNT_MAX:
                self._kept.popitem(last=False)


class StoredZip:
    """The archive of some members, in their order."""

    def __init__(self, members: Sequence[Member], checksums: Checksums) -> None:
        self._members, self._checksums = members, checksums
        locals_ = [_LOCAL.size + len(m.name) + (20 if m.length_bytes >= _FULL else 0) + m.length_bytes for m in members]
        self._offsets = list(accumulate(locals_, initial=0))
        self._directory = self._offsets.pop()
        centrals = [len(self._central(i, 0)) for i in range(len(members))]
        self._end = self._directory + sum(centrals)
        self._central_offsets = list(accumulate(centrals, initial=self._directory))[:-1]
        self.size_bytes = self._end + len(self._ending())

    def stream(self, start: int, length: int) -> Iterator[bytes]:
        """``length`` bytes from ``start``."""
        position, end = start, start + length
        for at, chunk in self._chunks(start):
            piece = chunk[max(0, start - at) : max(0, end - at)]
            if piece:
                position += len(piece)
                yield bytes(piece)
            if position >= end:
                return

    def _chunks(self, start: int) -> Iterator[tuple[int, bytes]]:
        """Pieces with their places, from the member that holds ``start`` on."""
        if start < self._directory:
            for index in range(max(0, bisect_right(self._offsets, start) - 1), len(self._members)):
                yield from self._member(index, start)
        first = max(0, bisect_right(self._central_offsets, start) - 1)
        for index in range(first, len(self._members)):
            yield self._central_offsets[index], self._central(index, self._checksums.of(self._members[index]))
        yield self._end, self._ending()

    def _member(self, index: int, start: int) -> Iterator[tuple[int, bytes]]:
        member, at = self._members[index], self._offsets[index]
        if member.length_bytes <= WHOLE_BYTES_MAX:
            content = b"".join(member.read())
            crc = zlib.crc32(content)
            self._checksums.keep(member, crc)
            yield at, self._local(member, crc) + content
            return
        header = self._local(member, self._checksums.of(member) if start < at + _LOCAL.size else 0)
        yield at, header
        at += len(header)
        for chunk in member.read():
            yield at, chunk
            at += len(chunk)

    def _local(self, member: Member, crc: int) -> bytes:
        large = member.length_bytes >= _FULL
        size = _FULL if large else member.length_bytes
        extra = struct.pack("<HHQQ", 1, 16, member.length_bytes, member.length_bytes) if large else b""
        name = member.name.encode("ascii")
        return _LOCAL.pack(b"PK\3\4", 45 if large else 20, 0, 0, 0, _DATE, crc, size, size, len(name), len(extra)) + name + extra

    def _central(self, index: int, crc: int) -> bytes:
        member, offset = self._members[index], self._offsets[index]
        large, far = member.length_bytes >= _FULL, offset >= _FULL
        values = ([member.length_bytes] * 2 if large else []) + ([offset] if far else [])
        extra = struct.pack(f"<HH{len(values)}Q", 1, 8 * len(values), *values) if values else b""
        size, name, version = _FULL if large else member.length_bytes, member.name.encode("ascii"), 45 if values else 20
        return _CENTRAL.pack(
            b"PK\1\2", version, version, 0, 0, 0, _DATE, crc, size, size, len(name), len(extra), 0, 0, 0, 0, _FULL if far else offset
        ) + name + extra  # fmt: skip

    def _ending(self) -> bytes:
        count, offset = len(self._members), self._directory
        size = self._end - offset
        end = _END.pack(b"PK\5\6", 0, 0, min(count, 0xFFFF), min(count, 0xFFFF), min(size, _FULL), min(offset, _FULL), 0)
        if count < 0xFFFF and size < _FULL and offset < _FULL:
            return end
        end64 = _END64.pack(b"PK\6\6", _END64.size - 12, 45, 45, 0, 0, count, count, size, offset)
        return end64 + _LOCATOR.pack(b"PK\6\7", 0, self._end, 1) + end
