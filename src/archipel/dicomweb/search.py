"""QIDO-RS: search for studies, series and instances (PS3.18 10.6)."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, sharing, signin
from archipel.dicom import uids
from archipel.dicom.index import SERIES_INSTANCE_UID, SOP_INSTANCE_UID, STUDY_INSTANCE_UID, keyword_of, path_of
from archipel.dicomweb import model
from archipel.dicomweb.accept import wishes
from archipel.dicomweb.parts import Parts, request_id, resource_url, root_url
from archipel.dicomweb.query import Asked, read_query
from archipel.kit.errors import Invalid

RETRIEVE_URL = path_of("RetrieveURL")
CHARACTER_SET = path_of("SpecificCharacterSet")
WARNING_LENGTH_MAX = 400


def search(parts: Parts, http_request: Request, level: archive.Level, study_uid: str = "", series_uid: str = "") -> Response:
    """Rows of one level as DICOM JSON or XML; always 200, with an empty array when nothing matches."""
    actor = signin.actor_of(http_request)
    sharing.require(actor, "exam.read")
    media = model.choose(wishes(http_request))
    for uid in (study_uid, series_uid):
        if uid and not uids.is_uid(uid):
            raise Invalid("The address holds something that is no UID.", code="malformed-uid")
    asked = read_query(http_request.query_params, level, parts.settings.search_count_max, study_uid, series_uid)
    with parts.database.read() as tx:
        scope = sharing.scope_for(tx, actor, "query")
        page = archive.find(tx, scope, asked.query)
    parts.trail.searched(actor, level.value, len(page.rows), request_id(http_request))
    root = root_url(parts, http_request)
    for row in page.rows:
        _complete(row, level, root)
    headers = {"Cache-Control": "no-store"}
    if page.total >= 0:
        headers["X-Total-Count"] = str(page.total)
    warnings = _warnings(asked, page)
    if warnings:
        headers["Warning"] = ", ".join(f'299 archipel "{text}"' for text in warnings)
    return model.many(page.rows, media, headers=headers)


def _complete(row: dict[str, Any], level: archive.Level, root: str) -> None:
    """Add what the archive does not keep: where to retrieve it, and the character set of the answer."""
    below = {archive.Level.STUDY: 1, archive.Level.SERIES: 2, archive.Level.IMAGE: 3}[level]
    found = [str(row.get(path, {}).get("Value", [""])[0]) for path in (STUDY_INSTANCE_UID, SERIES_INSTANCE_UID, SOP_INSTANCE_UID)[:below]]
    row[RETRIEVE_URL] = {"vr": "UR", "Value": [resource_url(root, *found)]}
    row[CHARACTER_SET] = {"vr": "CS", "Value": ["ISO_IR 192"]}


def _warnings(asked: Asked, page: archive.Page) -> list[str]:
    warnings = list(asked.warnings)
    if page.unsupported:
        names = ", ".join(map(keyword_of, page.unsupported))
        warnings.append(f"Not searched by, and so ignored: {names}")
    if page.more and (asked.limit_said is None or asked.limit_said > asked.query.limit):
        warnings.append(
            f"At most {asked.query.limit} results are given at once and there are more: "
            f"ask again with offset={asked.query.offset + asked.query.limit}"
        )
    return [text[:WARNING_LENGTH_MAX] for text in warnings[:10]]
