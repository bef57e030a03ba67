"""The values of wanted elements from a well-formed little-endian dataset in memory: the quick way of ``walk.tokens``.

Most of what arrives is plain: known VRs, lengths that add up, a bounded number of elements. That is read here in one tight loop; whatever
is not plain raises Slow and is read by ``walk``, which knows the oddities. Where this gives an answer, it is the one of ``walk``.
"""

from __future__ import annotations

from collections.abc import Mapping
from struct import Struct
from typing import Any

from archipel.dicom import walk

ELEMENTS_MAX = 4_000
DEPTH_MAX = 8
VALUE_BYTES_MAX = 4_096

_EXPLICIT, _IMPLICIT, _LONG = Struct("<HH2sH").unpack_from, Struct("<HHI").unpack_from, Struct("<I").unpack_from
_ITEM, _ITEM_END, _SEQUENCE_END = 0xFFFEE000, 0xFFFEE00D, 0xFFFEE0DD
_SHORT = {vr: vr.decode() for vr in walk.VRS_SHORT}

#: path -> what stands there, as (VR, bytes, big endian) for each time it stands there
Raw = dict[str, list[tuple[str, bytes, bool]]]


class Slow(Exception):
    """Not plain: to be read by ``walk``."""


def read(data: memoryview, explicit: bool, wanted: Mapping[int, Any]) -> tuple[Raw, int | None]:
    """Values of the wanted tags, nested by path, and the offset of the pixel data element, None when there is none. Raises Slow."""
    reader = _Reader(data, explicit)
    reader.level(0, len(data), wanted, "", 0, is_open=False)
    return reader.raw, reader.pixels


class _Reader:
    def __init__(self, data: memoryview, explicit: bool) -> None:
        self.data, self.explicit = data, explicit
        self.raw: Raw = {}
        self.pixels: int | None = None
        self._left = ELEMENTS_MAX

    def level(self, pos: int, end: int, wanted: Mapping[int, Any], prefix: str, depth: int, *, is_open: bool) -> int:  # noqa: C901 - one loop, for speed
        """Elements from ``pos`` to ``end``, or to the item's end mark when it is open; returns where what follows starts."""
        data, explicit, raw, left = self.data, self.explicit, self.raw, self._left
        while pos < end:
            left, at = left - 1, pos
            if pos + 8 > end or left < 0:
                raise Slow
            if explicit:
                group, element, code, length = _EXPLICIT(data, pos)
                tag = group << 16 | element
                if group == 0xFFFE:
                    break
                vr = _SHORT.get(code)
                if vr is not None:
                    pos += 8
                else:
                    if code not in walk.VRS_LONG or code == b"UN" or pos + 12 > end:
                        raise Slow
                    vr, length = code.decode(), _LONG(data, pos + 8)[0]
                    pos += 12
            else:
                group, element, length = _IMPLICIT(data, pos)
                tag, vr = group << 16 | element, ""
                if group == 0xFFFE:
                    break
                pos += 8
            if group >= 0x7FE0 and not depth and tag in walk.PIXEL_TAGS:
                if pos - at == 8 and explicit:  # a VR that no pixel data has
                    raise Slow
                self.pixels = at
                return pos
            child = wanted.get(tag, False)
            if length == walk.UNDEFINED or child:
                if depth >= DEPTH_MAX or (explicit and vr != "SQ"):
                    raise Slow
                self._left = left
                pos = self._items(pos, length, end, child or {}, f"{prefix}{tag:08X}.", depth)
                left = self._left
                continue
            if child is None:
                path = f"{prefix}{tag:08X}"
                if length > VALUE_BYTES_MAX or vr == "SQ" or (not depth and path in raw):
                    raise Slow
                found = vr or walk.VRS.get(tag, "UN"), bytes(data[pos : pos + length]), False
                raw.setdefault(path, []).append(found)
            pos += length
            if pos > end:
                raise Slow
        self._left = left
        if (pos < end) != is_open:  # a delimiter where none belongs, or none where one does
            raise Slow
        return self._item_end(pos) if is_open else pos

    def _item_end(self, pos: int) -> int:
        group, element, length = _IMPLICIT(self.data, pos)
        if group << 16 | element != _ITEM_END or length:
            raise Slow
        return pos + 8

    def _items(self, pos: int, length: int, end: int, wanted: Mapping[int, Any], prefix: str, depth: int) -> int:
        """The items of a sequence; returns where what follows the sequence starts."""
        stop = end if length == walk.UNDEFINED else pos + length
        if stop > end:
            raise Slow
        while pos < stop:
            self._left -= 1
            if pos + 8 > stop or self._left < 0:
                raise Slow
            group, element, size = _IMPLICIT(self.data, pos)
            tag, pos = group << 16 | element, pos + 8
            if tag == _SEQUENCE_END and length == walk.UNDEFINED and not size:
                return pos
            if tag != _ITEM:
                raise Slow
            if size != walk.UNDEFINED:
                if pos + size > stop:
                    raise Slow
                if wanted:
                    self.level(pos, pos + size, wanted, prefix, depth + 1, is_open=False)
                pos += size
            else:
                pos = self.level(pos, stop, wanted, prefix, depth + 1, is_open=True)
        if length == walk.UNDEFINED:
            raise Slow
        return pos
