"""Errors on the wire: the one shape, the table of kinds and statuses, and the route that turns the former into the latter."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.types import Message

from archipel.kit.database import DBAPIError, IntegrityError
from archipel.kit.errors import ArchipelError, Conflict, Invalid, Unavailable

log = structlog.get_logger(__name__)

STATUS_OF_KIND = {"invalid": 400, "not_found": 404, "not_allowed": 403, "conflict": 409, "limit_reached": 429, "unavailable": 503}
STATUS_OF_LIMIT = {"too-large": 413, "range": 416, "out-of-space": 507, "busy": 503}
NOT_WHO_THEY_SAY = {"wrong-credentials", "wrong-second-factor", "unknown-passkey", "sign-in-over"}
RETRY_AFTER_S = {"throttled": 900, "busy": 5, "streams": 30, "out-of-space": 300}
# Of a body that is read whole; uploads stream and have a limit of their own.
BODY_BYTES_MAX = 4 << 20
KIND_OF_STATUS = {401: "not_signed_in", 403: "not_allowed", 404: "not_found", 405: "not_allowed", 409: "conflict", 413: "limit_reached"}
CODE_OF_STATUS = {404: "no-route", 405: "method", 413: "too-large"}


class Error(BaseModel):
    """What went wrong. Clients translate ``code``; ``public`` is for people who read it raw."""

    kind: str = Field(description="invalid, not_found, not_allowed, not_signed_in, conflict, limit_reached, unavailable, or error.")
    code: str = Field(description="A stable slug.")
    public: str = Field(description="What was attempted, on which id, and what to do; never data of a patient.")
    field: str = Field(description="The input at fault, or empty.")
    http_request_id: str = Field(description="Names this request in the log.")


class ErrorAnswer(BaseModel):
    """The body of every answer that is no success."""

    error: Error


ERROR_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"model": ErrorAnswer, "description": "The request cannot be understood or breaks a rule."},
    401: {"model": ErrorAnswer, "description": "Nobody is signed in."},
    403: {"model": ErrorAnswer, "description": "The account has no right to do this."},
    404: {"model": ErrorAnswer, "description": "Nothing with that id that the account may see."},
    "default": {"model": ErrorAnswer, "description": "Any other error, in the same shape."},
}


class DoorRoute(APIRoute):
    """A route whose errors leave in the one shape, and whose answers no cache keeps."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        inner = super().get_route_handler()

        async def handle(request: Request) -> Response:
            try:
                answer = await inner(_bounded(request))
            except ArchipelError as error:
                answer = error_answer(request, error)
                log.info(
                    "web.refused", status=answer.status_code, code=error.code, detail=error.detail, path=request.url.path,
                    http_request_id=_request_id(request),
                )  # fmt: skip
            except RequestValidationError as error:
                answer = error_answer(request, _validation(error))
            except HTTPException as error:
                answer = http_error(request, error.status_code, str(error.detail), error.headers)
            except DBAPIError as error:
                answer = error_answer(request, _database(error))
            answer.headers.setdefault("Cache-Control", "no-store")
            answer.headers.setdefault("X-Content-Type-Options", "nosniff")
            return answer

        return handle


def _bounded(request: Request) -> Request:
    """The request with an end to its body; what streams reads from ``uploads`` and never comes here for its bytes."""
    if request.url.path.endswith("/uploads"):
        return request
    length, read_bytes = request.headers.get("content-length", ""), 0
    if length.isdigit() and int(length) > BODY_BYTES_MAX:
        raise HTTPException(413, f"A body has at most {BODY_BYTES_MAX} bytes.")

    async def receive() -> Message:
        nonlocal read_bytes
        message = await request.receive()
        read_bytes += len(message.get("body", b""))
        if read_bytes > BODY_BYTES_MAX:
            raise HTTPException(413, f"A body has at most {BODY_BYTES_MAX} bytes.")
        return message

    return Request(request.scope, receive)


def status_of(error: ArchipelError) -> int:
    """The HTTP status of one of the six kinds."""
    if error.kind == "limit_reached":
        return STATUS_OF_LIMIT.get(error.code, STATUS_OF_KIND["limit_reached"])
    if error.code in NOT_WHO_THEY_SAY:
        return 401
    return 408 if error.code == "stalled" else STATUS_OF_KIND.get(error.kind, 500)


def error_answer(request: Request, error: ArchipelError) -> JSONResponse:
    """The answer that a client gets for an error of the platform."""
    metrics = request.scope.get("state", {}).get("metrics")
    if metrics is not None:
        metrics.errors.labels("web", error.kind).inc()
    headers = {"Retry-After": str(RETRY_AFTER_S[error.code])} if error.code in RETRY_AFTER_S else {}
    return _answer(request, status_of(error), Error(
        kind=error.kind, code=error.code, public=error.public, field=error.field, http_request_id=_request_id(request)
    ), headers)  # fmt: skip


def http_error(request: Request, status: int, public: str, headers: Any = None) -> JSONResponse:
    """The answer for what the framework refuses: no such route, another method, a body that is too large or no JSON."""
    kind, code = KIND_OF_STATUS.get(status, "invalid"), CODE_OF_STATUS.get(status, "request")
    error = Error(kind=kind, code=code, public=public, field="", http_request_id=_request_id(request))
    return _answer(request, status, error, dict(headers or {}))


async def unexpected(request: Request, error: Exception) -> JSONResponse:
    """The answer for what nobody foresaw; the server logs the failure itself, the caller gets the name of the request."""
    request_id = _request_id(request)
    log.error("web.failed", error=type(error).__name__, path=request.url.path, http_request_id=request_id)
    public = f"Something failed that should not have. The log knows it as {request_id}."
    return _answer(request, 500, Error(kind="error", code="internal", public=public, field="", http_request_id=request_id), {})


def _answer(request: Request, status: int, error: Error, headers: dict[str, str]) -> JSONResponse:
    return JSONResponse({"error": error.model_dump()}, status_code=status, headers={"Cache-Control": "no-store", **headers})


def _request_id(request: Request) -> str:
    return str(request.scope.get("state", {}).get("http_request_id", ""))


def _validation(error: RequestValidationError) -> Invalid:
    """The first complaint; what was sent is not repeated, it may be a password or a name."""
    first = error.errors()[0]
    location = [str(part) for part in first.get("loc", ()) if part not in ("body", "query", "path", "header")]
    field = ".".join(location)
    return Invalid(f"{field or 'The request'}: {first.get('msg', 'not valid')}.", code="validation", field=field)


def _database(error: DBAPIError) -> ArchipelError:
    """What only the database notices: two requests at once, a value that it cannot hold."""
    detail = repr(error.orig)
    if isinstance(error, IntegrityError):
        return Conflict("Somebody else changed this at the same moment; look and try again.", code="changed-meanwhile", detail=detail)
    if type(error).__name__ == "DataError":
        return Invalid("A value cannot be stored as it is.", code="value", detail=detail)
    if getattr(error.orig, "sqlstate", None) in ("40001", "40P01"):
        return Unavailable("The database is busy; try again.", code="database", detail=detail)
    raise error
