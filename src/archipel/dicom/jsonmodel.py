"""DICOM JSON (PS3.18 F) from an encoded dataset, and encoded datasets from DICOM JSON."""

from __future__ import annotations

import io
import warnings
from collections.abc import Callable
from typing import Any, BinaryIO

from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filereader import read_dataset
from pydicom.filewriter import write_dataset

from archipel.dicom import charset, header, uids, values, walk
from archipel.dicom.jsonencode import Bulk, Json, dataset_bytes, encode_identifier, is_tag, write_dataset_json
from archipel.kit.errors import Invalid

__all__ = ["BULK_BYTES_MIN", "Bulk", "Json", "bulk_data", "dataset_bytes", "encode_identifier", "from_json", "open_dataset", "to_json",
           "write_dataset_json"]  # fmt: skip

BULK_BYTES_MIN = 1024


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
    head = io.BytesIO(window.source.read(header.REFEREE_BYTES_MAX))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = read_dataset(head, not explicit, not big, stop_when=lambda tag, vr, length: int(tag) in walk.PIXEL_TAGS)
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
    if len(parts) % 2 == 0 or len(parts) > 2 * walk.DEPTH_MAX or not all(is_tag(tag) for tag in parts[::2]):
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


def _value_length(window: walk.Window, offset: int, length: int) -> int:
    if length == walk.UNDEFINED:
        end = offset
        for at, size in walk.fragments(window, offset):
            end = at + size
        return end - offset
    return min(length, window.size - offset)


def from_json(row: Json) -> Dataset:
    """A pydicom Dataset of the JSON; BulkDataURI elements become empty. Raises Invalid."""
    data = dataset_bytes(row, charset.UNICODE, uids.EXPLICIT_LITTLE, bulk=lambda uri: b"")
    return read_dataset(io.BytesIO(data), False, True)
