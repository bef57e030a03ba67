"""Where the frames of pixel data stand, without reading them (PS3.5 8.2, A.4; PS3.3 C.7.6.3)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from struct import Struct
from typing import Any, BinaryIO

from archipel.dicom import uids, walk
from archipel.dicom.header import looks_explicit
from archipel.kit.errors import Invalid

Range = tuple[int, int]
#: Decodes the frame of a number, from 0.
Supplier = Callable[[int], tuple[Any, "PixelInfo"]]
FRAME_BYTES_MAX = 1 << 30
FRAMES_MAX = 1_000_000
_SCAN_BYTES = 4


@dataclass(frozen=True, slots=True)
class PixelInfo:
    """Image Pixel attributes (PS3.3 C.7.6.3). ``kind``: 'int', 'float' or 'double'."""

    rows: int
    columns: int
    samples: int = 1
    bits_allocated: int = 16
    bits_stored: int = 16
    signed: bool = False
    planar: bool = False
    photometric: str = "MONOCHROME2"
    frames: int = 1
    kind: str = "int"

    @property
    def pixels(self) -> int:
        """Pixels of one frame."""
        return self.rows * self.columns

    @property
    def stored_bits_per_frame(self) -> int:
        """Bits of one frame in native form as it is stored."""
        if self.photometric == "YBR_FULL_422" and self.samples == 3:  # two luminances share their chrominances
            return self.pixels * 2 * self.bits_allocated
        return self.pixels * self.samples * self.bits_allocated

    @property
    def frame_bytes(self) -> int:
        """Bytes of one frame in native form with every sample."""
        return (self.pixels * self.samples * self.bits_allocated + 7) // 8

    def but(self, **changes: Any) -> PixelInfo:
        """The same with changes."""
        return replace(self, **changes)


FIELDS = {0x00280002: "samples", 0x00280004: "photometric", 0x00280006: "planar", 0x00280008: "frames", 0x00280010: "rows",
          0x00280011: "columns", 0x00280100: "bits_allocated", 0x00280101: "bits_stored", 0x00280103: "signed"}  # fmt: skip
_EXTENDED_OFFSETS = 0x7FE00001


@dataclass(frozen=True, slots=True)
class PixelData:
    """The pixel data of one dataset: its attributes, where its value stands (None when there is none), and how it is written.

    Offsets count from the start of the dataset; ``element_offset`` is that of the tag. ``length`` is what is there, or
    walk.UNDEFINED for encapsulated data.
    """

    info: PixelInfo
    transfer_syntax_uid: str
    tag: int = 0
    vr: str = "OW"
    element_offset: int = 0
    value_offset: int | None = None
    length: int = 0
    extended_offsets: bytes = b""

    @property
    def swapped(self) -> bool:
        """Whether samples of 8 bits stand in big-endian words (PS3.5 8.1.1, D)."""
        return self.transfer_syntax_uid == uids.EXPLICIT_BIG and self.vr == "OW" and self.info.bits_allocated <= 8


def read_pixel_data(source: BinaryIO, transfer_syntax_uid: str) -> PixelData:
    """Pixel attributes and place of the pixel data of the dataset that starts where ``source`` stands (not a deflated one).

    Raises Invalid: unreadable, no-pixels when rows or columns are absent, too-large.
    """
    window = walk.Window(source)
    big = transfer_syntax_uid == uids.EXPLICIT_BIG
    explicit = looks_explicit(window.buffer, transfer_syntax_uid != uids.IMPLICIT_LITTLE, big, [])
    found: dict[str, Any] = {}
    place: dict[str, Any] = {}
    offsets = b""
    try:
        for kind, tag, vr, offset, length in walk.tokens(window, explicit, big, dict.fromkeys([*FIELDS, _EXTENDED_OFFSETS])):
            if kind == walk.PIXELS:
                long_form = window.read(offset - 8, 2) in (b"OB", b"OW", b"OF", b"OD", b"UN") and window.read(offset - 6, 2) == b"\0\0"
                place = {"tag": tag, "vr": vr, "element_offset": offset - (12 if explicit and long_form else 8), "value_offset": offset,
                         "length": length if length == walk.UNDEFINED else min(length, window.size - offset)}  # fmt: skip
            elif kind == walk.ELEMENT and tag == _EXTENDED_OFFSETS:
                offsets = window.read(offset, min(length, 8 * FRAMES_MAX))
            elif kind == walk.ELEMENT and length:
                found[FIELDS[tag]] = _field(tag, window.read(offset, min(length, 64)), big)
    except (walk.Odd, walk.TooDeep, walk.TooMany) as error:
        raise Invalid("The object's pixel attributes cannot be read", code="unreadable", detail=repr(error)) from error
    return PixelData(_checked(found, place.get("tag", 0)), transfer_syntax_uid, extended_offsets=offsets, **place)


def info_of(attributes: Mapping[int, bytes]) -> PixelInfo:
    """The attributes of an image within an item, from its little-endian values by tag. Raises Invalid as above."""
    return _checked({FIELDS[tag]: _field(tag, raw, big=False) for tag, raw in attributes.items() if raw}, 0)


def _field(tag: int, raw: bytes, big: bool) -> Any:
    if tag in (0x00280004, 0x00280008):
        text = raw.decode("latin_1").strip(" \0")
        return text if tag == 0x00280004 else int(text) if text.isdecimal() and text.isascii() else 1
    return Struct(">H" if big else "<H").unpack(raw[:2])[0] if len(raw) >= 2 else 0


def _checked(found: dict[str, Any], pixel_tag: int) -> PixelInfo:
    if not found.get("rows") or not found.get("columns"):
        raise Invalid("The object has no image: Rows or Columns are missing", code="no-pixels")
    kind = {0x7FE00008: "float", 0x7FE00009: "double"}.get(pixel_tag, "int")
    allocated = {"float": 32, "double": 64}.get(kind, found.get("bits_allocated", 16))
    if allocated not in (1, 8, 16, 32, 64) or found.get("samples", 1) not in (1, 3, 4):
        raise Invalid("The object's pixel attributes make no sense: bits allocated or samples per pixel", code="undecodable")
    info = PixelInfo(
        rows=found["rows"],
        columns=found["columns"],
        samples=found.get("samples", 1),
        bits_allocated=allocated,
        bits_stored=min(found.get("bits_stored") or allocated, allocated),
        signed=found.get("signed") == 1,
        planar=found.get("planar") == 1 and found.get("samples", 1) > 1,
        photometric=found.get("photometric", "MONOCHROME2"),
        frames=max(1, found.get("frames", 1)),
        kind=kind,
    )
    if info.frame_bytes > FRAME_BYTES_MAX or info.frames > FRAMES_MAX:
        raise Invalid(f"A frame of {info.frame_bytes >> 20} MB or {info.frames} frames are more than are handled", code="too-large")
    return info


def read_frame(window: walk.Window, ranges: list[Range]) -> bytes:
    """The bytes of one encapsulated frame."""
    return b"".join(window.read(offset, length) for offset, length in ranges)


def read_native(window: walk.Window, pixels: PixelData, number: int) -> tuple[bytes, int]:
    """The bytes of native frame ``number`` (from 0) and how many bits to skip at their start."""
    assert pixels.value_offset is not None
    bits = pixels.info.stored_bits_per_frame
    first, last = number * bits // 8, ((number + 1) * bits + 7) // 8
    if last > pixels.length:
        raise Invalid("The pixel data is shorter than its frames", code="undecodable")
    if not pixels.swapped:
        return window.read(pixels.value_offset + first, last - first), number * bits % 8
    even = first - first % 2
    words = bytearray(window.read(pixels.value_offset + even, last + last % 2 - even))
    words[0::2], words[1::2] = words[1::2], words[0::2]
    return bytes(words[first - even : last - even]), number * bits % 8


def frame_ranges(
    source: BinaryIO,
    pixel_data_offset: int,
    transfer_syntax_uid: str,
    number_of_frames: int,
    *,
    frame_bits: int = 0,
    extended_offsets: bytes = b"",
) -> list[list[Range]]:
    """For each frame the ranges (offset, length), from the start of the dataset, that hold it as it is stored.

    ``source`` stands at the start of the dataset; ``pixel_data_offset`` is that of the element. ``frame_bits`` is needed for
    native pixel data (``PixelInfo.stored_bits_per_frame``). A video is one range list for all its frames. Raises Invalid:
    not-aligned when frames of single bits share bytes, undecodable when frames cannot be told apart.
    """
    window = walk.Window(source)
    big = transfer_syntax_uid == uids.EXPLICIT_BIG
    raw = window.read(pixel_data_offset, 12)
    if len(raw) < 8:
        raise Invalid("The pixel data is missing", code="undecodable")
    long_form = raw[4:6] in (b"OB", b"OW", b"OF", b"OD", b"UN")
    value = pixel_data_offset + (12 if long_form else 8)
    if uids.is_encapsulated(transfer_syntax_uid):
        return encapsulated_ranges(window, value, transfer_syntax_uid, number_of_frames, extended_offsets)
    length = Struct(">I" if big else "<I").unpack_from(raw.ljust(12, b"\0"), 8 if long_form else 4)[0]
    return native_ranges(value, min(length, window.size - value), number_of_frames, frame_bits)


def native_ranges(value_offset: int, length: int, number_of_frames: int, frame_bits: int) -> list[list[Range]]:
    """Ranges of frames of the same size, one after the other."""
    if frame_bits % 8 and number_of_frames > 1:
        raise Invalid("Frames of this object share bytes and cannot be cut out", code="not-aligned")
    size = (frame_bits + 7) // 8
    if not size or number_of_frames * size > length:
        raise Invalid(f"The pixel data is shorter than {number_of_frames} frames of {size} bytes", code="undecodable")
    return [[(value_offset + number * size, size)] for number in range(number_of_frames)]


def encapsulated_ranges(
    window: walk.Window, value_offset: int, transfer_syntax_uid: str, number_of_frames: int, extended_offsets: bytes = b""
) -> list[list[Range]]:
    """Ranges of the fragments of each frame; see ``frame_ranges``."""
    try:
        table, *parts = list(walk.fragments(window, value_offset))
    except (walk.Odd, walk.TooMany, ValueError) as error:
        raise Invalid("The pixel data's fragments are broken", code="undecodable", detail=repr(error)) from error
    if not parts:
        raise Invalid("The pixel data holds no fragment", code="undecodable")
    if number_of_frames == 1 or uids.is_video(transfer_syntax_uid):
        return [parts]
    if len(parts) == number_of_frames:
        return [[part] for part in parts]
    starts = _table_starts(window, table, parts, number_of_frames, extended_offsets) or _marked_starts(window, parts, transfer_syntax_uid)
    if len(starts) != number_of_frames or (starts and starts[0] != 0):
        raise Invalid(
            f"{number_of_frames} frames cannot be told apart in {len(parts)} fragments", code="undecodable", detail=f"{len(starts)} starts"
        )
    return [parts[start:end] for start, end in zip(starts, [*starts[1:], len(parts)], strict=True)]


def _table_starts(window: walk.Window, table: Range, parts: list[Range], number_of_frames: int, extended_offsets: bytes) -> list[int]:
    """Index of the first fragment of each frame, by the basic or extended offset table; empty when they do not fit."""
    by_offset = {offset - parts[0][0]: number for number, (offset, _) in enumerate(parts)}
    for raw, item in ((extended_offsets, Struct("<Q")), (window.read(*table), Struct("<I"))):
        if len(raw) == number_of_frames * item.size:
            starts = [by_offset.get(one[0], -1) for one in item.iter_unpack(raw)]
            if starts == sorted(set(starts)) and starts[0] == 0:
                return starts
    return []


_MARKS = {b"\xff\xd8": 2, b"\xff\x4f\xff\x51": 4, b"\xff\x0a": 2}


def _marked_starts(window: walk.Window, parts: list[Range], transfer_syntax_uid: str) -> list[int]:
    """Index of the fragments that start a codestream."""
    if transfer_syntax_uid == uids.RLE:
        return list(range(len(parts)))
    return [number for number, (offset, _) in enumerate(parts) if any(window.read(offset, size) == mark for mark, size in _MARKS.items())]
