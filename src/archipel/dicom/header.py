"""The indexed attributes of a dataset, read without its pixels (PS3.5 7, PS3.3 C.7)."""

from __future__ import annotations

import io
import struct
import warnings
import zlib
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, BinaryIO

import pydicom.errors
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence

from archipel.dicom import charset, index, quick, uids, walk
from archipel.kit.errors import Invalid

VALUE_BYTES_MAX = 16 * 1024
INFLATED_HEADER_BYTES_MAX = 64 * 1024 * 1024
INFLATED_BYTES_MAX = 4 * 1024 * 1024 * 1024
INFLATE_RATIO_MAX = 200
_INFLATE_RATIO_FROM_BYTES = 128 * 1024 * 1024
_CHUNK_BYTES = 256 * 1024
AGAIN_BYTES_MAX = 128
REFEREE_BYTES_MAX = 64 * 1024 * 1024

#: What pydicom raises on broken data; TypeError and the like come from its assumptions about types.
READ_ERRORS = (ValueError, TypeError, KeyError, AttributeError, IndexError, NotImplementedError, OverflowError, EOFError, OSError,
               ArithmeticError, LookupError, struct.error,
               pydicom.errors.InvalidDicomError, pydicom.errors.BytesLengthException)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Header:
    """What the archive indexes of one dataset.

    ``values``: path -> decoded values; an attribute that is present and empty has ``()``. Values of several items
    follow each other. ``pixel_data_offset``: of the Pixel Data element, from the start of the dataset; None when it has
    none or the dataset is deflated. ``character_set``: Specific Character Set as received. ``warnings``: for people.
    """

    values: dict[str, tuple[str, ...]]
    pixel_data_offset: int | None
    character_set: str
    warnings: tuple[str, ...]

    def first(self, path: str) -> str:
        """The first value at the path, or ''."""
        found = self.values.get(path)
        return found[0] if found else ""


def _tree() -> dict[int, Any]:
    root: dict[int, Any] = {}
    for one in index.INDEXED:
        node = root
        *parents, leaf = (int(part, 16) for part in one.path.split("."))
        for tag in parents:
            node = node.setdefault(tag, {})
        node[leaf] = None
    return root


_WANTED = _tree()
_VR = {path: one.vr for path, one in index.BY_PATH.items()}
_NUMBERS = {"US": "H", "SS": "h", "UL": "L", "SL": "l", "FL": "f", "FD": "d"}


def read_header(source: BinaryIO, transfer_syntax_uid: str) -> Header:
    """Header of the dataset that starts where ``source`` stands; the source must be seekable.

    Raises Invalid with code unreadable, too-deep, too-large, missing-uid or malformed-uid.
    """
    deflated = transfer_syntax_uid == uids.DEFLATED
    notes: list[str] = []
    if deflated:
        source = io.BytesIO(inflate_header(source))
    start = source.tell()
    explicit, big = transfer_syntax_uid != uids.IMPLICIT_LITTLE, transfer_syntax_uid == uids.EXPLICIT_BIG
    try:
        raw, pixels = _walk(source, explicit, big, notes)
    except walk.TooDeep as error:
        raise Invalid(f"The object nests sequences more than {walk.DEPTH_MAX} levels deep", code="too-deep") from error
    except walk.TooMany as error:
        raise Invalid(f"The object has more than {walk.ELEMENTS_MAX} elements before its pixel data", code="too-large") from error
    except walk.Odd as odd:
        source.seek(start)
        del notes[:]
        raw, pixels = _referee(source, explicit, big, odd, notes)
    values, character_set = _decoded(raw, notes)
    _check_uids(values, notes)
    return Header(values, None if deflated else pixels, character_set, tuple(dict.fromkeys(notes)))


def read_plain_header(data: memoryview, transfer_syntax_uid: str) -> Header:
    """Header of a whole dataset in memory, the quick way; as ``read_header`` when it answers.

    Raises quick.Slow for what is not plain and is to be read by ``read_header``, and Invalid for UIDs.
    """
    if transfer_syntax_uid in (uids.DEFLATED, uids.EXPLICIT_BIG):
        raise quick.Slow
    notes: list[str] = []
    explicit = looks_explicit(bytes(data[:8]), transfer_syntax_uid != uids.IMPLICIT_LITTLE, False, notes)
    raw, pixels = quick.read(data, explicit, _WANTED)
    values, character_set = _decoded(raw, notes)
    _check_uids(values, notes)
    return Header(values, pixels, character_set, tuple(dict.fromkeys(notes)))


_Raw = quick.Raw
Slow = quick.Slow


