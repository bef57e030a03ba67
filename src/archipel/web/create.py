"""The door made of its parts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

from fastapi import APIRouter, Depends, FastAPI
from fastapi.routing import APIRoute
from fastapi.security import APIKeyCookie, HTTPBearer
from starlette.requests import Request
from starlette.responses import Response

from archipel import archive, signin
from archipel.directory import Device
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.feed import Follower
from archipel.kit.metrics import Metrics
from archipel.kit.settings import Settings
from archipel.kit.spool import Spool
from archipel.web import (
    accounts,
    conflicts,
    devices,
    download,
    echo,
    exams,
    factors,
    hl7,
    live,
    people,
    persons,
    session,
    sites,
    system,
    trail,
    uploads,
    viewer,
    ways,
)  # fmt: skip
from archipel.web.errors import ERROR_RESPONSES, DoorRoute, http_error, unexpected
from archipel.web.gathered import gatherers
from archipel.web.parts import Echo, Hl7Queue, Listener, Parts
from archipel.web.reference import add_reference
from archipel.web.static import StaticFiles
from archipel.web.streams import Streams

MODULES = (
    session, ways, factors, exams, viewer, download, uploads, conflicts, persons, sites, devices, hl7, people, accounts, system, live,
    trail,
)  # fmt: skip
METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE"]


def create(
    *,
    database: Database,
    blobs: Blobs,
    receiver: archive.Receiver,
    spool: Spool,
    settings: Settings,
    followers: Sequence[Follower],
    started_at: datetime,
    ae_title: str,
    dimse: Listener | None = None,
    hl7_queue: Hl7Queue | None = None,
    metrics: Metrics | None = None,
    pixels: Any = None,
    echo_device: Callable[[Device], Echo] | None = None,
    demo_reset: Callable[[Tx], None] | None = None,
    stopping: Callable[[], bool] = lambda: False,
) -> APIRouter:
    """The routes of the public API, to be included under ``/api/v1`` behind the sign-in middleware.

    ``echo_device`` calls a device (by default with C-ECHO under our AE title); ``demo_reset`` asks for the training region to be
    brought back;
    ``stopping`` tells open event streams that the process ends, so that they do not hold it up.
    """
    signin.factors.check_roles(settings)
    parts = Parts(
        database=database, blobs=blobs, receiver=receiver, spool=spool, settings=settings, followers=followers, started_at=started_at,
        dimse=dimse, hl7=hl7_queue, ae_title=ae_title, metrics=metrics, echo=echo_device or echo.caller(ae_title), demo_reset=demo_reset,
        pixels=pixels,
        media=download.Media(), streams=Streams(database, stopping), gathered=gatherers(database, blobs),
        providers=signin.oidc.providers_of(settings),
    )  # fmt: skip

    def provide(request: Request) -> None:
        request.scope.setdefault("state", {}).update(web=parts, metrics=metrics)

    bearer = HTTPBearer(auto_error=False, description="A token of `archipel token`.")
    cookie = APIKeyCookie(name=signin.SESSION_COOKIE, auto_error=False, description="The session of a browser.")
    api = APIRouter(dependencies=[Depends(provide), Depends(bearer), Depends(cookie)], responses=ERROR_RESPONSES)
    for module in MODULES:
        api.include_router(module.router)
    rest = APIRouter(route_class=DoorRoute)
    rest.add_api_route("/{rest:path}", _no_route, methods=METHODS, include_in_schema=False, response_model=None)
    api.include_router(rest)
    return api


def _methods_of(path: str) -> set[str]:
    """The methods that the API has for a path, if it has the path at all."""
    routes = (route for module in MODULES for route in module.router.routes)
    return {method for route in routes if isinstance(route, APIRoute) and route.path_regex.match(path) for method in route.methods or ()}


def _no_route(request: Request) -> Response:
    """The answer for what no route takes: another method, or no such path."""
    methods = _methods_of("/" + request.path_params.get("rest", ""))  # without: a path that no pattern takes, with a line's end in it
    if methods:
        return http_error(request, 405, "This address does not take this method.", {"Allow": ", ".join(sorted(methods))})
    return http_error(request, 404, "There is no such address in the API.")


def install(app: FastAPI, folder: Path) -> None:
    """Answer what fails unforeseen in the one shape, and put the pages on their paths.

    The reference of the API is at ``/api/docs``, the browser's files (``folder``: ``app`` and ``ohif``) are on all other paths.
    """
    app.add_exception_handler(Exception, unexpected)
    app.add_exception_handler(404, lambda request, _: _no_route(request))
    add_reference(app)
    app.mount("/", StaticFiles(folder))
