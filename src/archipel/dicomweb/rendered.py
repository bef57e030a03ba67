"""WADO-RS rendered resources and thumbnails: instances as people see them (PS3.18 8.3.5, 10.4.1.1.3, 10.4.1.1.4)."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from archipel import __version__, archive, signin
from archipel.dicom import uids
from archipel.dicom.render import IMAGE_TYPES, RenderRequest, Viewport
from archipel.dicom.voi import Window
from archipel.dicomweb import frames, related
from archipel.dicomweb.accept import NotAcceptable, Wish, wishes
from archipel.dicomweb.bulk import document_type
from archipel.dicomweb.decode import render
from archipel.dicomweb.media import media_of, safe
from archipel.dicomweb.negotiate import FrameForm
from archipel.dicomweb.parts import Parts, find_instances, request_id, resource_url, root_url
from archipel.dicomweb.ranges import matches
from archipel.dicomweb.tables import table_of
from archipel.kit.errors import Invalid

THUMBNAIL = Viewport(256, 256)
SIDE_MAX = 8192
INSTANCES_MAX = 1000
# Pictures of another form are not served any more: raise it with any change of how they look.
FORM = 1
_SR_PREFIX = "1.2.840.10008.5.1.4.1.1.88."
_FUNCTIONS = {"linear": "LINEAR", "linear-exact": "LINEAR_EXACT", "linear_exact": "LINEAR_EXACT", "sigmoid": "SIGMOID"}
_IGNORED = ("annotation", "iccprofile", "presentationUID", "presentationSeriesUID")


@dataclass(frozen=True)
class Choice:
    """The media type of a picture, and whether it comes in multipart/related."""

    media: str
    multipart: bool


def retrieve(parts: Parts, http_request: Request, uids_of: tuple[str, str, str], numbers: str = "", *, thumbnail: bool = False) -> Response:
    """The resource as pictures: of a study or series its middle image, or each instance where multipart is asked for."""
    asked = read_rendering(http_request.query_params, thumbnail)
    accepted = wishes(http_request)
    refs = find_instances(parts, http_request, *uids_of)
    wanted = frames.read_numbers(numbers) if numbers else []
    first = representative(refs)
    choice = choose(accepted, options(parts, first, thumbnail), single=len(wanted) < 2)
    parts.trail.viewed(signin.actor_of(http_request), first, request_id(http_request), "thumbnail" if thumbnail else "rendered")
    if choice.multipart and not thumbnail:
        return _all(parts, http_request, refs, wanted, replace(asked, media_type=choice.media))
    if choice.media.startswith("video/"):
        return frames.retrieve_video(parts, http_request, first, FrameForm(choice.media, False, first.transfer_syntax_uid))
    number = wanted[0] if wanted else 0 if choice.media == "image/gif" else middle(parts, first)
    asked = replace(asked, media_type=choice.media, frame_number=number)
    etag = f'"{key_of(first, asked)[:40]}"'
    headers = {"ETag": etag, "Cache-Control": "private, no-cache", "Vary": "Accept", **_warnings(http_request)}
    if matches(http_request, etag):
        return Response(status_code=304, headers=headers)
    media, data = picture(parts, first, asked)
    return Response(data, headers=headers | safe(media) | {"Content-Type": media})


def picture(parts: Parts, ref: archive.InstanceRef, asked: RenderRequest) -> tuple[str, bytes]:
    """One picture, remembered here and in files. Raises NotAcceptable when it cannot be made."""
    key = key_of(ref, asked)
    kept = parts.pictures.get(key)
    if kept is None and parts.cache is not None:
        kept = parts.cache.get(key)
        if kept is not None:
            parts.pictures.put(key, kept, len(kept) + 200)
    if kept is not None:
        media, _, data = kept.partition(b"\n")
        return media.decode(), data
    try:
        found = render(parts, ref, asked)
    except Invalid as error:
        if error.code in ("no-such-frame", "bad-viewport"):
            raise
        raise NotAcceptable(error.public, code=error.code, detail=error.detail) from error
    made = found.media_type.encode() + b"\n" + found.data
    parts.pictures.put(key, made, len(made) + 200)
    if parts.cache is not None:
        parts.cache.put(key, made)
    return found.media_type, found.data


def key_of(ref: archive.InstanceRef, asked: RenderRequest) -> str:
    """All that a picture depends on, and this version of what makes it."""
    text = f"{__version__} {FORM} {ref.sop_instance_uid} {ref.transfer_syntax_uid} {ref.digest} {asked}"
    return hashlib.sha256(text.encode()).hexdigest()


def _all(parts: Parts, http_request: Request, refs: Sequence[archive.InstanceRef], wanted: Sequence[int], asked: RenderRequest) -> Response:
    """Each instance (or each frame asked for) as a part."""
    if len(refs) > INSTANCES_MAX:
        raise NotAcceptable(f"At most {INSTANCES_MAX} instances are rendered at once; ask for a series or for one image.")
    root = root_url(parts, http_request)

    def pictures() -> Iterator[related.Part]:
        for ref in refs:
            url = resource_url(root, ref.study_uid, ref.series_uid, ref.sop_instance_uid) + "/rendered"
            for number in wanted or [middle(parts, ref)]:
                media, data = picture(parts, ref, replace(asked, frame_number=number))
                yield related.Part(media, [data], len(data), url)

    return related.answer(pictures(), asked.media_type, headers={"Cache-Control": "private, no-cache", **_warnings(http_request)})


def options(parts: Parts, ref: archive.InstanceRef, thumbnail: bool) -> tuple[str, ...]:
    """The media types in which an instance can be shown, its own first."""
    if thumbnail:
        return IMAGE_TYPES[:2]
    if uids.is_video(ref.transfer_syntax_uid):
        return (media_of(ref.transfer_syntax_uid), *IMAGE_TYPES)
    if ref.sop_class_uid.startswith(_SR_PREFIX):
        return ("text/html", "text/plain", *IMAGE_TYPES)
    if ref.pixel_data_offset is None and ref.transfer_syntax_uid != uids.DEFLATED:
        document = document_type(parts, ref)
        return (document, *IMAGE_TYPES) if document else IMAGE_TYPES
    return IMAGE_TYPES


def choose(accepted: Sequence[Wish], offered: Sequence[str], *, single: bool) -> Choice:
    """The first of what is offered that the first fitting wish takes. Raises NotAcceptable."""
    for wish in accepted:
        if not single and not wish.multipart and not wish.open:
            continue
        for media in offered:
            if wish.takes(media):
                return Choice(media, wish.multipart or not single)
    raise NotAcceptable(f"This is shown as {', '.join(offered)}.")


def representative(refs: Sequence[archive.InstanceRef]) -> archive.InstanceRef:
    """The middle image of the first series that has images, or else the first instance."""
    images = [ref for ref in refs if ref.pixel_data_offset is not None or ref.transfer_syntax_uid == uids.DEFLATED]
    if not images:
        return refs[0]
    series = [ref for ref in images if ref.series_uid == images[0].series_uid]
    return series[(len(series) - 1) // 2]


def middle(parts: Parts, ref: archive.InstanceRef) -> int:
    """The number of the middle frame; 1 for what has no frames."""
    if ref.frame_count < 2 or uids.is_video(ref.transfer_syntax_uid):
        return 1
    return (table_of(parts, ref).frame_count + 1) // 2


def read_rendering(parameters: QueryParams, thumbnail: bool = False) -> RenderRequest:
    """Window, viewport and quality of the query (PS3.18 8.3.5.1). Raises Invalid."""
    window = viewport = None
    if "window" in parameters:
        center, width, *function = parameters["window"].split(",")[:4] + [""] * (2 - len(parameters["window"].split(",")[:2]))
        shape = _FUNCTIONS.get((function or ["linear"])[0].strip().lower() or "linear")
        if shape is None or len(function) > 1:
            raise _bad("window", "center,width,function with a function of linear, linear-exact or sigmoid")
        window = Window(number(center, "window", -1e9, 1e9), number(width, "window", 1e-9, 1e9), shape)
    if "viewport" in parameters:
        values = [number(one, "viewport", -1e6, 1e6) if one.strip() else 0.0 for one in parameters["viewport"].split(",")]
        if len(values) not in (2, 6) or not (1 <= values[0] <= SIDE_MAX and 1 <= values[1] <= SIDE_MAX):
            raise _bad("viewport", f"vw,vh or vw,vh,sx,sy,sw,sh with a width and height from 1 to {SIDE_MAX}")
        viewport = Viewport(int(values[0]), int(values[1]), *values[2:])
    quality = int(number(parameters["quality"], "quality", 1, 100)) if "quality" in parameters else 90
    return RenderRequest(window=window, viewport=viewport or (THUMBNAIL if thumbnail else None), quality=quality)


def number(text: str, name: str, low: float, high: float) -> float:
    """A number within bounds. Raises Invalid."""
    try:
        value = float(text)
    except ValueError:
        value = high + 1
    if not low <= value <= high:
        raise _bad(name, f"numbers from {low:g} to {high:g}")
    return value


def _bad(name: str, form: str) -> Invalid:
    return Invalid(f"{name} must be {form}.", code="bad-rendering", field=name)


def _warnings(http_request: Request) -> dict[str, str]:
    ignored = [name for name in _IGNORED if name in http_request.query_params]
    return {"Warning": f'299 archipel "Not applied: {", ".join(ignored)}"'} if ignored else {}
