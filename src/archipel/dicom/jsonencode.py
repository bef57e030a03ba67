"""Encoded datasets from DICOM JSON (PS3.18 F, PS3.5 7)."""

from __future__ import annotations

import base64
import binascii
import io
import zlib
from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Any, BinaryIO

from archipel.dicom import charset, uids, values, walk
from archipel.kit.errors import Invalid
from archipel.kit.scratch import File

#: An element in DICOM JSON is {"vr": ..., "Value" | "InlineBinary" | "BulkDataURI": ...}; a dataset maps tags to elements.
Json = dict[str, Any]
#: What stands behind a BulkDataURI: bytes, a file, or the frames of encapsulated pixel data.
Bulk = bytes | File | list[bytes] | list[File]

_COPY_BYTES = 1 << 20


def encode_identifier(row: Json, character_set: str, transfer_syntax_uid: str) -> bytes:
    """The row as a dataset in the character set that was asked for, in ISO_IR 192 when that has no form for its text."""
    return dataset_bytes(row, character_set, transfer_syntax_uid)


def dataset_bytes(row: Json, character_set: str, transfer_syntax_uid: str, *, bulk: Callable[[str], Bulk] | None = None) -> bytes:
    """The encoded dataset; see ``write_dataset_json``."""
    out = io.BytesIO()
    write_dataset_json(row, out, character_set, transfer_syntax_uid, bulk=bulk)
    return out.getvalue()


def write_dataset_json(
    row: Json, out: BinaryIO, character_set: str, transfer_syntax_uid: str, *, bulk: Callable[[str], Bulk] | None = None
) -> None:
    """Write the row as a dataset. ``bulk`` answers what a BulkDataURI stands for; a file is copied, not held in memory.

    Text that the character set has no form for turns the whole dataset into ISO_IR 192. Raises Invalid: bad-json,
    bad-value, bulk-missing, too-deep.
    """
    if not _representable(row, character_set):
        character_set = charset.UNICODE
    if transfer_syntax_uid == uids.DEFLATED:
        inner = io.BytesIO()
        _Writer(inner, character_set, uids.EXPLICIT_LITTLE, bulk).dataset(row)
        engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
        data = engine.compress(inner.getvalue()) + engine.flush()
        out.write(data + b"\0" if len(data) % 2 else data)
        return
    _Writer(out, character_set, transfer_syntax_uid, bulk).dataset(row)


def _texts(row: Json, depth: int = 0) -> Iterator[tuple[str, list[Any]]]:
    if depth > walk.DEPTH_MAX:
        raise Invalid("The dataset nests sequences too deep", code="too-deep")
    for element in row.values():
        if not isinstance(element, Mapping):
            raise Invalid("An attribute of DICOM JSON is an object with vr and Value", code="bad-json")
        found = element.get("Value")
        if not isinstance(found, list):
            continue
        vr = element.get("vr")
        if vr == "SQ":
            for item in found:
                if isinstance(item, dict):
                    yield from _texts(item, depth + 1)
        elif isinstance(vr, str) and vr in charset.TEXT_VRS:
            yield vr, found


def _representable(row: Json, character_set: str) -> bool:
    if character_set == charset.UNICODE:
        return True
    try:
        for vr, found in _texts(row):
            values.to_bytes(vr, found, False, character_set)
    except UnicodeError:
        return False
    except values.BadValue:
        return True  # said with the attribute's name when it is written
    return True


