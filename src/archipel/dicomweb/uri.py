"""WADO-URI: one instance by query parameters (PS3.18 9)."""

from __future__ import annotations

from dataclasses import replace

from starlette.datastructures import QueryParams
from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicom import uids
from archipel.dicom.render import RenderRequest, Viewport
from archipel.dicom.voi import Window
from archipel.dicomweb import frames, instances, negotiate, rendered
from archipel.dicomweb.accept import ANY, NotAcceptable, Wish, media_type
from archipel.dicomweb.media import safe
from archipel.dicomweb.negotiate import FrameForm
from archipel.dicomweb.parts import Parts, find_instances, request_id
from archipel.kit.errors import Invalid

FRAME_NUMBER_MAX = 1_000_000
_NEEDED = ("studyUID", "seriesUID", "objectUID")


def retrieve(parts: Parts, http_request: Request) -> Response:
    """The instance as DICOM or as a picture, by ``contentType``; the first type of the list that can be given."""
    asked = http_request.query_params
    if asked.get("requestType") != "WADO":
        raise Invalid("requestType must be WADO.", code="bad-request", field="requestType")
    missing = [name for name in _NEEDED if not asked.get(name)]
    if missing:
        raise Invalid(f"{missing[0]} is missing.", code="bad-request", field=missing[0])
    if asked.get("anonymize"):
        raise Invalid("Anonymized copies are not given here.", code="bad-request", field="anonymize")
    rendering = _rendering(asked)
    ref = find_instances(parts, http_request, *(asked[name] for name in _NEEDED))[0]
    offered = rendered.options(parts, ref, False)
    for wish in _wishes(asked, ref):
        if wish.takes(negotiate.DICOM) and wish.media != ANY:
            return _file(parts, http_request, ref, asked.get("transferSyntax", ""))
        for media in offered:
            if wish.takes(media):
                return _picture(parts, http_request, ref, replace(rendering, media_type=media))
    raise NotAcceptable(f"The instance is given as {negotiate.DICOM}, {', '.join(offered)}.")


def _wishes(asked: QueryParams, ref: archive.InstanceRef) -> list[Wish]:
    """What contentType names; without it JPEG for images of one frame and DICOM for the rest (PS3.18 9.1.2.1)."""
    named = asked.get("contentType", "")
    if not named:
        image = ref.pixel_data_offset is not None and ref.frame_count == 1
        return [Wish("image/jpeg" if image else negotiate.DICOM, multipart=False)]
    found = [
        media_type(one.replace(" ", "+") if "+" not in one else one, field="contentType")[0] for one in named.split(",") if one.strip()
    ]
    return [Wish(media, multipart=False) for media in found]


def _file(parts: Parts, http_request: Request, ref: archive.InstanceRef, asked: str) -> Response:
    if asked not in ("", "*") and not uids.is_uid(asked):
        raise Invalid("transferSyntax must be a UID.", code="bad-request", field="transferSyntax")
    syntax = negotiate.instance_syntax(asked, ref.transfer_syntax_uid)
    if syntax is None:
        raise NotAcceptable(f"The instance is stored in {ref.transfer_syntax_uid} and cannot be given in {asked}.")
    parts.trail.retrieved(signin.actor_of(http_request), [ref], request_id(http_request))
    return instances.single(parts, http_request, ref, syntax, by_default=not asked)


def _picture(parts: Parts, http_request: Request, ref: archive.InstanceRef, rendering: RenderRequest) -> Response:
    if rendering.media_type.startswith("video/"):
        return frames.retrieve_video(parts, http_request, ref, FrameForm(rendering.media_type, False, ref.transfer_syntax_uid))
    parts.trail.viewed(signin.actor_of(http_request), ref, request_id(http_request), "rendered")
    number = rendering.frame_number or rendered.middle(parts, ref)
    media, data = rendered.picture(parts, ref, replace(rendering, frame_number=number))
    return Response(data, headers={"Content-Type": media, "Cache-Control": "private, no-cache", **safe(media)})


def _rendering(asked: QueryParams) -> RenderRequest:
    window = viewport = None
    side = rendered.SIDE_MAX
    if "windowCenter" in asked or "windowWidth" in asked:
        center = rendered.number(asked.get("windowCenter", ""), "windowCenter", -1e9, 1e9)
        window = Window(center, rendered.number(asked.get("windowWidth", ""), "windowWidth", 1e-9, 1e9))
    if "rows" in asked or "columns" in asked:
        width = int(rendered.number(asked.get("columns", str(side)), "columns", 1, side))
        viewport = Viewport(width, int(rendered.number(asked.get("rows", str(side)), "rows", 1, side)))
    quality = int(rendered.number(asked.get("imageQuality", "90"), "imageQuality", 1, 100))
    frame = int(rendered.number(asked.get("frameNumber", "0"), "frameNumber", 0, FRAME_NUMBER_MAX))
    return RenderRequest(frame_number=frame, window=window, viewport=viewport, quality=quality)
