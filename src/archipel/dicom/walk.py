"""Walk over an encoded dataset without reading its values (PS3.5 7): flat, so that nesting costs no stack.

The source is only ever read in windows, and a value is jumped over unless the reader asks for it, so a dataset of
5 GB costs as much as its header.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from struct import Struct
from typing import Any, BinaryIO

from pydicom._dicom_dict import DicomDictionary
from pydicom.datadict import dictionary_VR, private_dictionary_VR

WINDOW_BYTES = 32 * 1024
ELEMENTS_MAX = 2_000_000
DEPTH_MAX = 220

ELEMENT, SEQUENCE, ITEM, ITEM_END, SEQUENCE_END, FRAGMENTS, PIXELS = range(7)
#: kind, tag, VR, offset of the value, length of the value. For PIXELS the length may be UNDEFINED. An ITEM carries
#: its number, from 0, in place of the length.
Token = tuple[int, int, str, int, int]
#: Which tags to report; a nested mapping says which sequences to enter. None reports everything.
Wanted = Mapping[int, Any] | None

UNDEFINED = 0xFFFFFFFF
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
PIXEL_TAGS = frozenset({0x7FE00008, 0x7FE00009, 0x7FE00010})
VRS_LONG = {b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"}
VRS_SHORT = {b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FL", b"FD", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS",
          b"ST", b"TM", b"UI", b"UL", b"US"}  # fmt: skip
_SHORT_TEXT = {vr: vr.decode() for vr in VRS_SHORT}
VRS_EXPLICIT = {vr: vr.decode() for vr in VRS_LONG | VRS_SHORT}
_AMBIGUOUS = {"US or SS": "US", "OB or OW": "OW", "US or OW": "OW", "US or SS or OW": "OW"}
VRS: dict[int, str] = {tag: _AMBIGUOUS.get(entry[0], entry[0]) for tag, entry in DicomDictionary.items()}
#: Tags whose VR depends on Pixel Representation (PS3.5 A.1).
SIGN_DEPENDENT = frozenset(tag for tag, entry in DicomDictionary.items() if entry[0].startswith("US or SS"))


class Odd(Exception):
    """The bytes do not add up as this walk reads them; ``where`` is the offset."""

    def __init__(self, why: str, where: int) -> None:
        super().__init__(why, where)
        self.why, self.where = why, where


class TooDeep(Exception):
    """More levels of nesting than DEPTH_MAX."""


class TooMany(Exception):
    """More elements than ELEMENTS_MAX."""


class Window:
    """A view on a seekable source that reads a window at a time; offsets count from where the source stood."""

    def __init__(self, source: BinaryIO) -> None:
        self.source = source
        self.base = source.tell()
        self.size = source.seek(0, 2) - self.base
        self.start = 0
        source.seek(self.base)
        self.buffer = source.read(WINDOW_BYTES)

    def move(self, offset: int) -> None:
        """Put the window at the offset."""
        self.source.seek(self.base + offset)
        self.start = offset
        self.buffer = self.source.read(WINDOW_BYTES)

    def read(self, offset: int, length: int) -> bytes:
        """Bytes of a value; shorter only where the source ends."""
        at = offset - self.start
        if at >= 0 and at + length <= len(self.buffer):
            return self.buffer[at : at + length]
        self.source.seek(self.base + offset)
        return self.source.read(min(length, max(0, self.size - offset)))


def vr_of(tag: int, creator: str | None = None) -> str:
    """VR of a tag in the dictionary of the standard, or of the private creator; UN when unknown."""
    found = VRS.get(tag)
    if found is not None:
        return found
    if tag & 0xFFFF == 0:
        return "UL"
    if tag >> 16 & 1:
        if 0x10 <= tag & 0xFFFF <= 0xFF:
            return "LO"
        try:
            return _AMBIGUOUS.get(vr := private_dictionary_VR(tag, creator), vr) if creator else "UN"
        except KeyError:
            return "UN"
    if tag >> 24 in (0x50, 0x60, 0x20, 0x00, 0x10, 0x28, 0x7F):
        try:
            return _AMBIGUOUS.get(vr := dictionary_VR(tag), vr)
        except KeyError:
            return "UN"
    return "UN"


class _Level:
    """What the walk needs to come back to when a nested dataset, a sequence or a run of fragments ends."""

    __slots__ = ("creators", "end", "explicit", "is_item", "number", "silent", "wanted")

    def __init__(self, is_item: bool, end: int, explicit: bool, wanted: Wanted, silent: bool) -> None:
        self.is_item, self.end, self.explicit, self.wanted, self.silent = is_item, end, explicit, wanted, silent
        self.number = 0
        self.creators: dict[int, str] = {}


def tokens(window: Window, explicit: bool, big: bool = False, wanted: Wanted = None) -> Iterator[Token]:  # noqa: C901 - one loop, for speed
    """Tokens of the dataset in order, up to and with the pixel data of the first level; group lengths are left out.

    Raises Odd, TooDeep or TooMany. A value that runs past the end of the source is Odd, but for pixel data.
    """
    order = ">" if big else "<"
    head, long_length, short = Struct(order + "HHI").unpack_from, Struct(order + "I").unpack_from, Struct(order + "H").unpack_from
    size, pos, count = window.size, 0, 0
    root = level = _Level(True, size, explicit, wanted, False)
    stack: list[_Level] = []
    buffer, start, limit = window.buffer, window.start, window.start + len(window.buffer)
    while True:
        while pos >= level.end:  # a container of defined length is over, or the dataset
            if pos > level.end:
                raise Odd("a value runs past the end of its item or sequence", pos)
            if level is root:
                return
            if not level.silent:
                yield (ITEM_END if level.is_item else SEQUENCE_END), 0, "", pos, 0
            level = stack.pop()
        if (count := count + 1) > ELEMENTS_MAX:
            raise TooMany
        if not start <= pos or pos + 12 > limit:
            window.move(pos)
            buffer, start, limit = window.buffer, pos, pos + len(window.buffer)
            if limit - pos < 8:
                raise Odd("the data ends in the middle of an element", pos)
        at = pos - start
        group, element, length = head(buffer, at)
        tag = group << 16 | element
        if group == 0xFFFE:
            pos += 8
            if tag == _ITEM and not level.is_item:
                if length != UNDEFINED and (level.silent or level.explicit is None):
                    pos += length
                    continue
                if len(stack) >= DEPTH_MAX * 2:
                    raise TooDeep
                if not level.silent:
                    yield ITEM, 0, "", pos, level.number
                level.number += 1
                stack.append(level)
                end = pos + length if length != UNDEFINED else size + 1
                if length != UNDEFINED and end > stack[-1].end:
                    raise Odd("an item runs past the end of its sequence", pos)
                level = _Level(True, end, level.explicit, level.wanted, level.silent)
                continue
            if tag == (_ITEM_END if level.is_item else _SEQUENCE_END) and level.end > size and length == 0:
                if not level.silent:
                    yield (ITEM_END if level.is_item else SEQUENCE_END), 0, "", pos, 0
                level = stack.pop()
                continue
            if tag == (_ITEM_END if level.is_item else _SEQUENCE_END) and level is not root and pos == level.end and length == 0:
                continue  # an end mark although the length is defined, and counted in it (Philips MR, fo-dicom GH064.dcm)
            if tag == _SEQUENCE_END and level.is_item and level is not root and level.end > size and stack[-1].end > size and length == 0:
                # An item without its own end mark inside a sequence that has one (GE MR).
                if not level.silent:
                    yield from ((ITEM_END, 0, "", pos, 0), (SEQUENCE_END, 0, "", pos, 0))
                level = (stack.pop(), stack.pop())[1]
                continue
            if level is root and (length == 0 or (tag == _ITEM and length != UNDEFINED and pos + length <= size)):
                pos += length
                continue  # a stray delimiter, or items whose sequence element was taken out (Philips US, fo-dicom GH364.dcm)
            raise Odd("a delimiter stands where none belongs", pos - 8)
        if not level.is_item:
            raise Odd("an element stands where an item belongs", pos)
        here = level.wanted
        report = not level.silent and (here is None or tag in here) and element != 0
        inner = True
        vr = _SHORT_TEXT.get(buffer[at + 4 : at + 6], "") if level.explicit else ""
        if vr:
            length, pos = short(buffer, at + 6)[0], pos + 8
            if not report and pos + length <= size:  # most elements of most datasets end here
                pos += length
                continue
        else:
            vr, pos, length, inner = _vr_and_length(level, tag, length, buffer, at, pos, long_length)
            if tag in PIXEL_TAGS and level is root:
                yield PIXELS, tag, vr, pos, length
                return
        if length == UNDEFINED or (report and vr == "SQ"):
            if report and vr in ("OB", "OW"):
                end = _fragments_end(window, pos, head)
                yield FRAGMENTS, tag, vr, pos, end - pos
                pos = end
                continue
            if len(stack) >= DEPTH_MAX * 2:
                raise TooDeep
            if length != UNDEFINED and pos + length > min(level.end, size):
                raise Odd("a sequence runs past the end", pos)
            child = None if here is None else here.get(tag) if report else None
            silent = not report or (here is not None and child is None)
            if not silent:
                yield SEQUENCE, tag, "SQ", pos, length
            stack.append(level)
            level = _Level(False, pos + length if length != UNDEFINED else size + 1, inner, child, silent)
            continue
        if pos + length > size:
            raise Odd(f"element ({group:04X},{element:04X}) declares {length} bytes and {size - pos} are left", pos)
        if report:
            if here is None and group & 1 and 0x10 <= element <= 0xFF:
                level.creators[tag] = window.read(pos, min(length, 64)).decode("latin_1").strip(" \0")
            yield ELEMENT, tag, vr, pos, length
        pos += length


def _vr_and_length(
    level: _Level, tag: int, length: int, buffer: bytes, at: int, pos: int, long_length: Callable[..., Any]
) -> tuple[str, int, int, bool]:
    """VR, offset and length of a value with a long or no VR field, and whether a sequence under it is in explicit VR."""
    if not level.explicit:
        if level.wanted is not None and not level.silent and tag in level.wanted:
            return ("SQ" if level.wanted[tag] is not None else VRS.get(tag, "UN")), pos + 8, length, False
        if level.silent or level.wanted is not None:
            return "UN", pos + 8, length, False
        vr = vr_of(tag, _creator(level, tag))
        if length == UNDEFINED and vr == "UN":
            vr = "SQ"
        return vr, pos + 8, length, False
    code = buffer[at + 4 : at + 6]
    if code in VRS_LONG:
        if at + 12 > len(buffer):
            raise Odd("the data ends in the middle of an element", pos)
        length = long_length(buffer, at + 8)[0]
        if code == b"UN":  # PS3.5 6.2.2: an unknown sequence is in implicit VR; a known tag is read as what it is
            known = "SQ" if length == UNDEFINED else vr_of(tag, _creator(level, tag))
            return known, pos + 12, length, False
        return VRS_EXPLICIT[code], pos + 12, length, True
    if code.isalpha() and code.isupper():
        raise Odd(f"unknown VR {code.decode('latin_1')}", pos)
    # An element in implicit VR inside explicit data: seen from several writers, and read so by pydicom and DCMTK.
    return vr_of(tag), pos + 8, length, False


def _creator(level: _Level, tag: int) -> str | None:
    return level.creators.get(tag & 0xFFFF0000 | tag >> 8 & 0xFF) if tag >> 16 & 1 else None


def _fragments_end(window: Window, pos: int, head: Callable[..., Any]) -> int:
    """Offset behind the sequence delimiter of encapsulated fragments that start at ``pos``."""
    for _ in range(ELEMENTS_MAX):
        raw = window.read(pos, 8)
        if len(raw) < 8:
            raise Odd("the data ends in the middle of fragments", pos)
        group, element, length = head(raw)
        pos += 8
        if (group, element) == (0xFFFE, 0xE0DD):
            return pos
        if (group, element) != (0xFFFE, 0xE000) or length == UNDEFINED or pos + length > window.size:
            raise Odd("a fragment is broken", pos - 8)
        pos += length
    raise TooMany


def fragments(window: Window, pos: int) -> Iterator[tuple[int, int]]:
    """Offset and length of each fragment of encapsulated pixel data (little endian), the offset table first.

    Ends quietly where the source ends; raises Odd where something else than a fragment stands.
    """
    head = Struct("<HHI").unpack_from
    for _ in range(ELEMENTS_MAX):
        raw = window.read(pos, 8)
        if len(raw) < 8:
            return
        group, element, length = head(raw)
        if (group, element) == (0xFFFE, 0xE0DD):
            return
        if (group, element) != (0xFFFE, 0xE000) or length == UNDEFINED:
            raise Odd("a fragment is broken", pos)
        yield pos + 8, min(length, window.size - pos - 8)
        pos += 8 + length
    raise TooMany