class _Writer:
    """Writes elements in one transfer syntax and character set."""

    def __init__(self, out: BinaryIO, character_set: str, syntax: str, bulk: Callable[[str], Bulk] | None) -> None:
        self.out, self.character_set, self.bulk = out, character_set, bulk
        self.explicit, self.big = syntax != uids.IMPLICIT_LITTLE, syntax == uids.EXPLICIT_BIG
        order = ">" if self.big else "<"
        self.tag, self.short, self.long = Struct(order + "HH"), Struct(order + "H"), Struct(order + "L")

    def dataset(self, row: Json) -> None:
        """All elements in order, Specific Character Set as it is written."""
        for name, vr, element in _ordered(row, self.character_set, top=True):
            found = self.bulk_of(name, element)
            if isinstance(found, File):
                self.head(name, vr, found.stat().st_size + found.stat().st_size % 2)
                _copy(found, self.out, values.BINARY.get(vr, 1) if self.big else 1)
            elif isinstance(found, list):
                self.fragments(name, found)
            else:
                self.plain(name, vr, found if found is not None else self.value(name, vr, element, 1))

    def bulk_of(self, name: str, element: Json) -> Bulk | None:
        """What stands behind the BulkDataURI of the element, if it has one."""
        uri = element.get("BulkDataURI")
        if uri is None:
            return None
        if self.bulk is None or not isinstance(uri, str):
            raise Invalid(f"Nothing was sent for the bulk data of {name}", code="bulk-missing", field=name)
        found = self.bulk(uri)
        if isinstance(found, bytes):
            found = found + b"\0" if len(found) % 2 else found
            return values.swapped(found, values.BINARY.get(str(element.get("vr")), 1)) if self.big else found
        return found

    def head(self, name: str, vr: str, length: int) -> None:
        """Tag, VR and length."""
        self.out.write(self._head(name, vr, length))

    def _head(self, name: str, vr: str, length: int) -> bytes:
        tag = self.tag.pack(int(name[:4], 16), int(name[4:], 16))
        code = vr.encode("ascii")
        if not self.explicit:
            return tag + self.long.pack(length)
        if code in walk.VRS_SHORT and length <= 0xFFFF:
            return tag + code + self.short.pack(length)
        # A value too long for its VR's length field goes out as UN (PS3.5 6.2.2).
        return tag + (b"UN" if code in walk.VRS_SHORT else code) + b"\0\0" + self.long.pack(length)

    def plain(self, name: str, vr: str, raw: bytes) -> None:
        """An element whose value is at hand."""
        self.head(name, vr, len(raw))
        self.out.write(raw)

    def fragments(self, name: str, frames: list[bytes] | list[File]) -> None:
        """Encapsulated pixel data, one fragment a frame, after an empty offset table (PS3.5 A.4)."""
        self.head(name, "OB", walk.UNDEFINED)
        self.out.write(b"\xfe\xff\x00\xe0\0\0\0\0")
        for part in frames:
            size = part.stat().st_size if isinstance(part, File) else len(part)
            if size >= 0xFFFFFFFE:
                raise Invalid("A frame of 4 GB has no form in DICOM", code="too-large", field=name)
            self.out.write(b"\xfe\xff\x00\xe0" + self.long.pack(size + size % 2))
            if isinstance(part, File):
                _copy(part, self.out, 1)
            else:
                self.out.write(part + b"\0" * (size % 2))
        self.out.write(b"\xfe\xff\xdd\xe0\0\0\0\0")

    def value(self, name: str, vr: str, element: Json, depth: int) -> bytes:
        """The encoded value of an element; sequences with defined lengths."""
        if depth > walk.DEPTH_MAX:
            raise Invalid("The dataset nests sequences too deep", code="too-deep")
        found = element.get("Value", [])
        if not isinstance(found, list):
            raise Invalid(f"Value of {name} is no list", code="bad-json", field=name)
        if vr == "SQ":
            return b"".join(self.item(one, depth) for one in found)
        if vr in values.BINARY or "InlineBinary" in element:
            return self.binary(name, vr, element)
        try:
            return values.to_bytes(vr, found, self.big, self.character_set)
        except values.BadValue as error:
            raise Invalid(f"{name}: {error}", code="bad-value", field=name) from error

    def item(self, row: Any, depth: int) -> bytes:
        """One item of a sequence."""
        if not isinstance(row, dict):
            raise Invalid("An item of a sequence is no object", code="bad-json")
        parts = []
        for name, vr, element in _ordered(row, self.character_set if "00080005" in row else ""):
            found = self.bulk_of(name, element)
            if isinstance(found, File):
                with found.open("rb") as source:
                    found = source.read()
            raw = found if isinstance(found, bytes) else self.value(name, vr, element, depth + 1)
            parts.append(self._head(name, vr, len(raw)) + raw)
        body = b"".join(parts)
        return self.tag.pack(0xFFFE, 0xE000) + self.long.pack(len(body)) + body

    def binary(self, name: str, vr: str, element: Json) -> bytes:
        """The bytes of an InlineBinary."""
        try:
            raw = base64.b64decode(element.get("InlineBinary") or "", validate=True)
        except (binascii.Error, ValueError, TypeError) as error:
            raise Invalid(f"InlineBinary of {name} is no base64", code="bad-value", field=name) from error
        raw = raw + b"\0" if len(raw) % 2 else raw
        return values.swapped(raw, values.BINARY.get(vr, 1)) if self.big else raw


def is_tag(text: str) -> bool:
    """Whether the text is a tag as DICOM JSON writes it: eight hexadecimal digits, upper case."""
    return len(text) == 8 and all(c in "0123456789ABCDEF" for c in text)


def _ordered(row: Json, character_set: str, top: bool = False) -> Iterator[tuple[str, str, Json]]:
    """Tag, VR and element in the order of tags; Specific Character Set says what is written."""
    names = set(row)
    if character_set:
        names.add("00080005")
    for name in sorted(names, key=str.upper):
        if name == "00080005":
            if character_set:
                yield name, "CS", {"vr": "CS", "Value": character_set.split("\\")}
            continue
        element = row[name]
        if not isinstance(name, str) or not is_tag(name.upper()) or not isinstance(element, dict):
            raise Invalid(f"{name!r:.40} is no attribute of DICOM JSON: eight hexadecimal digits and an object", code="bad-json")
        if name[:4] == "FFFE" or (top and name[:4] == "0002") or name[4:] == "0000":
            continue  # file meta, delimiters and group lengths have no place in a dataset's JSON
        vr = element.get("vr") or walk.vr_of(int(name, 16))
        if not isinstance(vr, str) or vr.encode("ascii", "replace") not in walk.VRS_EXPLICIT:
            raise Invalid(f"{name} has no VR that the standard knows", code="bad-json", field=name)
        yield name.upper(), vr, element


def _copy(path: File, out: BinaryIO, item_bytes: int) -> None:
    length = 0
    with path.open("rb") as source:
        while chunk := source.read(_COPY_BYTES):
            out.write(values.swapped(chunk, item_bytes))
            length += len(chunk)
    if length % 2:
        out.write(b"\0")
