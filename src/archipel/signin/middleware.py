"""The middleware before every HTTP door: it names the actor or answers 401, before a byte of the body is read."""

from __future__ import annotations

import asyncio
import secrets
from http.cookies import CookieError, SimpleCookie
from typing import Any

import structlog
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.errors import Unavailable
from archipel.kit.ids import new_id
from archipel.kit.settings import Settings
from archipel.signin.sessions import actor_of_session, actor_of_token, extend_session, session_is_ageing

log = structlog.get_logger(__name__)

SESSION_COOKIE = "archipel_session"
CSRF_COOKIE = "archipel_csrf"
CSRF_HEADER = "x-archipel-csrf"
SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
# While a one-time password is still to be changed, a browser session can do this and nothing else.
BEFORE_PASSWORD_CHANGE = frozenset({"/api/v1/session", "/api/v1/session/password"})
# While a second factor is still to be added, it can do this and what is under it.
BEFORE_ENROLMENT = ("/api/v1/session", "/api/v1/session/password", "/api/v1/session/factors")


def open_paths(settings: Settings) -> frozenset[tuple[str, str]]:
    """What must answer anyone: the steps of signing in, of each provider too."""
    at = "/api/v1/session"
    ways = {("POST", at), ("GET", f"{at}/ways"), ("DELETE", f"{at}/ways"), ("POST", f"{at}/second"), ("POST", f"{at}/passkey")}
    ways |= {("POST", f"{at}/passkey/options"), ("GET", f"{at}/start")}
    for provider in settings.signin.providers:
        ways |= {("GET", f"{at}/callback/{provider.id}"), ("POST", f"{at}/logout/{provider.id}")}
    return frozenset(ways)


def actor_of(request: Request) -> Actor:
    """The actor that the middleware put on the request."""
    actor: Actor = request.scope["state"]["actor"]
    return actor


class SignInMiddleware:
    """Guards the paths under ``guarded``, except those in ``open_paths`` (exact, with method) that must answer anyone.

    A bearer token in the Authorization header serves scripts; a cookie serves browsers, and a request by cookie that changes
    something must repeat the session's CSRF value in a header.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        database: Database,
        guarded: tuple[str, ...],
        open_paths: frozenset[tuple[str, str]],
        session_hours: int = 12,
    ) -> None:
        self._app = app
        self._session_hours = session_hours
        self._database = database
        self._guarded = guarded
        self._open = open_paths

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        scope.setdefault("state", {})["http_request_id"] = new_id()
        path, method = scope["path"], scope["method"]
        guarded = any(path == p or path.startswith(p + "/") for p in self._guarded) and (method, path) not in self._open
        if not guarded:
            await self._app(scope, receive, send)
            return
        try:
            answer = self._identify(scope) if self._is_quick(scope) else await asyncio.to_thread(self._identify, scope)
        except Unavailable as error:  # no database, no sign-in: the caller may try again
            log.error("signin.unavailable", detail=error.detail)
            answer = _answer(scope, 503, error.kind, error.code, error.public, {"Retry-After": "10"})
        if answer is not None:
            await answer(scope, receive, send)
            return
        await self._app(scope, receive, send)

    def _is_quick(self, scope: Scope) -> bool:
        """Whether the answer takes less time than asking a thread for it: a token is read from a file, with no lock to wait for."""
        is_token = any(name == b"authorization" for name, _ in scope["headers"])
        return is_token and self._database.is_quick_to_read

    def _identify(self, scope: Scope) -> JSONResponse | None:
        """Put the actor on the scope, or give the answer that refuses."""
        headers = dict(scope["headers"])
        address = scope["client"][0] if scope.get("client") else ""
        authorization = headers.get(b"authorization", b"").decode("latin-1")
        if authorization:
            kind, _, secret = authorization.partition(" ")
            if kind.lower() == "bearer":
                with self._database.read() as tx:
                    actor = actor_of_token(tx, secret.strip(), address)
                if actor is not None:
                    scope["state"]["actor"] = actor
                    return None
            return _refuse(scope, 401, "not-signed-in", "This token is not known or has ended.")
        secret = _cookie(headers.get(b"cookie", b""), SESSION_COOKIE)
        if not secret:
            return _refuse(scope, 401, "not-signed-in", "Sign in first, or send a bearer token.")
        with self._database.read() as tx:
            found = actor_of_session(tx, secret, address)
            ageing = session_is_ageing(tx, secret, hours=self._session_hours)
        if found is None:
            return _refuse(scope, 401, "session-ended", "Your session has ended; sign in again.")
        actor, csrf, due = found
        sent = headers.get(CSRF_HEADER.encode(), b"").decode("latin-1")
        if scope["method"] not in SAFE_METHODS and not _same_origin(headers) and not secrets.compare_digest(sent.encode(), csrf.encode()):
            return _refuse(scope, 403, "csrf", "The request does not carry the session's CSRF value.")
        if due == "password" and scope["path"] not in BEFORE_PASSWORD_CHANGE:
            return _refuse(scope, 403, "password-change-due", "Choose a new password first.")
        if due == "factor" and scope["path"] not in BEFORE_ENROLMENT and not scope["path"].startswith(BEFORE_ENROLMENT[-1] + "/"):
            return _refuse(scope, 403, "second-factor-due", "Add a second factor first.")
        if ageing:
            with self._database.write() as tx:
                extend_session(tx, secret, hours=self._session_hours)
        scope["state"].update(actor=actor, session_secret=secret, due=due)
        return None


def _same_origin(headers: dict[bytes, bytes]) -> bool:
    """A browser's word that the request comes from our own pages; OHIF stores its reports without knowing of our CSRF value."""
    return headers.get(b"sec-fetch-site") == b"same-origin"


def _cookie(header: bytes, name: str) -> str:
    try:
        morsel = SimpleCookie(header.decode("latin-1")).get(name)
    except CookieError:
        return ""
    return morsel.value if morsel else ""


def _refuse(scope: Scope, status: int, code: str, public: str) -> JSONResponse:
    kind = "not_signed_in" if status == 401 else "not_allowed"
    return _answer(scope, status, kind, code, public, {"WWW-Authenticate": 'Bearer realm="archipel"'} if status == 401 else {})


def _answer(scope: Scope, status: int, kind: str, code: str, public: str, headers: dict[str, str]) -> JSONResponse:
    body: dict[str, Any] = {"kind": kind, "code": code, "public": public, "field": "", "http_request_id": scope["state"]["http_request_id"]}
    return JSONResponse({"error": body}, status_code=status, headers=headers)
