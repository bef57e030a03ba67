"""Retrieve capabilities (PS3.18 8.9): what the door does, as JSON or as WADL."""

from __future__ import annotations

from xml.sax.saxutils import quoteattr

from starlette.requests import Request
from starlette.responses import Response

from archipel.archive import DERIVED_PATHS
from archipel.dicom.index import BY_PATH, keyword_of
from archipel.dicomweb import model
from archipel.dicomweb.accept import NotAcceptable, wishes
from archipel.dicomweb.media import SYNTAXES_OF_MEDIA
from archipel.dicomweb.parts import Parts, root_url

WADL = "application/vnd.sun.wadl+xml"
_JSON_XML = ("application/dicom+json", 'multipart/related; type="application/dicom+xml"')
_FILES = ('multipart/related; type="application/dicom"',)
_PICTURES = ("image/jpeg", "image/png")
_BELOW = ("", "/series/{series}", "/series/{series}/instances/{instance}")


def _resources() -> list[tuple[str, str, tuple[str, ...]]]:
    """(path, method, media types of the answer)."""
    frames = ('multipart/related; type="application/octet-stream"', *(f'multipart/related; type="{media}"' for media in SYNTAXES_OF_MEDIA))
    found: list[tuple[str, str, tuple[str, ...]]] = [
        (path, "GET", _JSON_XML)
        for path in (
            "/studies", "/series", "/instances", "/studies/{study}/series", "/studies/{study}/instances",
            "/studies/{study}/series/{series}/instances",
        )
    ]  # fmt: skip
    found += [("/studies", "POST", ("application/dicom+json", "application/dicom+xml"))]
    found += [("/studies/{study}", "POST", ("application/dicom+json", "application/dicom+xml"))]
    for below in _BELOW:
        path = "/studies/{study}" + below
        more = ("application/dicom",) if "{instance}" in below else ("application/zip",)
        found += [(path, "GET", (*_FILES, *more)), (f"{path}/metadata", "GET", _JSON_XML)]
        found += [(f"{path}/{name}", "GET", _PICTURES) for name in ("rendered", "thumbnail")]
    instance = "/studies/{study}" + _BELOW[2]
    found += [(instance + "/frames/{frames}", "GET", ("application/octet-stream", *frames))]
    found += [(instance + f"/frames/{{frames}}/{name}", "GET", _PICTURES) for name in ("rendered", "thumbnail")]
    found += [(instance + "/bulkdata/{path}", "GET", ("application/octet-stream", frames[0]))]
    found += [("/wado", "GET", ("application/dicom", *_PICTURES))]
    return found


def describe(parts: Parts, http_request: Request) -> Response:
    """The resources, their methods and media types, and the attributes that searches know."""
    root = root_url(parts, http_request)
    for wish in wishes(http_request):
        if wish.takes(model.PLAIN_JSON) or wish.takes(model.JSON):
            return Response(model.dumps(_as_json(parts, root)), headers={"Content-Type": model.PLAIN_JSON, "Allow": "GET, OPTIONS"})
        if wish.takes(WADL) or wish.takes("application/xml"):
            return Response(_as_wadl(root), headers={"Content-Type": WADL, "Allow": "GET, OPTIONS"})
    raise NotAcceptable(f"Capabilities are given as {model.PLAIN_JSON} or {WADL}.")


def _as_json(parts: Parts, root: str) -> dict[str, object]:
    return {
        "base": root,
        "ae_title": parts.ae_title,
        "search_count_max": parts.settings.search_count_max,
        "resources": [{"path": path, "method": method, "media_types": list(media)} for path, method, media in _resources()],
        "search_attributes": sorted(keyword_of(path) for path in {*BY_PATH, *DERIVED_PATHS}),
    }


def _as_wadl(root: str) -> str:
    lines = [
        '<?xml version="1.0" encoding="UTF-8"?>',
        '<application xmlns="http://wadl.dev.java.net/2009/02">',
        f"<resources base={quoteattr(root)}>",
    ]
    for path, method, media in _resources():
        shown = "".join(f"<representation mediaType={quoteattr(one)}/>" for one in media)
        lines.append(f'<resource path={quoteattr(path)}><method name="{method}"><response>{shown}</response></method></resource>')
    return "\n".join([*lines, "</resources>", "</application>"])
