"""Datasets between transfer syntaxes, frame by frame (PS3.5 8.2, A; PS3.3 C.7.6.1.1.5).

Runs codecs on foreign bytes: call ``transcode`` in a ``pixels.PixelWorkers`` child.
"""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator, Mapping
from struct import Struct
from typing import BinaryIO

import numpy as np

from archipel.dicom import codecs, frames, icons, recode, uids, values, walk
from archipel.dicom.frames import PixelData, PixelInfo
from archipel.dicom.header import inflated, looks_explicit
from archipel.kit.errors import Invalid
from archipel.kit.scratch import temporary

_IN_MEMORY_BYTES = 64 << 20
_UNCOMPRESSED = (uids.EXPLICIT_LITTLE, uids.IMPLICIT_LITTLE, uids.EXPLICIT_BIG, uids.DEFLATED)
_LOSSLESS = (uids.JPEG_LS_LOSSLESS, uids.JPEG_2000_LOSSLESS, uids.HTJ2K_LOSSLESS, uids.RLE, uids.JPEG_LOSSLESS_SV1)
#: Stored transfer syntax -> those that it can be given in without loss, the most useful first.
TARGETS: dict[str, tuple[str, ...]] = {
    stored: tuple(one for one in (*_UNCOMPRESSED, *_LOSSLESS) if one != stored) for stored in sorted(codecs.DECODABLE)
}
#: Given only when asked for by name; 8 bits only.
LOSSY_TARGETS: tuple[str, ...] = (uids.JPEG_BASELINE,)


def can_transcode(stored: str, wanted: str, *, lossy: bool = False) -> bool:
    """Whether an object stored in one syntax can be given in another; the pixels may still forbid it (see ``codecs.unencodable``)."""
    return stored == wanted or wanted in TARGETS.get(stored, ()) or (lossy and wanted in LOSSY_TARGETS and stored in TARGETS)


def transcode(source: BinaryIO, from_: str, to: str, out: BinaryIO, *, quality: int = 90) -> None:
    """Write the dataset that starts where ``source`` stands in the syntax ``to``.

    Elements other than those of the pixels are kept; pixels are the same samples, but for JPEG baseline. Holds one frame in
    memory. Raises Invalid: unsupported-syntax, undecodable, unreadable, too-large.
    """
    if from_ == to:
        _copy(source, out)
        return
    if not can_transcode(from_, to, lossy=True):
        raise Invalid(f"An object in {from_} cannot be given in {to}", code="unsupported-syntax")
    if from_ == uids.DEFLATED:
        with temporary(_IN_MEMORY_BYTES) as plain:
            for chunk in inflated(source):
                plain.write(chunk)
            plain.seek(0)
            transcode(plain, uids.EXPLICIT_LITTLE, to, out, quality=quality)
        return
    if to == uids.DEFLATED:
        deflater = _Deflater(out)
        for part in _parts(source, from_, uids.EXPLICIT_LITTLE, quality):
            deflater.write(part)
        deflater.finish()
        return
    for part in _parts(source, from_, to, quality):
        out.write(part)


class _Deflater:
    """Writes the deflate stream of a dataset, padded to an even length (PS3.5 A.5)."""

    def __init__(self, out: BinaryIO) -> None:
        self.out, self.size = out, 0
        self.engine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)

    def write(self, data: bytes) -> None:
        """Deflate and write."""
        self.size += self.out.write(self.engine.compress(data))

    def finish(self) -> None:
        """Flush, and pad."""
        self.size += self.out.write(self.engine.flush())
        self.out.write(b"\0" * (self.size % 2))


def _copy(source: BinaryIO, out: BinaryIO) -> None:
    while chunk := source.read(recode.COPY_BYTES):
        out.write(chunk)


def _form(syntax: str) -> recode.Form:
    return recode.Form(syntax != uids.IMPLICIT_LITTLE, syntax == uids.EXPLICIT_BIG)


