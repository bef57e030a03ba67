"""DICOM JSON (PS3.18 F) from an encoded dataset, and encoded datasets from DICOM JSON."""

from __future__ import annotations

import base64
import binascii
import io
import warnings
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from struct import Struct
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from archipel.dicom import charset, header, uids, values, walk
from archipel.kit.errors import Invalid

#: An element in DICOM JSON is {"vr": ..., "Value" | "InlineBinary" | "BulkDataURI": ...}; a dataset maps tags to elements.
Json = dict[str, Any]
#: What stands behind a BulkDataURI: bytes, a file, or the frames of encapsulated pixel data.
Bulk = bytes | Path | list[bytes] | list[Path]

BULK_BYTES_MIN = 1024
_COPY_BYTES = 1 << 20


def to_json(
    source: BinaryIO,
    transfer_syntax_uid: str,
    bulk_uri: Callable[[str], str] | None = None,
    *,
    pixel_data: str = "",
    bulk_bytes_min: int = BULK_BYTES_MIN,
) -> Json:
    """DICOM JSON of the dataset that starts where ``source`` stands, up to its pixel data.

    Pixel data and binary values of ``bulk_bytes_min`` bytes or more become BulkDataURI = ``bulk_uri(path)``, where the path
    names items by index (``54000100.0.54001010``); without ``bulk_uri`` pixel data is left out and the rest is inline. When
    the source was cut before its pixel data, ``pixel_data`` gives the tag to report. Text becomes UTF-8. Raises Invalid.
    """
    window, explicit, big = open_dataset(source, transfer_syntax_uid)
    try:
        row = _build(window, explicit, big, bulk_uri, bulk_bytes_min)
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        if isinstance(error, walk.TooDeep):
            raise Invalid(f"The object nests sequences more than {walk.DEPTH_MAX} levels deep", code="too-deep") from error
        if isinstance(error, walk.TooMany):
            raise Invalid("The object has too many elements", code="too-large") from error
        row = _build_again(_rewritten(window, explicit, big, error), error, bulk_uri, bulk_bytes_min)
    if pixel_data and bulk_uri is not None and pixel_data not in row:
        row[pixel_data] = {"vr": {"7FE00008": "OF", "7FE00009": "OD"}.get(pixel_data, "OW"), "BulkDataURI": bulk_uri(pixel_data)}
    return row


def open_dataset(source: BinaryIO, transfer_syntax_uid: str) -> tuple[walk.Window, bool, bool]:
    """A window on the dataset (inflated when it is deflated), whether it is in explicit VR, whether it is big endian."""
    if transfer_syntax_uid == uids.DEFLATED:
        source = io.BytesIO(header.inflate_header(source))
    window = walk.Window(source)
    big = transfer_syntax_uid == uids.EXPLICIT_BIG
    return window, header.looks_explicit(window.buffer, transfer_syntax_uid != uids.IMPLICIT_LITTLE, big, []), big


def _rewritten(window: walk.Window, explicit: bool, big: bool, odd: Exception) -> walk.Window:
    """The dataset as pydicom reads and writes it, for data that the walk finds odd."""
    window.source.seek(window.base)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = read_dataset(
                window.source, not explicit, not big, stop_when=lambda tag, vr, length: int(tag) in walk.PIXEL_TAGS,
                defer_size=header.REFEREE_BYTES_MAX,
            )  # fmt: skip
            for _ in ds.iterall():  # reads every value, so that lengths are written anew
                pass
            out = DicomBytesIO()
            out.is_implicit_VR, out.is_little_endian = False, True
            write_dataset(out, ds)
    except RecursionError as error:
        raise Invalid("The object nests sequences too deep to be read safely", code="too-deep") from error
    except header.READ_ERRORS as error:
        raise Invalid(f"The object cannot be read: {odd.args[0]}", code="unreadable", detail=repr(error)[:200]) from error
    return walk.Window(io.BytesIO(out.getvalue()))


def _build_again(window: walk.Window, odd: Exception, bulk_uri: Callable[[str], str] | None, bulk_bytes_min: int) -> Json:
    try:
        return _build(window, True, False, bulk_uri, bulk_bytes_min)
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        raise Invalid(f"The object cannot be read: {odd.args[0]}", code="unreadable", detail=repr(error)) from error


class _Open:
    """A dataset or sequence being filled."""

    __slots__ = ("character_set", "content", "path", "signed")

    def __init__(self, content: Any, path: str, character_set: str, signed: bool) -> None:
        self.content, self.path, self.character_set, self.signed = content, path, character_set, signed


def _build(window: walk.Window, explicit: bool, big: bool, bulk_uri: Callable[[str], str] | None, bulk_bytes_min: int) -> Json:
    row: Json = {}
    here = _Open(row, "", "", False)
    stack: list[_Open] = []
    for kind, tag, vr, offset, length in walk.tokens(window, explicit, big):
        name = f"{tag:08X}"
        if kind == walk.ELEMENT:
            if bulk_uri is not None and vr in values.BINARY and length >= bulk_bytes_min:
                here.content[name] = {"vr": vr, "BulkDataURI": bulk_uri(here.path + name)}
            else:
                _element(here, tag, name, vr, window.read(offset, length), big)
        elif kind == walk.SEQUENCE:
            items: list[Json] = []
            here.content[name] = {"vr": "SQ", "Value": items}
            stack.append(here)
            here = _Open(items, f"{here.path}{name}.", here.character_set, here.signed)
        elif kind == walk.ITEM:
            here.content.append({})
            stack.append(here)
            here = _Open(here.content[-1], f"{here.path}{length}.", here.character_set, here.signed)
        elif kind in (walk.ITEM_END, walk.SEQUENCE_END):
            here = stack.pop()
            if kind == walk.SEQUENCE_END:
                last = next(reversed(here.content.values()))
                if not last["Value"]:
                    del last["Value"]
        elif bulk_uri is not None:  # PIXELS and FRAGMENTS
            here.content[name] = {"vr": "OW" if vr == "UN" else vr, "BulkDataURI": bulk_uri(here.path + name)}
        elif kind == walk.FRAGMENTS:
            here.content[name] = {"vr": vr}
    return row


