"""Headers: what instances say of themselves as DICOM JSON (PS3.18 F), and that of a sealed series, deflated in its object.

A viewer asks for it with every series that it opens. Nothing else depends on it: where it is missing, of an earlier version, damaged, or of
other instances than somebody may see, the same is made from the instances.
"""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import structlog

from archipel.archive import packing
from archipel.archive.model import InstanceRef
from archipel.archive.rows_sealed import InstanceRow
from archipel.dicom import jsonmodel
from archipel.dicom.index import SERIES_INSTANCE_UID, SOP_CLASS_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, path_of
from archipel.kit.blobs import Blobs
from archipel.kit.deflated import Deflating, Piece, deflated
from archipel.kit.errors import Invalid

PIXEL_DATA = path_of("PixelData")
# Told apart from what an earlier version has kept: raise it with any change of the JSON.
FORM = 1
MAGIC = b"METADATA"
# Magic, form, bytes of the root, CRC-32 and bytes of the JSON, CRC-32 of what follows, whose headers they are; then root and blocks.
PART = struct.Struct(">8sHHIQI32s")
HEADER_BYTES_MAX = 64 << 20
# A longer one is not kept a second time.
KEPT_HEADER_BYTES_MAX = 16 << 20
PART_BYTES_MAX = 64 << 20
LEVEL = 6
LEVEL_AGAIN = 4
_URI = b'"BulkDataURI":"'  # a quotation mark within a value is written \"

log = structlog.get_logger(__name__)


def bulk_data_url(root: str, one: InstanceRef | InstanceRow, path: str) -> str:
    """Where DICOMweb gives one value of an instance (PS3.18 10.4.1.1.5)."""
    return f"{root}/studies/{one.study_uid}/series/{one.series_uid}/instances/{one.sop_instance_uid}/bulkdata/{path}"


def header_row(one: InstanceRef | InstanceRow, data: bytes, root: str) -> dict[str, Any]:
    """DICOM JSON of one instance from its header; one that cannot be read whole is told by its UIDs, so that its neighbours are shown."""
    pixels = PIXEL_DATA if one.pixel_data_offset is not None else ""
    try:
        return jsonmodel.to_json(io.BytesIO(data), one.transfer_syntax_uid, lambda path: bulk_data_url(root, one, path), pixel_data=pixels)
    except Invalid as error:
        log.warning("archive.header", sop_instance_uid=one.sop_instance_uid, code=error.code, detail=error.detail)
        pairs = (
            (SOP_CLASS_UID, one.sop_class_uid), (SOP_INSTANCE_UID, one.sop_instance_uid), (STUDY_INSTANCE_UID, one.study_uid),
            (SERIES_INSTANCE_UID, one.series_uid),
        )  # fmt: skip
        return {path: {"vr": "UI", "Value": [uid]} for path, uid in pairs}


def header_bytes(blobs: Blobs, ref: InstanceRef) -> bytes:
    """The dataset up to its pixel data; the whole dataset when it has none (bounded to 64 MiB)."""
    length = ref.dataset_length_bytes if ref.pixel_data_offset is None else min(ref.pixel_data_offset, ref.dataset_length_bytes)
    return packing.get(blobs, ref.place, ref.dataset_offset, min(length, HEADER_BYTES_MAX))


def as_json(row: dict[str, Any]) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(row, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def header_end(row: InstanceRow) -> int:
    """Where the header of an instance ends in its bytes as received."""
    return row.length_bytes if row.pixel_data_offset is None else row.dataset_offset + row.pixel_data_offset


class Gathered:
    """The headers of a series, deflated as they come. ``root`` is the address of DICOMweb, or '' while nobody knows it."""

    def __init__(self, root: str) -> None:
        self._root = root
        self._engine = Deflating(LEVEL)
        self._members = hashlib.sha256()
        self._blocks: list[bytes] = []
        self._size = 0
        self._whole = True

    def takes(self, row: InstanceRow) -> bool:
        """Whether it wants the header of an instance; if not, none is kept."""
        self._whole = self._whole and header_end(row) <= KEPT_HEADER_BYTES_MAX and self._size <= PART_BYTES_MAX
        return self._whole

    def add(self, row: InstanceRow, header: bytes) -> None:
        """Take the header of the next instance."""
        try:
            text = as_json(header_row(row, header, self._root))
        except (ValueError, RecursionError) as error:  # what JSON cannot say must not keep a series from being sealed
            log.error("archive.headers", sop_instance_uid=row.sop_instance_uid, reason=repr(error)[:200])
            self._whole = False
            return
        self._members.update(_member(row))
        out = self._engine.add(b"," + text if self._engine.length_bytes else text)
        self._size += len(out)
        self._blocks.append(out)

    def part(self) -> bytes:
        """As it stands in the object; empty when it is not to be kept."""
        root = self._root.encode()
        held = b"".join((root, *self._blocks, self._engine.end()))
        if not self._whole or not self._engine.length_bytes or PART.size + len(held) > PART_BYTES_MAX:
            return b""
        e = self._engine
        return PART.pack(MAGIC, FORM, len(root), e.crc, e.length_bytes, zlib.crc32(held), self._members.digest()) + held


@dataclass(frozen=True)
class KeptHeaders:
    """The headers of a series as they are kept: JSON objects, a comma between them."""

    root: str
    kept: Piece

    def piece(self, root: str) -> Piece:
        """The same with the address by which a client has reached DICOMweb; as it is kept where that is what it was at sealing."""
        if root == self.root:
            return self.kept
        old, new = (json.dumps(one, ensure_ascii=False)[1:-1].encode("utf-8", "replace") for one in (self.root, root))
        return deflated(self.kept.inflated().replace(_URI + old, _URI + new), LEVEL_AGAIN)


def kept_headers(part: bytes, refs: Iterable[InstanceRef]) -> KeptHeaders | None:
    """What a part of an object holds, if that is whole, of this form, and of exactly these instances in this order."""
    if len(part) < PART.size:
        return None
    magic, form, root_length, crc, length, check, members = PART.unpack(part[: PART.size])
    held = part[PART.size :]
    if magic != MAGIC or form != FORM:
        return None
    wanted = hashlib.sha256()
    for ref in refs:
        wanted.update(_member(ref))
    if wanted.digest() != members:
        return None
    if zlib.crc32(held) != check:
        log.error("archive.headers", reason="the headers kept of a series are damaged; they are read from its instances")
        return None
    return KeptHeaders(held[:root_length].decode(), Piece(held[root_length:], crc, length))


def _member(one: InstanceRef | InstanceRow) -> bytes:
    """All that the JSON of an instance depends on."""
    pixels = "" if one.pixel_data_offset is None else one.pixel_data_offset
    return f"{one.sop_instance_uid} {one.study_uid} {one.series_uid} {one.transfer_syntax_uid} {one.digest} {pixels}\n".encode()