def _parts(source: BinaryIO, from_: str, to: str, quality: int) -> Iterator[bytes]:
    """The pieces of the new dataset, in order."""
    window = walk.Window(source)
    was = recode.Form(
        looks_explicit(window.buffer, from_ != uids.IMPLICIT_LITTLE, from_ == uids.EXPLICIT_BIG, []), from_ == uids.EXPLICIT_BIG
    )
    will = _form(to)
    pixels = _pixels(source, window, from_)
    inner = icons.native_icons(window, was, from_) if uids.is_encapsulated(from_) else {}
    if pixels is None:
        yield from recode.header(window, was, will, {}, inner)
    elif not uids.is_encapsulated(from_) and not uids.is_encapsulated(to):
        yield from _native_to_native(window, pixels, was, will)
    else:
        yield from _by_frame(window, pixels, (was, will), inner, to, quality)


def _pixels(source: BinaryIO, window: walk.Window, syntax: str) -> PixelData | None:
    source.seek(window.base)
    try:
        pixels = frames.read_pixel_data(source, syntax)
    except Invalid as error:
        if error.code == "no-pixels":
            return None
        raise
    return pixels if pixels.value_offset is not None else None


def _native_vr(pixels: PixelData, will: recode.Form) -> str:
    if pixels.info.kind != "int":
        return "OF" if pixels.info.kind == "float" else "OD"
    return "OB" if will.explicit and pixels.vr == "OB" and pixels.info.bits_allocated <= 8 else "OW"


