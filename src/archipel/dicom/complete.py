"""Whether an object arrived whole: its pixel data is all there, down to the last fragment (PS3.5 A.4, PS3.5 7.1)."""

from __future__ import annotations

import struct
import zlib
from typing import BinaryIO

from archipel.dicom import uids
from archipel.kit.errors import Invalid

_ITEM, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE0DD
_UNDEFINED = 0xFFFFFFFF
_PIXEL_VRS = frozenset({b"OB", b"OW", b"OF", b"OD", b"UN"})
_PIXEL_TAGS = frozenset({b"\xe0\x7f\x10\x00", b"\xe0\x7f\x08\x00", b"\xe0\x7f\x09\x00", b"\x7f\xe0\x00\x10"})
INFLATED_BYTES_MAX = 1 << 30


def check_complete(source: BinaryIO, transfer_syntax_uid: str, pixel_data_offset: int | None) -> tuple[str, ...]:
    """Raise Invalid (``unreadable``) when the dataset in ``source`` is cut off in its pixel data; returns warnings.

    ``pixel_data_offset`` is where the Pixel Data element starts. Only lengths are read, never pixels; of a deflated stream the end
    is looked for, within a bound.
    """
    if transfer_syntax_uid == uids.DEFLATED:
        return _check_deflated(source)
    if pixel_data_offset is None:
        return ()
    end = source.seek(0, 2)
    source.seek(pixel_data_offset)
    tag = source.read(4)
    if len(tag) < 4:
        raise _cut_off("it ends where its pixel data should start")
    if tag not in _PIXEL_TAGS:
        return ("the pixel data does not stand as an element of its own; it was not checked for being whole",)
    source.seek(pixel_data_offset)
    length = _element_length(source, transfer_syntax_uid)
    start = source.tell()
    if length == _UNDEFINED:
        return _check_fragments(source, end)
    if length > end - start:
        raise _cut_off(f"its pixel data declares {length} bytes and {end - start} are left")
    return ()


def _element_length(source: BinaryIO, transfer_syntax_uid: str) -> int:
    """The declared length, by the VR that really stands there: some writers put implicit VR under an explicit syntax."""
    order = ">" if transfer_syntax_uid == uids.EXPLICIT_BIG else "<"
    head = source.read(8)
    if len(head) < 8:
        raise _cut_off("it ends within its pixel data element")
    if head[4:6] not in _PIXEL_VRS:
        return int(struct.unpack(order + "I", head[4:])[0])
    long_length = source.read(4)
    if len(long_length) < 4:
        raise _cut_off("it ends within its pixel data element")
    return int(struct.unpack(order + "I", long_length)[0])


def _check_fragments(source: BinaryIO, end: int) -> tuple[str, ...]:
    while True:
        head = source.read(8)
        if not head:
            return ("the pixel data's sequence has no end mark",)
        if len(head) < 8:
            raise _cut_off("it ends between two fragments of its pixel data")
        group, element, length = struct.unpack("<HHI", head)
        tag = group << 16 | element
        if tag == _SEQUENCE_END:
            return ()
        if tag != _ITEM:
            raise Invalid(f"The pixel data's fragments are broken at byte {source.tell() - 8}.", code="unreadable")
        if length > end - source.tell():
            raise _cut_off(f"a fragment declares {length} bytes and {end - source.tell()} are left")
        source.seek(length, 1)


def _check_deflated(source: BinaryIO) -> tuple[str, ...]:
    source.seek(0)
    inflater, inflated = zlib.decompressobj(-zlib.MAX_WBITS), 0
    pending = b""
    try:
        while not inflater.eof and inflated < INFLATED_BYTES_MAX:
            pending = inflater.unconsumed_tail or source.read(1 << 16)
            if not pending:
                raise _cut_off("its deflate stream has no end")
            inflated += len(inflater.decompress(pending, 1 << 20))
    except zlib.error as error:
        raise Invalid("The deflated dataset is broken.", code="unreadable", detail=str(error)) from error
    return ()


def _cut_off(where: str) -> Invalid:
    return Invalid(f"The object is cut off: {where}.", code="unreadable")