def _element(here: _Open, tag: int, name: str, vr: str, raw: bytes, big: bool) -> None:
    if tag == 0x00080005:
        here.character_set = raw.decode("latin_1").strip(" \0")
        here.content[name] = {"vr": "CS", "Value": [charset.UNICODE]} if here.character_set else {"vr": "CS"}
        return
    if tag == 0x00280103 and len(raw) >= 2:
        here.signed = raw[:2] in (b"\1\0", b"\0\1")
    if vr == "US" and here.signed and tag in walk.SIGN_DEPENDENT:
        vr = "SS"
    members = values.from_bytes(vr, raw, big, here.character_set)
    here.content[name] = {"vr": vr, **members}
    if "00080005" not in here.content and vr in charset.TEXT_VRS and not raw.isascii():
        here.content["00080005"] = {"vr": "CS", "Value": [charset.UNICODE]}


def bulk_data(source: BinaryIO, path: str, transfer_syntax_uid: str) -> tuple[int, int] | bytes:
    """Where the value at ``path`` stands, as offset from the start of the dataset and length, or its bytes in little endian
    when they differ from what is stored (big endian, deflated). Raises Invalid when there is no such value."""
    parts = path.split(".")
    absent = Invalid(f"The object has no bulk data at {path[:200]}", code="no-bulk-data", field="path")
    if len(parts) % 2 == 0 or len(parts) > 2 * walk.DEPTH_MAX or not all(_is_tag(tag) for tag in parts[::2]):
        raise absent
    wanted: Any = None
    for part in reversed(parts[::2]):
        wanted = {int(part, 16): wanted}
    window, explicit, big = open_dataset(source, transfer_syntax_uid)
    here: list[str] = []
    try:
        for kind, tag, vr, offset, length in walk.tokens(window, explicit, big, wanted):
            if kind in (walk.SEQUENCE, walk.ITEM):
                here.append(f"{tag:08X}" if kind == walk.SEQUENCE else str(length))
            elif kind in (walk.SEQUENCE_END, walk.ITEM_END):
                here.pop()
            elif [*here, f"{tag:08X}"] == parts:
                length = _value_length(window, offset, length)
                if big or transfer_syntax_uid == uids.DEFLATED:
                    raw = window.read(offset, length)
                    return values.swapped(raw, values.BINARY.get(vr, 1)) if big else raw
                return offset, length
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        raise absent from error
    raise absent


def _is_tag(text: str) -> bool:
    return len(text) == 8 and all(c in "0123456789ABCDEF" for c in text)


def _value_length(window: walk.Window, offset: int, length: int) -> int:
    if length == walk.UNDEFINED:
        end = offset
        for at, size in walk.fragments(window, offset):
            end = at + size
        return end - offset
    return min(length, window.size - offset)


# ------------------------------------------------------------------------------------------------------- JSON -> bytes


def from_json(row: Json) -> Dataset:
    """A pydicom Dataset of the JSON; BulkDataURI elements become empty. Raises Invalid."""
    data = dataset_bytes(row, charset.UNICODE, uids.EXPLICIT_LITTLE, bulk=lambda uri: b"")
    return read_dataset(io.BytesIO(data), False, True)


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
            if isinstance(found, Path):
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

    def fragments(self, name: str, frames: list[bytes] | list[Path]) -> None:
        """Encapsulated pixel data, one fragment a frame, after an empty offset table (PS3.5 A.4)."""
        self.head(name, "OB", walk.UNDEFINED)
        self.out.write(b"\xfe\xff\x00\xe0\0\0\0\0")
        for part in frames:
            size = part.stat().st_size if isinstance(part, Path) else len(part)
            if size >= 0xFFFFFFFE:
                raise Invalid("A frame of 4 GB has no form in DICOM", code="too-large", field=name)
            self.out.write(b"\xfe\xff\x00\xe0" + self.long.pack(size + size % 2))
            if isinstance(part, Path):
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
            if isinstance(found, Path):
                found = found.read_bytes()
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
        if not isinstance(name, str) or not _is_tag(name.upper()) or not isinstance(element, dict):
            raise Invalid(f"{name!r:.40} is no attribute of DICOM JSON: eight hexadecimal digits and an object", code="bad-json")
        if name[:4] == "FFFE" or (top and name[:4] == "0002") or name[4:] == "0000":
            continue  # file meta, delimiters and group lengths have no place in a dataset's JSON
        vr = element.get("vr") or walk.vr_of(int(name, 16))
        if not isinstance(vr, str) or vr.encode("ascii", "replace") not in walk.VRS_EXPLICIT:
            raise Invalid(f"{name} has no VR that the standard knows", code="bad-json", field=name)
        yield name.upper(), vr, element


def _copy(path: Path, out: BinaryIO, item_bytes: int) -> None:
    length = 0
    with path.open("rb") as source:
        while chunk := source.read(_COPY_BYTES):
            out.write(values.swapped(chunk, item_bytes))
            length += len(chunk)
    if length % 2:
        out.write(b"\0")
