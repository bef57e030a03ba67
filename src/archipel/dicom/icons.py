"""Images within items, such as icons: compressed as the object is, they become native when the object changes its syntax (PS3.5 A.4)."""

from __future__ import annotations

from archipel.dicom import codecs, frames, recode, walk
from archipel.kit.errors import Invalid

_PIXEL_DATA, _PHOTOMETRIC, _PLANAR = 0x7FE00010, 0x00280004, 0x00280006
_PIXELS_MAX = 4 << 20


def native_icons(window: walk.Window, form: recode.Form, transfer_syntax_uid: str) -> dict[int, recode.Changes]:
    """What changes in which items, by the offset at which an item starts. An icon that cannot be decoded is left without its pixels.

    Holds the icons of one object in memory, each of at most 4 million pixels. Raises Invalid: unreadable.
    """
    found: dict[int, recode.Changes] = {}
    items: list[tuple[int, dict[int, bytes]]] = []
    try:
        for kind, tag, _, offset, length in walk.tokens(window, form.explicit, form.big):
            if kind == walk.ITEM:
                items.append((offset, {}))
            elif kind == walk.ITEM_END:
                items.pop()
            elif items and kind == walk.ELEMENT and tag in frames.FIELDS:
                items[-1][1][tag] = window.read(offset, min(length, 64))
            elif items and kind == walk.FRAGMENTS and tag == _PIXEL_DATA:
                start, attributes = items[-1]
                found[start] = _changes(window, offset, attributes, transfer_syntax_uid)
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        raise Invalid("The object cannot be rewritten: its header is broken", code="unreadable", detail=repr(error)) from error
    return found


def _changes(window: walk.Window, offset: int, attributes: dict[int, bytes], transfer_syntax_uid: str) -> recode.Changes:
    try:
        info = frames.info_of(attributes)
        if info.frames > 1 or info.pixels > _PIXELS_MAX:
            raise Invalid("The icon is larger than icons are", code="too-large")
        (ranges,) = frames.encapsulated_ranges(window, offset, transfer_syntax_uid, 1, b"")
        array, now = codecs.decode(frames.read_frame(window, ranges), info, transfer_syntax_uid)
    except Invalid:
        return {_PIXEL_DATA: ("OB", b"")}
    data = codecs.native_bytes(array, now)
    changes = {_PIXEL_DATA: ("OB" if now.bits_allocated <= 8 else "OW", data + b"\0" * (len(data) % 2))}
    if now.photometric != info.photometric:
        name = now.photometric.encode("ascii")
        changes[_PHOTOMETRIC] = "CS", name + b" " * (len(name) % 2)
    if info.samples > 1:
        changes[_PLANAR] = "US", b"\1\0" if now.planar else b"\0\0"
    return changes
