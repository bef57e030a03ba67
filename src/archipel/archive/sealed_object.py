"""Sealed object: the Part 10 files of a series back to back, packed or as received; their headers; a manifest; a tail that finds them.

Whoever has the objects alone can make the index again. All numbers are big-endian; the manifest is zlib-compressed JSON.
"""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from collections.abc import Iterator, Sequence
from typing import Any

from archipel.archive import headers, packing
from archipel.archive.model import Place
from archipel.archive.rows_sealed import FORMAT, InstanceRow
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.errors import ArchipelError, Invalid

SEALED_FOLDER = "sealed"
DAMAGED = "sealed-object"
MAGIC = b"ARCHIPEL SERIES\n"
# Magic, format, bytes of the headers before the manifest (0: none), its offset and length, its SHA-256.
TAIL = struct.Struct(">16sIIQQ32s")
MANIFEST_BYTES_MAX = 256 << 20


class Differs(Exception):
    """An instance's stored bytes are not what was received; ``row`` says which."""

    def __init__(self, row: InstanceRow, reason: str) -> None:
        super().__init__(reason)
        self.row = row


class Copy:
    """The making of one object: its rows, the facts about their series, and its key.

    ``placed`` holds the rows as they are in the object when all of it was given; ``differs`` says what ended it, if something did.
    """

    def __init__(self, blobs: Blobs, rows: Sequence[InstanceRow], facts: dict[str, Any], key: str, *, packs: bool, root: str = "") -> None:
        self._blobs, self._rows, self._facts, self._key, self._packs = blobs, rows, facts, key, packs
        self._gathered = headers.Gathered(root)
        self.placed: list[InstanceRow] = []
        self.differs: Differs | None = None

    def pieces(self) -> Iterator[bytes]:
        """The bytes of the object. Each dataset is compared with its digest on the way: raises Differs, and what was given is of no use."""
        length = 0
        for row in self._rows:
            writing = packing.Writing(self._blobs, _place(row), row.transfer_syntax_uid, row.pixel_data_offset, packs=self._packs)
            try:
                yield from self._copied(row, writing)
            except Differs as failure:  # a store's client may wrap what ends the bytes that it sends
                self.differs = failure
                raise
            self.placed.append(row._replace(blob_key=self._key, offset=length, packed=writing.packed))
            length += writing.stored_bytes
        part = self._gathered.part()
        yield part
        held = {"columns": InstanceRow._fields, "instances": self.placed, **self._facts}
        manifest = zlib.compress(json.dumps(held, ensure_ascii=False, separators=(",", ":")).encode(), 6)
        yield manifest
        yield TAIL.pack(MAGIC, FORMAT, len(part), length + len(part), len(manifest), hashlib.sha256(manifest).digest())

    def _copied(self, row: InstanceRow, writing: packing.Writing) -> Iterator[bytes]:
        running, seen, header = hashlib.sha256(), 0, bytearray()
        header_end = headers.header_end(row) if self._gathered.takes(row) else 0
        try:
            for stored, received in writing.pieces():
                running.update(received if seen >= row.dataset_offset else memoryview(received)[row.dataset_offset - seen :])
                if seen < header_end:
                    header += memoryview(received)[max(0, row.dataset_offset - seen) : header_end - seen]
                seen += len(received)
                yield stored
        except ArchipelError as error:
            if error.code not in (BLOB_MISSING, BLOB_UNREADABLE):  # a store that is away has lost nothing
                raise
            raise Differs(row, error.public) from error
        if seen != row.length_bytes:
            raise Differs(row, f"{row.length_bytes - seen} bytes are missing")
        if running.hexdigest() != row.digest:
            raise Differs(row, "the bytes differ from what was received")
        if header_end:
            self._gathered.add(row, bytes(header))


def _place(row: InstanceRow) -> Place:
    return Place(row.blob_key, row.offset, row.length_bytes, row.dataset_offset, row.packed)


def read_manifest(blobs: Blobs, key: str) -> dict[str, Any]:
    """The manifest of a sealed object: its facts, and ``instances`` as they are placed in it. Invalid when it is damaged."""
    size = blobs.size(key)
    if size < TAIL.size:
        raise _damaged(key, "it is too short")
    magic, format_, _, offset, length, digest = TAIL.unpack(blobs.read(key, size - TAIL.size, TAIL.size))
    if magic != MAGIC or format_ != FORMAT:
        raise _damaged(key, "it has no tail of a format that is known here")
    if length > MANIFEST_BYTES_MAX or offset + length + TAIL.size != size:
        raise _damaged(key, "its tail does not fit its size")
    manifest = b"".join(blobs.stream(key, offset, length))
    if hashlib.sha256(manifest).digest() != digest:
        raise _damaged(key, "its manifest differs from what was written")
    held: dict[str, Any] = json.loads(zlib.decompress(manifest))
    if tuple(held["columns"]) != InstanceRow._fields:
        raise _damaged(key, "its manifest has other columns")
    return {**held, "instances": [InstanceRow(*one) for one in held["instances"]]}


def read_headers(blobs: Blobs, key: str) -> bytes:
    """The part of a sealed object that holds its instances' headers (``headers.kept_headers``); empty when it has none."""
    size = blobs.size(key)
    if size < TAIL.size:
        return b""
    magic, format_, length, offset, manifest_length, _ = TAIL.unpack(blobs.read(key, size - TAIL.size, TAIL.size))
    if magic != MAGIC or format_ != FORMAT or offset + manifest_length + TAIL.size != size or length > min(offset, headers.PART_BYTES_MAX):
        return b""
    return blobs.read(key, offset - length, length) if length else b""


def _damaged(key: str, reason: str) -> ArchipelError:
    return Invalid(f"The sealed object cannot be read: {reason}.", code=DAMAGED, detail=key)