def _native_to_native(window: walk.Window, pixels: PixelData, was: recode.Form, will: recode.Form) -> Iterator[bytes]:
    """The same samples in the other order of bytes; what follows the pixel data is kept."""
    yield from recode.header(window, was, will, {})
    offset = pixels.value_offset or 0
    vr = _native_vr(pixels, will)
    # A sample of 32 bits is swapped whole: PS3.5 speaks of words, but all writers do this.
    word = 1 if vr == "OB" or (pixels.vr == "OB" and pixels.info.bits_allocated <= 8) else max(2, pixels.info.bits_allocated // 8)
    padding = pixels.length % 2
    yield will.head(pixels.tag, vr, pixels.length + padding)
    swap = was.big != will.big
    step = recode.COPY_BYTES
    for start in range(offset, offset + pixels.length, step):
        part = window.read(start, min(step, offset + pixels.length - start))
        yield values.swapped(part, word) if swap else part
    yield b"\0" * padding
    yield from _trailing(window, offset + pixels.length, was, will)


def _trailing(window: walk.Window, offset: int, was: recode.Form, will: recode.Form) -> Iterator[bytes]:
    """Elements behind the pixel data, or nothing when they cannot be read."""
    if offset >= window.size:
        return
    window.source.seek(window.base + offset)
    rest = walk.Window(window.source)
    try:
        parts = list(recode.header(rest, was, will, {})) if rest.size <= 16 * recode.COPY_BYTES else []
    except Invalid:
        return
    yield from parts


def _by_frame(
    window: walk.Window,
    pixels: PixelData,
    forms: tuple[recode.Form, recode.Form],
    inner: Mapping[int, recode.Changes],
    to: str,
    quality: int,
) -> Iterator[bytes]:
    """Decode each frame and write it in the new syntax; the header says what the pixels have become."""
    info, (was, will) = pixels.info, forms
    supplier = frame_supplier(window, pixels)
    first, now = supplier(0)
    if not uids.is_encapsulated(to):
        yield from recode.header(window, was, will, _changes(info, now, pixels, to), inner)
        yield from _native_frames(supplier, first, now, will)
        return
    code, then = codecs.encode(first, now, to, quality)
    count = info.frames
    yield from recode.header(window, was, will, _changes(info, then, pixels, to, ratio=info.frame_bytes / max(1, len(code))), inner)
    with temporary(_IN_MEMORY_BYTES) as body:
        sizes = []
        for number in range(count):
            data = code if number == 0 else codecs.encode(*supplier(number), to, quality)[0]
            sizes.append(body.write(data + b"\0" * (len(data) % 2)))
        body.seek(0)
        yield will.head(0x7FE00010, "OB", walk.UNDEFINED)
        yield _offset_table(sizes)
        for size in sizes:
            yield b"\xfe\xff\x00\xe0" + Struct("<I").pack(size)
            yield body.read(size)
    yield b"\xfe\xff\xdd\xe0\0\0\0\0"


def _offset_table(sizes: list[int]) -> bytes:
    """The basic offset table, empty where it cannot count that far (PS3.5 A.4)."""
    offsets, at = [], 0
    for size in sizes:
        offsets.append(at)
        at += size + 8
    if at > 0xFFFFFFFF:
        offsets = []
    return b"\xfe\xff\x00\xe0" + Struct(f"<I{len(offsets)}I").pack(4 * len(offsets), *offsets)


def _native_frames(supplier: frames.Supplier, first: codecs.Array, now: PixelInfo, will: recode.Form) -> Iterator[bytes]:
    total_bits = now.pixels * now.samples * now.bits_allocated * now.frames
    total = (total_bits + 7) // 8
    if total > 0xFFFFFFFE:
        raise Invalid("The object's pixels are more than 4 GB in native form; ask for it as it is stored", code="too-large")
    vr = "OB" if now.bits_allocated <= 8 and will.explicit else "OW"
    yield will.head(0x7FE00010, vr, total + total % 2)
    if now.bits_allocated == 1 and now.pixels % 8:
        yield from _packed_bits(supplier, now)
    else:
        for number in range(now.frames):
            yield codecs.native_bytes(first if number == 0 else supplier(number)[0], now, will.big)
    yield b"\0" * (total % 2)


def _packed_bits(supplier: frames.Supplier, now: PixelInfo) -> Iterator[bytes]:
    """Frames of single bits follow each other without padding (PS3.5 8.1.1)."""
    rest = np.zeros(0, np.uint8)
    for number in range(now.frames):
        bits = np.concatenate([rest, supplier(number)[0].reshape(-1)])
        whole = bits.size - bits.size % 8
        yield np.packbits(bits[:whole], bitorder="little").tobytes()
        rest = bits[whole:]
    yield np.packbits(rest, bitorder="little").tobytes()


def frame_supplier(window: walk.Window, pixels: PixelData) -> frames.Supplier:
    """A function that decodes the frame of a number, from 0: its samples and the attributes they have."""
    syntax, info = pixels.transfer_syntax_uid, pixels.info
    if pixels.value_offset is None:
        raise Invalid("The object has no pixel data", code="no-pixels")
    if uids.is_encapsulated(syntax):
        ranges = frames.encapsulated_ranges(window, pixels.value_offset, syntax, info.frames, pixels.extended_offsets)

        def encapsulated(number: int) -> tuple[codecs.Array, PixelInfo]:
            return codecs.decode(frames.read_frame(window, ranges[number]), info, syntax)

        return encapsulated

    def native(number: int) -> tuple[codecs.Array, PixelInfo]:
        data, skip_bits = frames.read_native(window, pixels, number)
        return codecs.native(data, info, big=syntax == uids.EXPLICIT_BIG, skip_bits=skip_bits)

    return native


def _changes(info: PixelInfo, then: PixelInfo, pixels: PixelData, to: str, ratio: float = 0.0) -> dict[int, tuple[str, bytes] | None]:
    """First-level elements that say something else after the change."""
    changes: dict[int, tuple[str, bytes] | None] = {}
    if then.photometric != info.photometric:
        changes[0x00280004] = "CS", _even(then.photometric.encode("ascii"), b" ")
    if info.samples > 1:
        changes[0x00280006] = "US", b"\1\0" if then.planar else b"\0\0"
    if pixels.extended_offsets:
        changes[0x7FE00001] = changes[0x7FE00002] = None
    if to in LOSSY_TARGETS:
        changes[0x00282110] = "CS", b"01"
        changes[0x00282112] = "DS", _even(f"{ratio:.2f}".encode("ascii"), b" ")
        changes[0x00282114] = "CS", b"ISO_10918_1 "
    return changes


def _even(raw: bytes, pad: bytes) -> bytes:
    return raw + pad if len(raw) % 2 else raw


def pixel_digest(source: BinaryIO, transfer_syntax_uid: str) -> str:
    """SHA-256 of all samples in native form, for proving that a recompression lost nothing."""
    window = walk.Window(source)
    pixels = _pixels(source, window, transfer_syntax_uid)
    digest = hashlib.sha256()
    if pixels is not None:
        supplier = frame_supplier(window, pixels)
        for number in range(pixels.info.frames):
            digest.update(supplier(number)[0].tobytes())
    return digest.hexdigest()