def _walk(source: BinaryIO, explicit: bool, big: bool, notes: list[str]) -> tuple[_Raw, int | None]:
    window = walk.Window(source)
    raw: _Raw = {}
    prefix: list[str] = [""]
    for kind, tag, vr, offset, length in walk.tokens(window, looks_explicit(window.buffer, explicit, big, notes), big, _WANTED):
        if kind == walk.ELEMENT:
            path = f"{prefix[-1]}{tag:08X}"
            if path not in _VR:
                continue  # a sequence that was written with another VR
            if length > VALUE_BYTES_MAX:
                notes.append(f"({tag >> 16:04X},{tag & 0xFFFF:04X}) is {length} bytes long; the first {VALUE_BYTES_MAX} are indexed")
                length = VALUE_BYTES_MAX
            raw.setdefault(path, []).append((vr, window.read(offset, length), big))
        elif kind == walk.SEQUENCE:
            prefix.append(f"{prefix[-1]}{tag:08X}.")
        elif kind == walk.SEQUENCE_END:
            prefix.pop()
        elif kind == walk.PIXELS:
            missing = _missing_pixels(window, offset, length)
            if missing:
                notes.append(missing)
            return raw, offset - (12 if window.read(offset - 8, 2) in walk.VRS_LONG else 8)
    return raw, None


def _missing_pixels(window: walk.Window, offset: int, length: int) -> str:
    """What to say when pixel data is cut, or ''."""
    if length != walk.UNDEFINED:
        short = offset + length - window.size
        return f"pixel data is cut: {short} of {length} bytes are missing" if short > 0 else ""
    tail = window.read(max(offset, window.size - 8), 8)
    if tail == b"\xfe\xff\xdd\xe0\0\0\0\0":
        return ""
    try:
        end = offset
        for at, size in walk.fragments(window, offset):
            end = at + size
    except (walk.Odd, walk.TooMany):
        return "pixel data holds broken fragments"
    return "" if window.read(end, 4) == b"\xfe\xff\xdd\xe0" else "pixel data is cut: its end mark is missing"


def looks_explicit(buffer: bytes, explicit: bool, big: bool, notes: list[str]) -> bool:
    """Whether the dataset is in explicit VR, whatever was declared: some writers declare one and write the other."""
    if big or len(buffer) < 8:
        return explicit
    group, element = struct.Struct("<HH").unpack_from(buffer)
    seen = buffer[4:6].decode("latin_1")
    found = seen == walk.vr_of(group << 16 | element) or (explicit and seen.isalpha() and seen.isupper())
    if found != explicit:
        notes.append(f"declared {'explicit' if explicit else 'implicit'} VR and written in the other; read as written")
    return found


def _referee(source: BinaryIO, explicit: bool, big: bool, odd: walk.Odd, notes: list[str]) -> tuple[_Raw, int | None]:
    """pydicom's reading of data that the walk found odd."""
    start = source.tell()
    size = source.seek(0, 2) - start
    source.seek(start)
    head = io.BytesIO(source.read(REFEREE_BYTES_MAX))  # pydicom holds what it reads: never more than this
    reason = f"The object cannot be read: {odd.why} (at byte {odd.where})"
    pixels: list[int] = []

    def at_pixels(tag: int, vr: str | None, length: int) -> bool:
        if int(tag) in walk.PIXEL_TAGS:
            pixels.append(head.tell() - (12 if vr else 8))  # it stands behind the head of the element
        return bool(pixels)

    if not head.getbuffer().nbytes:
        raise Invalid("The object is empty", code="unreadable")
    if "are left" in odd.why or "data ends" in odd.why:
        raise Invalid(f"The object is cut off in its header: {odd.why}", code="unreadable", detail=str(odd.where))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = read_dataset(head, not explicit, not big, stop_when=at_pixels)
            raw: _Raw = {}
            _collect(ds, _WANTED, "", raw, big)
    except RecursionError as error:
        raise Invalid("The object nests sequences too deep to be read safely", code="too-deep") from error
    except READ_ERRORS as error:
        raise Invalid(reason, code="unreadable", detail=repr(error)[:200]) from error
    if not pixels and head.tell() < size:
        raise Invalid(reason, code="unreadable", detail=f"pydicom stops at byte {head.tell()} of {size}")
    if not raw:
        raise Invalid(reason, code="unreadable", detail="pydicom finds no indexed attribute either")
    notes.append(f"read leniently: {odd.why} (at byte {odd.where})")
    return raw, pixels[0] if pixels else None


def _collect(ds: Dataset, wanted: dict[int, Any], prefix: str, raw: _Raw, big: bool) -> None:
    for tag, child in wanted.items():
        if tag not in ds:
            continue
        element: Any = ds.get_item(tag)
        if child is not None:
            value = ds[tag].value
            for item in value if isinstance(value, Sequence) else ():
                _collect(item, child, f"{prefix}{tag:08X}.", raw, big)
        elif isinstance(element, DataElement) and tag == 0x00080005:  # pydicom has read this one already
            raw.setdefault("00080005", []).append(("CS", "\\".join(_many(element.value)).encode("latin_1", "replace"), big))
        elif isinstance(element, RawDataElement):
            vr = str(element.VR or walk.vr_of(tag))
            data = bytes(element.value or b"")[:VALUE_BYTES_MAX]
            raw.setdefault(f"{prefix}{tag:08X}", []).append((vr, data, not element.is_little_endian))


