"""The DICOM file format (PS3.10 7): where the dataset starts and what the file meta says, leniently."""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from archipel.dicom import uids, walk
from archipel.kit.errors import Invalid

_META_BYTES_MAX = 64 * 1024
_PREAMBLE_BYTES = 128


@dataclass(frozen=True, slots=True)
class FileMeta:
    """What a file says before its dataset; ``dataset_offset`` counts from where the file starts."""

    transfer_syntax_uid: str
    sop_class_uid: str
    sop_instance_uid: str
    source_ae: str
    dataset_offset: int
    warnings: tuple[str, ...] = ()


def split(source: BinaryIO) -> FileMeta:
    """File meta and dataset offset of the file that starts where ``source`` stands, which then stands there again.

    Files without preamble, without meta or with a wrong group length are read; the transfer syntax is then guessed
    from the first element. Raises Invalid: not-dicom.
    """
    start = source.tell()
    head = source.read(_META_BYTES_MAX)
    source.seek(start)
    if not head:
        raise Invalid("The file is empty", code="not-dicom")
    at, notes = _meta_start(head)
    values, at = _meta(head, at, notes)
    if at >= len(head):
        raise Invalid("The file ends after its file meta: there is no dataset", code="unreadable")
    syntax = values.get(0x00020010, "")
    if not syntax or not uids.is_uid(syntax):
        syntax = _guess(head[at : at + 64])
        notes.append(f"no transfer syntax in the file meta; read as {syntax}")
    elif syntax not in (uids.DEFLATED,):
        syntax = _checked(syntax, head[at : at + 64], notes)
    return FileMeta(
        transfer_syntax_uid=syntax,
        sop_class_uid=values.get(0x00020002, ""),
        sop_instance_uid=values.get(0x00020003, ""),
        source_ae=values.get(0x00020016, ""),
        dataset_offset=at,
        warnings=tuple(notes),
    )


def _meta_start(head: bytes) -> tuple[int, list[str]]:
    marked = head[_PREAMBLE_BYTES : _PREAMBLE_BYTES + 4] == b"DICM"
    if marked and (head[132:134] in (b"\x02\0", b"\0\x02") or not _is_dataset(head)):  # a value may hold DICM by chance
        return _PREAMBLE_BYTES + 4, []
    if head[:4] == b"DICM":
        return 4, ["no preamble before DICM"]
    if head[:2] in (b"\x02\0", b"\0\x02") or _is_dataset(head):
        return 0, ["no preamble and no DICM mark"]
    raise Invalid("The file is not DICOM: no DICM mark at byte 128 and no DICOM element at its start", code="not-dicom")


def _is_dataset(head: bytes) -> bool:
    """Whether the bytes start with an element that a dataset may start with: a low even group and a VR or a sane length."""
    if len(head) < 8:
        return False
    for order in "<", ">":
        group, element, length = Struct(order + "HHI").unpack_from(head)
        tag = group << 16 | element
        if group not in (0x0004, 0x0008, 0x0010):
            continue
        if walk.vr_of(tag) == head[4:6].decode("latin_1"):
            return True
        if order == "<" and (tag in walk.VRS or element == 0) and length < 0x10000:
            return True
    return False


