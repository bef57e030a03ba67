"""Objects as people see them: images for screens, reports as pages, waveforms as drawings (PS3.18 8.3.5, 10.4.1.1.3).

Runs codecs on foreign bytes: call ``render`` in a ``pixels.PixelWorkers`` child.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import BinaryIO

import numpy as np
from PIL import Image

from archipel.dicom import codecs, documents, frames, jsonmodel, overlays, transcode, uids, voi, walk
from archipel.dicom.codecs import Array
from archipel.dicom.header import inflated
from archipel.dicom.jsonmodel import Json
from archipel.dicom.voi import Window
from archipel.kit.errors import Invalid
from archipel.kit.scratch import temporary

IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/jp2", "image/jphc")
SIDE_MAX = 8192
GIF_FRAMES_MAX = 200
_SPOOL_BYTES = 64 << 20


@dataclass(frozen=True, slots=True)
class Viewport:
    """Size in pixels to fit into, and the region of the source to show; a negative region size flips (PS3.18 8.3.5.1.3)."""

    width: int
    height: int
    source_x: float = 0.0
    source_y: float = 0.0
    source_width: float = 0.0
    source_height: float = 0.0


@dataclass(frozen=True, slots=True)
class RenderRequest:
    """What is wanted. ``frame_number`` from 1, 0 for all (an animation where the media type has one); ``quality`` 1 to 100."""

    frame_number: int = 1
    window: Window | None = None
    viewport: Viewport | None = None
    quality: int = 90
    media_type: str = "image/jpeg"


@dataclass(frozen=True, slots=True)
class Rendered:
    """Bytes and what they are."""

    media_type: str
    data: bytes


def render(source: BinaryIO, transfer_syntax_uid: str, request: RenderRequest) -> Rendered:
    """The object whose dataset starts where ``source`` stands, as it is shown. Raises Invalid.

    Images become JPEG, PNG or GIF; a report text/html, text/plain or a picture of its text; a PDF stays one; a waveform
    is drawn; anything else becomes a labelled picture.
    """
    if transfer_syntax_uid == uids.DEFLATED:
        with temporary(_SPOOL_BYTES) as plain:
            for chunk in inflated(source):
                plain.write(chunk)
            plain.seek(0)
            return render(plain, uids.EXPLICIT_LITTLE, request)
    start = source.tell()
    row = jsonmodel.to_json(source, transfer_syntax_uid)
    source.seek(start)
    try:
        pixels = frames.read_pixel_data(source, transfer_syntax_uid)
    except Invalid as error:
        if error.code != "no-pixels":
            raise
        pixels = None
    if pixels is None or pixels.value_offset is None:
        return _document(row, request)
    source.seek(start)
    if uids.is_video(transfer_syntax_uid):
        return _video(walk.Window(source), pixels, row, request)
    return _image(walk.Window(source), pixels, row, request)


def _document(row: Json, request: RenderRequest) -> Rendered:
    wanted = request.media_type
    if "00420011" in row:
        kind = voi.text_of(row, "00420012").strip() or "application/pdf"
        if wanted in (kind, "*/*"):
            return Rendered(kind, documents.encapsulated(row))
        return _picture(documents.icon("PDF" if kind == "application/pdf" else kind.rpartition("/")[2], row), request)
    if "0040A730" in row:
        if wanted in ("text/html", "*/*"):
            return Rendered("text/html", documents.report_html(row).encode("utf-8"))
        if wanted == "text/plain":
            return Rendered("text/plain", documents.report_text(row).encode("utf-8"))
        return _picture(documents.page(documents.report_text(row)), request)
    if "54000100" in row:
        return _picture(documents.waveform(row), request)
    return _picture(documents.icon(voi.text_of(row, "00080060") or "DICOM", row), request)


def _video(window: walk.Window, pixels: frames.PixelData, row: Json, request: RenderRequest) -> Rendered:
    kind = "video/mpeg" if pixels.transfer_syntax_uid in ("1.2.840.10008.1.2.4.100", "1.2.840.10008.1.2.4.101") else "video/mp4"
    if request.media_type not in (kind, "video/*", "*/*"):
        return _picture(documents.icon("VIDEO", row), request)
    ranges = frames.encapsulated_ranges(window, pixels.value_offset or 0, pixels.transfer_syntax_uid, 1)
    return Rendered(kind, frames.read_frame(window, ranges[0]))


def _image(window: walk.Window, pixels: frames.PixelData, row: Json, request: RenderRequest) -> Rendered:
    supplier = transcode.frame_supplier(window, pixels)
    count = pixels.info.frames
    if request.frame_number > count or request.frame_number < 0:
        raise Invalid(f"The object has {count} frames, none of number {request.frame_number}", code="no-such-frame", field="frame")
    if request.media_type == "image/gif" and request.frame_number == 0 and count > 1:
        pictures = [_shown(supplier, number, row, request) for number in range(1, min(count, GIF_FRAMES_MAX) + 1)]
        return Rendered("image/gif", _animation(pictures, row))
    return _picture(_shown(supplier, request.frame_number or (count + 1) // 2, row, request), request, fitted=True)


def _shown(supplier: frames.Supplier, number: int, row: Json, request: RenderRequest) -> Image.Image:
    array, info = supplier(number - 1)
    shown = overlays.burn(voi.shown(array, info, row, number, request.window), array, row, number)
    picture = Image.fromarray(np.ascontiguousarray(shown))
    return fit(picture, request.viewport, pixel_aspect(row, number))


def pixel_aspect(row: Json, number: int = 1) -> float:
    """Height of a pixel over its width (PS3.3 10.7.1.1, C.7.6.3.1.7)."""
    for path, place in (("00280034", row), ("00280030", voi.macro(row, number, "00289110")), ("00181164", row)):
        found = voi.numbers_of(place, path)
        if len(found) == 2 and found[0] > 0 and found[1] > 0 and 0.02 < found[0] / found[1] < 50:
            return found[0] / found[1]
    return 1.0


def fit(picture: Image.Image, viewport: Viewport | None, aspect: float = 1.0) -> Image.Image:
    """The picture cut to the region and scaled to fit the viewport, its proportions those of the body."""
    if viewport is None:
        return picture
    flip_x, flip_y = viewport.source_width < 0, viewport.source_height < 0
    left, top = max(0, int(viewport.source_x)), max(0, int(viewport.source_y))
    width = min(int(abs(viewport.source_width)) or picture.width, picture.width - left)
    height = min(int(abs(viewport.source_height)) or picture.height, picture.height - top)
    if width <= 0 or height <= 0:
        raise Invalid("The viewport's region lies outside the image", code="bad-viewport", field="viewport")
    picture = picture.crop((left, top, left + width, top + height))
    if flip_x:
        picture = picture.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    if flip_y:
        picture = picture.transpose(Image.Transpose.FLIP_TOP_BOTTOM)
    wide, high = min(max(1, viewport.width), SIDE_MAX), min(max(1, viewport.height), SIDE_MAX)
    scale = min(wide / width, high / (height * aspect))
    size = (max(1, round(width * scale)), max(1, round(height * aspect * scale)))
    return picture.resize(size, Image.Resampling.LANCZOS if scale < 1 else Image.Resampling.BICUBIC)


def _picture(picture: Image.Image, request: RenderRequest, fitted: bool = False) -> Rendered:
    if not fitted:
        picture = fit(picture, request.viewport)
    wanted = request.media_type if request.media_type in IMAGE_TYPES else "image/jpeg"
    if wanted in ("image/jp2", "image/jphc"):
        return Rendered(wanted, _wavelets(np.asarray(picture), wanted))
    out = io.BytesIO()
    if wanted == "image/png":
        picture.save(out, "PNG", compress_level=3)
    elif wanted == "image/gif":
        picture.save(out, "GIF")
    else:
        quality = min(100, max(1, request.quality))
        picture.save(out, "JPEG", quality=quality, subsampling=0 if quality >= 90 else 2)
    return Rendered(wanted, out.getvalue())


def _wavelets(array: Array, media_type: str) -> bytes:
    samples = 3 if array.ndim == 3 else 1
    info = frames.PixelInfo(array.shape[0], array.shape[1], samples, 8, 8, photometric="RGB" if samples == 3 else "MONOCHROME2")
    syntax = uids.JPEG_2000_LOSSLESS if media_type == "image/jp2" else uids.HTJ2K_LOSSLESS
    return codecs.encode(np.ascontiguousarray(array), info, syntax)[0]


def _animation(pictures: list[Image.Image], row: Json) -> bytes:
    times = voi.numbers_of(row, "00181063") or [
        1000 / one for one in voi.numbers_of(row, "00080040") + voi.numbers_of(row, "00180040") if one
    ]
    out = io.BytesIO()
    pictures[0].save(out, "GIF", save_all=True, append_images=pictures[1:], duration=int(min(max((times or [100.0])[0], 20), 2000)), loop=0)
    return out.getvalue()
