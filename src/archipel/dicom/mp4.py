"""What DICOM has to know of an MP4 file: codec, profile and level, size, frames (ISO 14496-12, 14496-15; PS3.5 8.2.6 to 8.2.9)."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from struct import Struct
from typing import BinaryIO

from archipel.kit.errors import Invalid

_BOXES_MAX = 10_000
_INDEX_BYTES_MAX = 64 << 20
_INNER = {b"moov", b"trak", b"mdia", b"minf", b"stbl"}
_U32 = Struct(">I")

AVC_41, AVC_42, HEVC_MAIN, HEVC_MAIN_10 = (f"1.2.840.10008.1.2.4.{tail}" for tail in (102, 104, 107, 108))


@dataclass(frozen=True, slots=True)
class Video:
    """The one video track of a file."""

    transfer_syntax_uid: str
    rows: int
    columns: int
    frames: int
    frame_time_ms: float
    bits: int = 8

    @property
    def compression(self) -> str:
        """Lossy Image Compression Method (PS3.3 C.7.6.1.1.5.1)."""
        return "ISO_23008_2" if self.transfer_syntax_uid in (HEVC_MAIN, HEVC_MAIN_10) else "ISO_14496_10"


def read(source: BinaryIO) -> Video:
    """The video track of the file that starts where ``source`` stands. Raises Invalid: bad-content, unsupported-content."""
    start = source.tell()
    size = source.seek(0, 2) - start
    tracks: list[dict[bytes, bytes]] = []
    for name, offset, length in _boxes(source, start, 0, size):
        if name == b"trak":
            tracks.append({})
        elif tracks and name in (b"hdlr", b"mdhd", b"stsd", b"stsz"):
            source.seek(start + offset)
            tracks[-1][name] = source.read(min(length, 65536))
    videos = [one for one in tracks if one.get(b"hdlr", b"")[8:12] == b"vide"]
    if len(videos) != 1:
        raise Invalid(f"The MP4 file holds {len(videos)} video tracks; one is needed", code="unsupported-content")
    try:
        return _video(videos[0])
    except (KeyError, IndexError, ValueError) as error:
        raise Invalid("The MP4 file's description of its video is broken", code="bad-content", detail=repr(error)) from error


def _boxes(source: BinaryIO, start: int, begin: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Name, offset and length of each box's content, those inside containers too; walks without recursion."""
    at, ends = begin, [end]
    for _ in range(_BOXES_MAX):
        while ends and at >= ends[-1]:
            ends.pop()
        if not ends:
            return
        source.seek(start + at)
        head = source.read(16)
        if len(head) < 8:
            return
        length, name, used = _U32.unpack_from(head)[0], head[4:8], 8
        if length == 1 and len(head) == 16:
            length, used = Struct(">Q").unpack_from(head, 8)[0], 16
        elif length == 0:
            length = ends[-1] - at
        if length < used or at + length > ends[-1] or (name == b"moov" and length > _INDEX_BYTES_MAX):
            raise Invalid("The MP4 file is cut off or broken", code="bad-content", detail=f"box {name!r} at {at}")
        yield name, at + used, length - used
        if name in _INNER:
            ends.append(at + length)
            at += used
        else:
            at += length
    raise Invalid("The MP4 file has too many boxes", code="bad-content")


def _numbers(data: bytes, at: int, count: int, size: int) -> list[int]:
    if at + count * size > len(data):
        raise IndexError(at)
    return [int.from_bytes(data[at + n * size : at + (n + 1) * size], "big") for n in range(count)]


def _video(track: dict[bytes, bytes]) -> Video:
    description, media, sizes = track[b"stsd"], track[b"mdhd"], track[b"stsz"]
    codec = description[12:16]
    columns, rows = _numbers(description, 40, 2, 2)
    wide = media[0] == 1
    timescale = _numbers(media, 20 if wide else 12, 1, 4)[0]
    duration = _numbers(media, 24 if wide else 16, 1, 8 if wide else 4)[0]
    frames = _numbers(sizes, 8, 1, 4)[0]
    if not (frames and timescale and duration and rows and columns):
        raise Invalid("The MP4 file holds no frames that can be counted (fragmented files are not taken)", code="unsupported-content")
    syntax, bits = _syntax(codec, description)
    return Video(syntax, rows, columns, frames, 1000.0 * duration / timescale / frames, bits)


def _syntax(codec: bytes, description: bytes) -> tuple[str, int]:
    """Transfer syntax by profile and level, and bits of a sample (PS3.5 tables 8-5 to 8-8)."""
    if codec in (b"avc1", b"avc3"):
        profile, _, level = _numbers(description, description.index(b"avcC") + 5, 3, 1)
        if profile in (66, 77, 100) and level <= 42:  # baseline and main are decoded by what decodes high
            return (AVC_41 if level <= 41 else AVC_42), 8
        raise Invalid(f"H.264 of profile {profile}, level {level / 10:g} has no DICOM transfer syntax", code="unsupported-content")
    if codec in (b"hvc1", b"hev1"):
        at = description.index(b"hvcC") + 4
        profile, level = _numbers(description, at + 1, 1, 1)[0] & 0x1F, _numbers(description, at + 12, 1, 1)[0]
        if profile in (1, 2) and level <= 153:
            return (HEVC_MAIN, 8) if profile == 1 else (HEVC_MAIN_10, 10)
        raise Invalid(f"H.265 of profile {profile}, level {level / 30:g} has no DICOM transfer syntax", code="unsupported-content")
    raise Invalid(f"Video in {codec.decode('latin_1')!r} has no DICOM transfer syntax; H.264 or H.265 is taken", code="unsupported-content")
