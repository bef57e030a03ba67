"""The browser's files: our web app on every path of its own, OHIF under ``/ohif``.

All files are listed once at start; a request can only name one of them. What carries a hash in its name may be kept for ever.
"""

from __future__ import annotations

import mimetypes
import re
from dataclasses import dataclass
from pathlib import Path

from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, RedirectResponse, Response
from starlette.types import Receive, Scope, Send

from archipel.web.errors import http_error

MIME = {
    ".js": "text/javascript; charset=utf-8", ".mjs": "text/javascript; charset=utf-8", ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8", ".json": "application/json", ".wasm": "application/wasm", ".svg": "image/svg+xml",
    ".woff2": "font/woff2", ".woff": "font/woff", ".map": "application/json", ".txt": "text/plain; charset=utf-8", ".ico": "image/x-icon",
}  # fmt: skip
# Vite writes what it hashes into /assets; OHIF's build lies below a folder named after its hash.
HASHED = re.compile(r"/assets/.+|/ohif/b[0-9a-f]{12}/.+")
DOORS = ("/api", "/dicom-web", "/healthz", "/readyz", "/metrics")

_COMMON = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}
# Mantine and OHIF write style elements while they run.
APP_POLICY = (
    "default-src 'self'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data: blob:; font-src 'self'; "
    "connect-src 'self'; media-src 'self' blob:; frame-src 'self'; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'self'"
)
# OHIF's codecs build functions from text, in workers that obey the policy of their own script's answer; PDF and video are shown from blob:.
OHIF_POLICY = (
    "default-src 'none'; script-src 'self' 'unsafe-eval'; worker-src 'self' blob:; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data: blob:; font-src 'self'; connect-src 'self' blob: data:; object-src 'self' blob:; "
    "frame-src 'self' blob:; media-src 'self' blob:; base-uri 'none'; form-action 'none'; frame-ancestors 'self'"
)
NOT_BUILT = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Archipel</title></head><body>
<h1>The web app is not built</h1><p>Build the browser's files with <code>make web</code>, then start the platform again.
The API is at <a href="/api/docs">/api/docs</a>.</p>
<h1 lang="fr">L'application web n'est pas construite</h1><p lang="fr">Lancez <code>make web</code>, puis redémarrez la plateforme.</p>
</body></html>"""


@dataclass(frozen=True)
class _File:
    path: Path
    media_type: str
    compressed: Path | None
    version: str


class StaticFiles:
    """An ASGI application over ``folder/app`` (at ``/``) and ``folder/ohif`` (at ``/ohif``)."""

    def __init__(self, folder: Path) -> None:
        self._files = _listed(folder / "app", "") | _listed(folder / "ohif", "/ohif")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            return
        request = Request(scope)
        await self._answer(request)(scope, receive, send)

    def _answer(self, request: Request) -> Response:
        path = request.url.path
        if any(path == door or path.startswith(door + "/") for door in DOORS):
            return http_error(request, 404, "There is no such address.")
        if request.method not in ("GET", "HEAD"):
            return http_error(request, 405, "The browser's files are only read.", {"Allow": "GET, HEAD"})
        if path in ("/ohif", "/ohif/"):
            return RedirectResponse("/", headers=_COMMON)  # the list of exams is our own
        ohif = path.startswith("/ohif/")
        headers = {**_COMMON, "Content-Security-Policy": OHIF_POLICY if ohif else APP_POLICY}
        found = self._files.get(path)
        if found is None and _is_page(path):
            found = self._files.get("/ohif/index.html" if ohif else "/index.html")
            if found is None:
                return HTMLResponse(NOT_BUILT, status_code=503, headers={**headers, "Cache-Control": "no-store"})
        if found is None:
            return Response("There is no such file.\n", status_code=404, media_type="text/plain", headers=headers)
        headers["Cache-Control"] = "public, max-age=31536000, immutable" if HASHED.fullmatch(path) else "no-cache"
        return _send(request, found, headers)


def _send(request: Request, file: _File, headers: dict[str, str]) -> Response:
    path = file.path
    if file.compressed is not None:
        headers["Vary"] = "Accept-Encoding"
        if _accepts_gzip(request.headers.get("accept-encoding", "")):
            path, headers["Content-Encoding"] = file.compressed, "gzip"
    headers["ETag"] = f'"{file.version}-gz"' if path is not file.path else f'"{file.version}"'
    if headers["ETag"] in [one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")]:
        return Response(status_code=304, headers=headers)
    return FileResponse(path, media_type=file.media_type, headers=headers)


def _accepts_gzip(header: str) -> bool:
    for one in header.lower().split(","):
        coding, _, parameters = one.strip().partition(";")
        if coding.strip() in ("gzip", "*") and parameters.replace(" ", "") not in ("q=0", "q=0.0", "q=0.00", "q=0.000"):
            return True
    return False


def _is_page(path: str) -> bool:
    """Whether a path without a file may be one of the app's own addresses: its last part has no file name's suffix."""
    return not re.search(r"\.[A-Za-z][A-Za-z0-9]{0,8}$", path.rsplit("/", 1)[-1])


def _listed(folder: Path, prefix: str) -> dict[str, _File]:
    if not (folder / "index.html").is_file():
        return {}
    found: dict[str, _File] = {}
    for path in sorted(folder.rglob("*")):
        if path.is_file() and path.suffix != ".gz" and not path.name.startswith("."):
            compressed = path.with_name(path.name + ".gz")
            status = path.stat()
            media_type = MIME.get(path.suffix) or mimetypes.guess_type(path.name)[0] or "application/octet-stream"
            found[f"{prefix}/{path.relative_to(folder).as_posix()}"] = _File(
                path, media_type, compressed if compressed.is_file() else None, f"{status.st_mtime_ns:x}-{status.st_size:x}"
            )
    return found
