"""Query parameters as the OpenAPI document shows them; they are read and checked by this door's own code."""

from __future__ import annotations

from typing import Any

_TEXT = {"type": "string"}
_NUMBER = {"type": "integer", "minimum": 0, "maximum": 2**31 - 1}
_FLAG = {"type": "boolean"}


def _query(schema: dict[str, Any], **names: str) -> list[dict[str, Any]]:
    return [{"in": "query", "name": name, "required": False, "schema": schema, "description": said} for name, said in names.items()]


_ACCEPT = _query(_TEXT, accept="Stands for the Accept header.")
SEARCH: dict[str, Any] = {
    "parameters": [
        *_query(_NUMBER, limit="Most rows of the answer.", offset="Rows to skip."),
        *_query(_FLAG, fuzzymatching="Words of names in any order.", count="Give the total in X-Total-Count."),
        *_query(
            _TEXT, includefield="More attributes: keywords, tags or all.", PatientName="Any attribute may be a key, by keyword or tag.",
            PatientID="", StudyDate="A date or a range.", ModalitiesInStudy="", AccessionNumber="", StudyInstanceUID="A UID or a list.",
        ),
        *_ACCEPT,
    ]
}  # fmt: skip
RENDERED: dict[str, Any] = {
    "parameters": [
        *_query(_TEXT, window="center,width,function", viewport="vw,vh,sx,sy,sw,sh"),
        *_query({"type": "integer", "minimum": 1, "maximum": 100}, quality="Of a lossy picture."),
        *_ACCEPT,
    ]
}
WADO: dict[str, Any] = {
    "parameters": [
        *_query(
            _TEXT, requestType="WADO", studyUID="", seriesUID="", objectUID="", contentType="A media type, or several by rank.",
            transferSyntax="UID or *.", windowCenter="", windowWidth="",
        ),
        *_query(_NUMBER, frameNumber="", rows="", columns="", imageQuality=""),
    ]
}  # fmt: skip
PLAIN: dict[str, Any] = {"parameters": _ACCEPT}
