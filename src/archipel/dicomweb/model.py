"""Answers that are datasets in the DICOM JSON or XML model (PS3.18 F, PS3.19 A.1)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from starlette.responses import Response

from archipel.dicom import xmlmodel
from archipel.dicomweb import related
from archipel.dicomweb.accept import NotAcceptable, Wish

JSON = "application/dicom+json"
PLAIN_JSON = "application/json"
XML = "application/dicom+xml"
PLAIN_XML = "application/xml"


def choose(wishes: Sequence[Wish], *, multipart_xml: bool = True) -> str:
    """JSON, plain JSON or XML: the media type of the answer. Raises NotAcceptable.

    XML of several datasets comes as multipart/related; a client that asks for plain XML is taken to mean that.
    """
    for wish in wishes:
        if wish.multipart:
            if multipart_xml and wish.takes(XML):
                return XML
            continue
        for media in (JSON, PLAIN_JSON, XML):
            if wish.takes(media):
                return media
        if wish.media in (PLAIN_XML, "text/xml"):
            return XML
    raise NotAcceptable('This is given as application/dicom+json or as multipart/related; type="application/dicom+xml".')


def dumps(value: Any) -> bytes:
    """Compact JSON in UTF-8."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode("utf-8", "replace")


def many(rows: Iterable[dict[str, Any]], media: str, *, headers: Mapping[str, str] | None = None) -> Response:
    """Rows as one JSON array, or as multipart/related with one XML document each."""
    if media == XML:
        parts = []
        for row in rows:
            data = xmlmodel.to_xml(row)
            parts.append(related.Part(XML, [data], len(data)))
        return related.answer(parts, XML, headers=headers)
    return Response(dumps(list(rows)), headers={"Content-Type": media, **(headers or {})})


def one(row: dict[str, Any], media: str, *, status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """One dataset as JSON or XML."""
    data = xmlmodel.to_xml(row) if media == XML else dumps(row)
    return Response(data, status_code=status, headers={"Content-Type": media, **(headers or {})})