def _many(value: Any) -> list[str]:
    return [str(one) for one in value] if isinstance(value, (list, MultiValue)) else [str(value or "")]


def _decoded(raw: _Raw, notes: list[str]) -> tuple[dict[str, tuple[str, ...]], str]:
    stored = raw.get("00080005")
    character_set = stored[0][1].decode("latin_1").strip(" \0") if stored else ""
    if character_set:
        _, warning = charset.encodings(character_set)
        if warning:
            notes.append(warning)
    values: dict[str, tuple[str, ...]] = {}
    for path, found in raw.items():
        texts: tuple[str, ...] = ()
        for vr, data, big in found:
            read = _texts_again if len(data) <= AGAIN_BYTES_MAX else _texts
            some, note = read(path, vr, data, big, character_set)
            texts += some
            if note:
                notes.append(note)
        values[path] = texts
    return values, character_set


def _texts(path: str, vr: str, data: bytes, big: bool, character_set: str) -> tuple[tuple[str, ...], str]:
    """The decoded values, and what people should know about them."""
    expected, note = _VR[path], ""
    if expected in _NUMBERS:
        item = struct.Struct((">" if big else "<") + _NUMBERS.get(vr, _NUMBERS[expected]))
        return tuple(str(item.unpack_from(data, at)[0]) for at in range(0, len(data) - item.size + 1, item.size))[:64], ""
    if expected in charset.TEXT_VRS:
        text, exact = charset.decode(data, character_set, expected)
        if not exact:
            note = f"{index.keyword_of(path)} cannot be read in the declared character set {character_set or 'ISO_IR 6'!r}"
    else:
        text = data.decode("latin_1")
    return _values(expected, text), note


#: The images of a series say the same of their patient and exam: decoded once while it is remembered.
_texts_again = lru_cache(16_384)(_texts)


def _values(vr: str, text: str) -> tuple[str, ...]:
    text = text.rstrip(" \0=" if vr == "PN" else " \0")
    if "\0" in text:
        text = text.replace("\0", "" if vr in charset.SINGLE_TEXT_VRS else " ")
    if not text:
        return ()
    if vr in charset.SINGLE_TEXT_VRS or (vr == "PN" and "\\" not in text):
        return (text,)
    if "\\" not in text:
        return (text.strip(" "),)
    return tuple(part.rstrip(" =") if vr == "PN" else part.strip(" ") for part in text.split("\\"))


def _check_uids(values: dict[str, tuple[str, ...]], notes: list[str]) -> None:
    for path in index.REQUIRED_UIDS:
        keyword = index.BY_PATH[path].keyword
        found = values.get(path) or ()
        if not found or not found[0]:
            raise Invalid(f"The object has no {keyword} ({path[:4]},{path[4:]})", code="missing-uid", field=keyword)
        if len(found) > 1 or not uids.is_uid(found[0]):
            raise Invalid(
                f"The object's {keyword} ({path[:4]},{path[4:]}) is not a UID: digits and dots, 64 at most",
                code="malformed-uid",
                field=keyword,
                detail=repr(found)[:200],
            )
        if not uids.is_strict_uid(found[0]):
            notes.append(f"{keyword} has a component that starts with a zero")


def inflate_header(source: BinaryIO) -> bytes:
    """The first INFLATED_HEADER_BYTES_MAX of a deflated dataset; the whole stream is checked and bounded.

    Raises Invalid: too-large for a stream that inflates out of proportion, unreadable for a broken one (PS3.5 A.5).
    """
    kept = io.BytesIO()
    total = 0
    for chunk in inflated(source):
        if total < INFLATED_HEADER_BYTES_MAX:
            kept.write(chunk[: INFLATED_HEADER_BYTES_MAX - total])
        total += len(chunk)
    return kept.getvalue()


def inflated(source: BinaryIO) -> Any:
    """Chunks of the inflated stream, bounded in size and in ratio; raises Invalid as ``inflate_header`` does."""
    engine = zlib.decompressobj(-zlib.MAX_WBITS)
    taken = given = 0
    data = source.read(_CHUNK_BYTES)
    if data[:2] in (b"\x78\x9c", b"\x78\x01", b"\x78\xda"):  # a zlib header where the standard wants none, as some writers do
        engine = zlib.decompressobj(zlib.MAX_WBITS)
    try:
        while data and not engine.eof:
            taken += len(data)
            while data and not engine.eof:
                out = engine.decompress(data, _CHUNK_BYTES)
                given += len(out)
                if given > INFLATED_BYTES_MAX or (given > _INFLATE_RATIO_FROM_BYTES and given > taken * INFLATE_RATIO_MAX):
                    raise Invalid(f"The deflated object inflates to more than {given >> 20} MB from {taken >> 10} kB", code="too-large")
                yield out
                data = engine.unconsumed_tail
            data = source.read(_CHUNK_BYTES)
    except zlib.error as error:
        raise Invalid("The deflated object cannot be inflated", code="unreadable", detail=str(error)) from error
    if not engine.eof:
        raise Invalid("The deflated object is cut off", code="unreadable")
