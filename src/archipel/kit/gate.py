"""Gate: the outermost layer of HTTP. It answers health and metrics, measures, and refuses new requests while the process ends."""

from __future__ import annotations

import asyncio
import ipaddress
import re
import secrets
import time
from typing import Any

import structlog
from starlette.responses import JSONResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from archipel.kit import traces
from archipel.kit.health import Health, Readiness
from archipel.kit.metrics import Metrics

log = structlog.get_logger(__name__)

PAGES = frozenset({"/healthz", "/readyz", "/metrics"})
# Who came through a reverse proxy is not on this machine, whatever address the connection has.
FORWARDED = (b"forwarded", b"x-forwarded-for", b"x-real-ip", b"via")
TRACE_HEADERS = frozenset(name.encode() for name in traces.CARRIED)
_DRAINING = {"error": {"kind": "unavailable", "code": "draining", "public": "The platform is being restarted; try again.", "field": ""}}
# The first that matches names the operation; what none names is not measured (pages, and streams that last).
OPERATIONS: tuple[tuple[str, str, str, re.Pattern[str]], ...] = tuple(
    (door, operation, methods, re.compile(pattern))
    for door, operation, methods, pattern in (
        ("dicomweb", "STOW", "POST", r"/dicom-web/studies"),
        ("dicomweb", "QIDO", "GET HEAD", r"/dicom-web/(.*/)?(studies|series|instances)/?$"),
        ("dicomweb", "WADO metadata", "GET HEAD", r"/dicom-web/.*/metadata$"),
        ("dicomweb", "WADO rendered", "GET HEAD", r"/dicom-web/.*/(rendered|thumbnail)$"),
        ("dicomweb", "WADO frames", "GET HEAD", r"/dicom-web/.*/frames/"),
        ("dicomweb", "WADO-URI", "GET HEAD", r"/dicom-web/wado$"),
        ("dicomweb", "WADO", "GET HEAD", r"/dicom-web/studies/"),
        ("web", "upload", "POST", r"/api/v1/uploads$"),
        ("web", "download", "GET HEAD", r"/api/v1/exams/.*/archive\.zip$"),
        ("web", "read", "GET HEAD", r"/api/v1/(?!live$)"),
        ("web", "change", "POST PUT PATCH DELETE", r"/api/v1/"),
    )
)


def operation_of(method: str, path: str) -> tuple[str, str] | None:
    """Door and operation of a request; None for what is not measured."""
    for door, operation, methods, pattern in OPERATIONS:
        if method in methods.split() and pattern.match(path):
            return door, operation
    return None


class Gate:
    """``metrics_token`` opens ``/metrics`` to who sends it as bearer token; without one it answers this machine alone.

    ``log_requests`` writes a line for each request that is measured.
    """

    def __init__(
        self, app: ASGIApp, health: Health, readiness: Readiness, metrics: Metrics, *, metrics_token: str = "", log_requests: bool = False
    ) -> None:
        self._app, self._health, self._readiness = app, health, readiness
        self._metrics, self._token, self._logs = metrics, metrics_token, log_requests

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
        elif scope["path"] in PAGES:
            await (await self._page(scope))(scope, receive, send)
        elif self._health.draining:
            headers = {"Retry-After": "10", "Connection": "close"}
            await JSONResponse(_DRAINING, status_code=503, headers=headers)(scope, receive, send)
        else:
            await self._measured(scope, receive, send)

    async def _measured(self, scope: Scope, receive: Receive, send: Send) -> None:
        status = 0

        async def sending(message: Any) -> None:
            nonlocal status
            status = message.get("status", status)
            await send(message)

        self._health.in_flight += 1
        begun = time.monotonic()
        try:
            if traces.is_on():
                await self._traced(scope, receive, sending)
            else:
                await self._app(scope, receive, sending)
        finally:
            self._health.in_flight -= 1
            self._note(scope, status, time.monotonic() - begun)

    async def _traced(self, scope: Scope, receive: Receive, send: Send) -> None:
        """A request as a span, part of its sender's trace, and its trace told in the answer."""
        door, operation = operation_of(scope["method"], scope["path"]) or ("http", "other")
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"] if name in TRACE_HEADERS}
        with traces.span(f"{door} {operation}", {"http.request.method": scope["method"]}, headers=headers) as more:

            async def sending(message: Any) -> None:
                if message["type"] == "http.response.start":
                    more["http.response.status_code"] = message["status"]
                    told = [(name.encode(), value.encode()) for name, value in traces.carried().items()]
                    message = {**message, "headers": [*message.get("headers", ()), *told]}
                await send(message)

            await self._app(scope, receive, sending)
            more["archipel.request_id"] = scope.get("state", {}).get("http_request_id", "")

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        named = operation_of(scope["method"], scope["path"])
        if named is None:
            return
        self._metrics.operation_seconds.labels(*named).observe(seconds)
        if status >= 500 or not status:
            self._metrics.errors.labels(named[0], "failed").inc()
        if self._logs:
            request_id = scope.get("state", {}).get("http_request_id", "")
            log.info("http.request", operation=named[1], status=status, took_ms=round(seconds * 1000, 1), http_request_id=request_id)

    async def _page(self, scope: Scope) -> Response:
        if scope["method"] not in ("GET", "HEAD"):
            return JSONResponse({"status": "method"}, status_code=405, headers={"Allow": "GET, HEAD"})
        if scope["path"] == "/healthz":
            up = self._health.is_up
            return JSONResponse({"status": "ok" if up else "not ready"}, status_code=200 if up else 503)
        if scope["path"] == "/readyz":
            reasons = await asyncio.to_thread(self._readiness.reasons)
            body = {"status": "not ready" if reasons else "ok", "reasons": reasons}
            return JSONResponse(body, status_code=503 if reasons else 200, headers={"Cache-Control": "no-store"})
        if not self._may_measure(scope):
            return JSONResponse({"status": "not allowed"}, status_code=403)
        text = await asyncio.to_thread(self._metrics.text)
        return Response(text, media_type="text/plain; version=0.0.4")

    def _may_measure(self, scope: Scope) -> bool:
        headers = dict(scope["headers"])
        if self._token:
            sent = headers.get(b"authorization", b"").decode("latin-1").removeprefix("Bearer ").strip()
            return secrets.compare_digest(sent.encode(), self._token.encode())
        return not any(name in headers for name in FORWARDED) and _is_loopback(scope.get("client"))


def _is_loopback(client: Any) -> bool:
    try:
        return bool(client) and ipaddress.ip_address(client[0]).is_loopback
    except ValueError:
        return False
