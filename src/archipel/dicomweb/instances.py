"""WADO-RS: studies, series and instances as files (PS3.18 10.4.1.1.1)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import structlog
from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.dicomweb import negotiate, related
from archipel.dicomweb.accept import NotAcceptable, wishes
from archipel.dicomweb.convert import file_in
from archipel.dicomweb.negotiate import InstanceForm
from archipel.dicomweb.parts import Parts, find_instances, request_id, resource_url, root_url
from archipel.dicomweb.ranges import asked_range, matches, range_headers
from archipel.dicomweb.zipped import zip_of
from archipel.kit.errors import Invalid

log = structlog.get_logger(__name__)


def retrieve(parts: Parts, http_request: Request, study_uid: str, series_uid: str = "", sop_instance_uid: str = "") -> Response:
    """All instances under the resource, streamed."""
    accepted = wishes(http_request)
    refs = find_instances(parts, http_request, study_uid, series_uid, sop_instance_uid)
    form = negotiate.instances(accepted, [ref.transfer_syntax_uid for ref in refs], single=bool(sop_instance_uid))
    given = [(ref, syntax) for ref in refs if (syntax := form.syntax_of[ref.transfer_syntax_uid])]
    parts.trail.retrieved(signin.actor_of(http_request), [ref for ref, _ in given], request_id(http_request))
    if form.media == negotiate.ZIP:
        return related.streamed(zip_of(parts, given), media_type=negotiate.ZIP, headers=_disposition(study_uid))
    if not form.multipart:
        return single(parts, http_request, *given[0], by_default=form.by_default)
    return _multipart(parts, http_request, given, form, left_out=len(refs) - len(given))


def _multipart(
    parts: Parts, http_request: Request, given: Sequence[tuple[archive.InstanceRef, str]], form: InstanceForm, left_out: int
) -> Response:
    body: Iterable[related.Part] = _bodies(parts, given, root_url(parts, http_request), form.by_default)
    if all(syntax == ref.transfer_syntax_uid for ref, syntax in given):
        body = list(body)  # lengths are known
    headers = {"Cache-Control": "private, no-cache"}
    if left_out:
        headers["Warning"] = f'299 archipel "{left_out} instances are stored in a form that cannot be given in what is accepted"'
    try:
        return related.answer(body, form.media, status=206 if left_out else 200, headers=headers)
    except Invalid as error:
        raise NotAcceptable(error.public, code=error.code, detail=error.detail) from error


def _bodies(parts: Parts, given: Sequence[tuple[archive.InstanceRef, str]], root: str, by_default: bool) -> Iterator[related.Part]:
    """One part for each instance. One that proves not to be convertible ends the answer, unless the client named no syntax:
    an answer that lacks an instance must not look whole."""
    for ref, syntax in given:
        chunks = file_in(parts, ref, syntax)
        if syntax != ref.transfer_syntax_uid:
            try:
                chunks = related.primed(chunks)
            except Invalid as error:
                if not by_default:
                    raise
                log.warning("dicomweb.as_stored", sop_instance_uid=ref.sop_instance_uid, code=error.code, detail=error.detail)
                syntax, chunks = ref.transfer_syntax_uid, file_in(parts, ref, ref.transfer_syntax_uid)
        length = ref.length_bytes if syntax == ref.transfer_syntax_uid else None
        url = resource_url(root, ref.study_uid, ref.series_uid, ref.sop_instance_uid)
        yield related.Part(f"{negotiate.DICOM}; transfer-syntax={syntax}", chunks, length, url)


def single(parts: Parts, http_request: Request, ref: archive.InstanceRef, syntax: str, *, by_default: bool = False) -> Response:
    """One instance as a file; as it is stored it has a length, ranges and an entity tag."""
    headers = {"Cache-Control": "private, no-cache", **_disposition(ref.sop_instance_uid, "dcm")}
    media = f"{negotiate.DICOM}; transfer-syntax={syntax}"
    if syntax != ref.transfer_syntax_uid:
        try:
            chunks = related.primed(file_in(parts, ref, syntax))
        except Invalid as error:
            if by_default:
                return single(parts, http_request, ref, ref.transfer_syntax_uid)
            raise NotAcceptable(error.public, code=error.code, detail=error.detail) from error
        return related.streamed(chunks, headers={"Content-Type": media, **headers})
    etag = f'"{ref.digest[:32]}-{syntax}"'
    headers |= {"ETag": etag, "Accept-Ranges": "bytes"}
    if matches(http_request, etag):
        return Response(status_code=304, headers=headers)
    found = asked_range(http_request, ref.length_bytes, etag)
    start, length = found or (0, ref.length_bytes)
    if found:
        headers |= range_headers(found, ref.length_bytes)
    headers["Content-Length"] = str(length)
    chunks = archive.part10(parts.blobs, ref, start, length)
    return related.streamed(chunks, status_code=206 if found else 200, headers={"Content-Type": media, **headers})


def _disposition(name: str, extension: str = "zip") -> dict[str, str]:
    """A file name of digits and dots alone."""
    return {"Content-Disposition": f'attachment; filename="{name}.{extension}"'}
