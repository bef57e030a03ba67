"""Rewrite the elements of a dataset in another encoding, or with some of its first-level elements replaced (PS3.5 7, A)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from struct import Struct

from archipel.dicom import values, walk
from archipel.kit.errors import Invalid

COPY_BYTES = 1 << 20
_ITEM_BYTES = {**values.BINARY, "US": 2, "SS": 2, "AT": 2, "UL": 4, "SL": 4, "FL": 4, "FD": 8, "UV": 8, "SV": 8}
_STARTS = (walk.ELEMENT, walk.SEQUENCE, walk.FRAGMENTS, walk.PIXELS)
#: VR and value by tag; None takes the element out. Values are little endian and even.
Changes = Mapping[int, tuple[str, bytes] | None]


class Form:
    """One encoding: how heads of elements are written."""

    def __init__(self, explicit: bool, big: bool) -> None:
        self.explicit, self.big = explicit, big
        order = ">" if big else "<"
        self._tag, self._short, self._long = Struct(order + "HH"), Struct(order + "H"), Struct(order + "L")

    def head(self, tag: int, vr: str, length: int) -> bytes:
        """Tag, VR and length of an element or (VR '') of an item or delimiter."""
        start = self._tag.pack(tag >> 16, tag & 0xFFFF)
        if not vr or not self.explicit:
            return start + self._long.pack(length)
        code = vr.encode("ascii")
        if code in walk.VRS_SHORT and length <= 0xFFFF:
            return start + code + self._short.pack(length)
        return start + (b"UN" if code in walk.VRS_SHORT else code) + b"\0\0" + self._long.pack(length)

    def element(self, tag: int, vr: str, value: bytes) -> bytes:
        """A whole element of a little-endian value."""
        return self.head(tag, vr, len(value)) + (values.swapped(value, _ITEM_BYTES.get(vr, 1)) if self.big else value)


def header(window: walk.Window, was: Form, will: Form, changes: Changes, inner: Mapping[int, Changes] | None = None) -> Iterator[bytes]:
    """The dataset of the window up to its pixel data in the new form, with changes to its first level.

    ``inner`` replaces elements within items, by the offset at which an item starts. In the same form, and without ``inner``, every
    byte that is not changed is kept. Raises Invalid: unreadable.
    """
    try:
        if (was.explicit, was.big) == (will.explicit, will.big) and not inner:
            yield from _copied(window, was, changes)
        else:
            yield from _rewritten(window, was, will, changes, inner or {})
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        raise Invalid("The object cannot be rewritten: its header is broken", code="unreadable", detail=repr(error)) from error


def _copied(window: walk.Window, form: Form, changes: Changes) -> Iterator[bytes]:
    """Slices of the source between the elements that change."""
    todo = dict(sorted(changes.items()))
    begun = 0
    end = window.size
    previous_end = 0
    depth = 0
    tokens = walk.tokens(window, form.explicit, form.big)
    for kind, tag, _, offset, length in tokens:
        if depth == 0 and kind in _STARTS:
            start = previous_end
            for change in [one for one in todo if one <= tag]:
                if start > begun:
                    yield from _slices(window, begun, start)
                begun = start
                yield from _new(form, change, todo.pop(change))
                if change == tag:
                    begun = offset + length
            if kind == walk.PIXELS:
                end = start
                break
            previous_end = offset + length if length != walk.UNDEFINED else previous_end
        if kind in (walk.SEQUENCE, walk.ITEM):
            depth += 1
        elif kind in (walk.SEQUENCE_END, walk.ITEM_END):
            depth -= 1
            previous_end = offset if depth == 0 else previous_end
    yield from _slices(window, begun, end)
    for change, new in todo.items():
        yield from _new(form, change, new)


def _new(form: Form, tag: int, new: tuple[str, bytes] | None) -> Iterator[bytes]:
    if new is not None:
        yield form.element(tag, *new)


def _slices(window: walk.Window, start: int, end: int) -> Iterator[bytes]:
    while start < end:
        size = min(COPY_BYTES, end - start)
        yield window.read(start, size)
        start += size


def _rewritten(  # noqa: C901 - one case a token
    window: walk.Window, was: Form, will: Form, changes: Changes, inner: Mapping[int, Changes]
) -> Iterator[bytes]:
    todo = dict(sorted(changes.items()))
    depth = 0
    items: list[Changes] = []
    swap = was.big != will.big
    signed = False
    for kind, tag, vr, offset, length in walk.tokens(window, was.explicit, was.big):
        if depth == 0 and kind in _STARTS:
            for change in [one for one in todo if one < tag]:
                yield from _new(will, change, todo.pop(change))
        if kind == walk.PIXELS:
            break
        if items and kind in _STARTS and tag in items[-1]:
            yield from _new(will, tag, items[-1][tag])
        elif kind == walk.ELEMENT:
            if depth == 0 and tag in todo:
                yield from _new(will, tag, todo.pop(tag))
                continue
            if tag == 0x00280103:
                signed = window.read(offset, 2) in (b"\1\0", b"\0\1")
            elif signed and vr == "US" and tag in walk.SIGN_DEPENDENT:
                vr = "SS"
            yield will.head(tag, vr, length)
            item_bytes = _ITEM_BYTES.get(vr, 1) if swap else 1
            for part in _slices(window, offset, offset + length):
                yield values.swapped(part, item_bytes)
        elif kind == walk.FRAGMENTS:
            yield will.head(tag, vr, walk.UNDEFINED)
            yield from _slices(window, offset, offset + length)
        elif kind in (walk.SEQUENCE, walk.ITEM):
            depth += 1
            if kind == walk.ITEM:
                items.append(inner.get(offset, {}))
            yield will.head(tag, "SQ", walk.UNDEFINED) if kind == walk.SEQUENCE else will.head(0xFFFEE000, "", walk.UNDEFINED)
        else:
            depth -= 1
            if kind == walk.ITEM_END:
                items.pop()
            yield will.head(0xFFFEE0DD if kind == walk.SEQUENCE_END else 0xFFFEE00D, "", 0)
    for change in list(todo):
        yield from _new(will, change, todo.pop(change))
