"""From kinds of errors to HTTP statuses (PS3.18 8.5), as one table, and the JSON that says why."""

from __future__ import annotations

import logging
from collections.abc import Callable, Coroutine
from typing import Any

import structlog
from fastapi.routing import APIRoute
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response

from archipel.kit.errors import ArchipelError
from archipel.kit.metrics import Metrics

log = structlog.get_logger(__name__)

STATUS_OF_KIND = {
    "invalid": 400,
    "not_allowed": 403,
    "not_found": 404,
    "not_acceptable": 406,
    "conflict": 409,
    "limit_reached": 413,
    "unavailable": 503,
}
# Where the kind alone would mislead the client.
STATUS_OF_CODE = {
    "busy": 503,
    "out-of-space": 503,
    "blob-missing": 500,
    "method": 405,
    "range": 416,
    "stalled": 408,
    "too-slow": 503,
    "no-such-frame": 404,
    "unsupported-media": 415,
}
RETRY_AFTER_S = 10


def status_of(error: ArchipelError) -> int:
    """The HTTP status of an error."""
    return STATUS_OF_CODE.get(error.code) or STATUS_OF_KIND.get(error.kind, 500)


def answer(error: ArchipelError, http_request: Request) -> JSONResponse:
    """The answer that says what was attempted and why it failed."""
    status = status_of(error)
    body = {
        "kind": error.kind, "code": error.code, "public": error.public, "field": error.field,
        "http_request_id": http_request.scope.get("state", {}).get("http_request_id", ""),
    }  # fmt: skip
    headers = {"Retry-After": str(RETRY_AFTER_S)} if status == 503 else {}
    return JSONResponse({"error": body}, status_code=status, headers=headers)


def _log(error: ArchipelError, http_request: Request) -> None:
    """What the technician of the peer is told, in our log too; the query is left out, it names patients."""
    status = status_of(error)
    log.log(
        logging.WARNING if status >= 500 or http_request.method == "POST" else logging.INFO,
        "dicomweb.failed" if status >= 500 else "dicomweb.refused",
        status=status, code=error.code, reason=str(error), path=http_request.url.path,
        http_request_id=http_request.scope.get("state", {}).get("http_request_id", ""),
    )  # fmt: skip


def door_route(metrics: Metrics) -> type[APIRoute]:
    """The kind of route whose errors are answered by the door's table, and counted."""

    class DoorRoute(APIRoute):
        def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
            inner = super().get_route_handler()

            async def act(http_request: Request) -> Response:
                try:
                    return await inner(http_request)
                except ArchipelError as error:
                    metrics.errors.labels("dicomweb", error.kind).inc()
                    _log(error, http_request)
                    return answer(error, http_request)
                except ClientDisconnect:
                    return Response(status_code=400)  # nobody reads it

            return act

    return DoorRoute