def _meta(head: bytes, at: int, notes: list[str]) -> tuple[dict[int, str], int]:
    """Values of group 2 and the offset behind it; the group length is not trusted."""
    order = ">" if head[at : at + 2] == b"\0\x02" else "<"
    start, declared, values = at, None, {}
    while head[at : at + 2] == (b"\0\x02" if order == ">" else b"\x02\0") and len(head) - at >= 8:
        group, element, length = Struct(order + "HHI").unpack_from(head, at)
        code = head[at + 4 : at + 6]
        if code in walk.VRS_SHORT:
            length, at = Struct(order + "H").unpack_from(head, at + 6)[0], at + 8
        elif code in walk.VRS_LONG and len(head) - at >= 12:
            length, at = Struct(order + "I").unpack_from(head, at + 8)[0], at + 12
        else:
            at += 8
            if "file meta in implicit VR" not in notes:
                notes.append("file meta in implicit VR")
        if length > len(head) - at:
            raise Invalid(
                f"The file meta is broken: (0002,{element:04X}) declares {length} bytes", code="unreadable", detail=f"at byte {at}"
            )
        raw = head[at : at + length]
        at += length
        if element == 0 and length == 4:
            declared = Struct(order + "I").unpack(raw)[0] + at - start
        elif element in (0x0002, 0x0003, 0x0010, 0x0016):
            values[group << 16 | element] = raw.decode("latin_1").strip(" \0")
    if declared is not None and declared != at - start:
        notes.append("wrong group length in the file meta")
    if at == start and not notes:
        notes.append("no file meta")
    return values, at


def _shape(head: bytes) -> str:
    """What the first element looks like: '<' or '>' and E(xplicit) or I(mplicit); '' when it looks like none."""
    if len(head) < 8:
        return ""
    for order in "<", ">":
        (group,) = Struct(order + "H").unpack_from(head)
        if 0 < group <= 0x0100 and head[4:6] in walk.VRS_EXPLICIT:
            return order + "E"
    for order in "<", ">":
        group, _, length = Struct(order + "HHI").unpack_from(head)
        if 0 < group <= 0x0100 and (length < 0x100000 or length == walk.UNDEFINED):
            return order + "I"
    return ""


def _guess(head: bytes) -> str:
    shape = _shape(head)
    if shape in ("<E", ">E", "<I"):
        return {"<E": uids.EXPLICIT_LITTLE, ">E": uids.EXPLICIT_BIG, "<I": uids.IMPLICIT_LITTLE}[shape]
    try:
        inner = zlib.decompressobj(-zlib.MAX_WBITS).decompress(head, 64)
    except zlib.error:
        inner = b""
    if _shape(inner) == "<E":
        return uids.DEFLATED
    raise Invalid("The file is not DICOM: what follows its file meta is no dataset", code="not-dicom")


def _checked(syntax: str, head: bytes, notes: list[str]) -> str:
    """The declared syntax, or the written one where an uncompressed dataset is plainly in another byte order."""
    shape = _shape(head)
    written = {"<E": uids.EXPLICIT_LITTLE, ">E": uids.EXPLICIT_BIG, "<I": uids.IMPLICIT_LITTLE}.get(shape, syntax)
    if syntax in (uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE, uids.EXPLICIT_BIG) and written != syntax:
        notes.append(f"declared {syntax} and written as {written}; read as written")
        return written
    return syntax


def file_meta_bytes(sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source_ae: str = "") -> bytes:
    """Preamble, DICM and group 2 of our own, to stand before a dataset (PS3.10 7.1)."""
    elements = [(0x0002, sop_class_uid), (0x0003, sop_instance_uid), (0x0010, transfer_syntax_uid), (0x0012, uids.IMPLEMENTATION_CLASS_UID)]
    body = b"\x02\0\x01\0OB\0\0\x02\0\0\0\0\x01"
    body += b"".join(_short_element(element, b"UI", _even(text.encode("ascii"), b"\0")) for element, text in elements)
    body += _short_element(0x0013, b"SH", _even(uids.IMPLEMENTATION_VERSION_NAME.encode("ascii"), b" "))
    if source_ae:
        body += _short_element(0x0016, b"AE", _even(source_ae.encode("ascii", "replace")[:16], b" "))
    return bytes(_PREAMBLE_BYTES) + b"DICM" + b"\x02\0\0\0UL\x04\0" + Struct("<I").pack(len(body)) + body


def _short_element(element: int, vr: bytes, value: bytes) -> bytes:
    return Struct("<HH2sH").pack(2, element, vr, len(value)) + value


def _even(raw: bytes, pad: bytes) -> bytes:
    return raw + pad if len(raw) % 2 else raw
