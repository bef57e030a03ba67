"""The routes of the door, one line of wiring each."""

from __future__ import annotations

import asyncio
import contextvars
import functools
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from fastapi import APIRouter
from fastapi.routing import APIRoute
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from archipel.archive import Level, Receiver
from archipel.dicom.pixels import PixelWorkers
from archipel.dicomweb import bulk, capabilities, described, frames, instances, metadata, rendered, search, uri
from archipel.dicomweb import store as stow
from archipel.dicomweb.errors import answer, door_route
from archipel.dicomweb.parts import Parts
from archipel.dicomweb.trail import Trail
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database
from archipel.kit.errors import Invalid, NotFound
from archipel.kit.file_cache import FileCache
from archipel.kit.metrics import Metrics
from archipel.kit.settings import HttpSettings
from archipel.kit.spool import Spool

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"
METHODS = ("GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE")


def create(
    *,
    database: Database,
    blobs: Blobs,
    receiver: Receiver,
    spool: Spool,
    pixels: PixelWorkers,
    settings: HttpSettings,
    metrics: Metrics,
    ae_title: str,
    path: str = "/dicom-web",
    cache: FileCache | None = None,
) -> APIRouter:
    """The router of DICOMweb, to be mounted at ``path`` behind the sign-in. ``cache`` is for pictures."""
    parts = Parts(
        database=database, blobs=blobs, receiver=receiver, spool=spool, pixels=pixels, settings=settings, metrics=metrics,
        ae_title=ae_title, path=path, trail=Trail(database), cache=cache,
    )  # fmt: skip
    router = APIRouter(route_class=door_route(metrics), tags=["dicomweb"])
    _capabilities(router, parts)
    _search(router, parts)
    _store(router, parts)
    _retrieve(router, parts)
    _metadata(router, parts)
    _pixels(router, parts)
    _heads(router)
    _rest(router)
    return router


async def work(pool: ThreadPoolExecutor, act: Callable[..., Response], *args: Any, **options: Any) -> Response:
    """Run an act in threads of its own kind, so that slow pictures hold up neither frames nor the rest of the platform."""
    call = functools.partial(contextvars.copy_context().run, act, *args, **options)
    return await asyncio.get_running_loop().run_in_executor(pool, call)


def _capabilities(router: APIRouter, parts: Parts) -> None:
    @router.get("/wado", summary="WADO-URI", openapi_extra=described.WADO)
    async def wado(request: Request) -> Response:
        return await work(parts.painters, uri.retrieve, parts, request)

    @router.get("/capabilities", summary="What this door does")
    @router.options("/", summary="What this door does", include_in_schema=False)
    @router.options("", summary="What this door does", include_in_schema=False)
    async def describe(request: Request) -> Response:
        return await work(parts.threads, capabilities.describe, parts, request)


def _search(router: APIRouter, parts: Parts) -> None:
    @router.get("/studies", summary="Search for studies", openapi_extra=described.SEARCH)
    async def studies(request: Request) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.STUDY)

    @router.get("/series", summary="Search for series", openapi_extra=described.SEARCH)
    async def series_of_all(request: Request) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.SERIES)

    @router.get("/instances", summary="Search for instances", openapi_extra=described.SEARCH)
    async def instances_of_all(request: Request) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.IMAGE)

    @router.get(STUDY + "/series", summary="Search for series of a study", openapi_extra=described.SEARCH)
    async def series_of_study(request: Request, study: str) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.SERIES, study)

    @router.get(STUDY + "/instances", summary="Search for instances of a study", openapi_extra=described.SEARCH)
    async def instances_of_study(request: Request, study: str) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.IMAGE, study)

    @router.get(SERIES + "/instances", summary="Search for instances of a series", openapi_extra=described.SEARCH)
    async def instances_of_series(request: Request, study: str, series: str) -> Response:
        return await work(parts.threads, search.search, parts, request, Level.IMAGE, study, series)


def _store(router: APIRouter, parts: Parts) -> None:
    @router.post("/studies", summary="Store instances")
    async def store(request: Request) -> Response:
        return await stow.store(parts, request)

    @router.post(STUDY, summary="Store instances of a study")
    async def store_in_study(request: Request, study: str) -> Response:
        return await stow.store(parts, request, study)


def _retrieve(router: APIRouter, parts: Parts) -> None:
    @router.get(STUDY, summary="Retrieve a study", openapi_extra=described.PLAIN)
    async def study_of(request: Request, study: str) -> Response:
        return await work(parts.threads, instances.retrieve, parts, request, study)

    @router.get(SERIES, summary="Retrieve a series", openapi_extra=described.PLAIN)
    async def series_of(request: Request, study: str, series: str) -> Response:
        return await work(parts.threads, instances.retrieve, parts, request, study, series)

    @router.get(INSTANCE, summary="Retrieve an instance", openapi_extra=described.PLAIN)
    async def instance_of(request: Request, study: str, series: str, instance: str) -> Response:
        return await work(parts.threads, instances.retrieve, parts, request, study, series, instance)


def _metadata(router: APIRouter, parts: Parts) -> None:
    @router.get(STUDY + "/metadata", summary="Metadata of a study", openapi_extra=described.PLAIN)
    async def of_study(request: Request, study: str) -> Response:
        return await work(parts.threads, metadata.retrieve, parts, request, study)

    @router.get(SERIES + "/metadata", summary="Metadata of a series", openapi_extra=described.PLAIN)
    async def of_series(request: Request, study: str, series: str) -> Response:
        return await work(parts.threads, metadata.retrieve, parts, request, study, series)

    @router.get(INSTANCE + "/metadata", summary="Metadata of an instance", openapi_extra=described.PLAIN)
    async def of_instance(request: Request, study: str, series: str, instance: str) -> Response:
        return await work(parts.threads, metadata.retrieve, parts, request, study, series, instance)

    @router.get(INSTANCE + "/bulkdata/{tags:path}", summary="One value of an instance", openapi_extra=described.PLAIN)
    async def bulkdata(request: Request, study: str, series: str, instance: str, tags: str) -> Response:
        return await work(parts.threads, bulk.retrieve, parts, request, (study, series, instance), tags)


def _pixels(router: APIRouter, parts: Parts) -> None:
    @router.get(INSTANCE + "/frames/{numbers}", summary="Frames of an instance", openapi_extra=described.PLAIN)
    async def frames_of(request: Request, study: str, series: str, instance: str, numbers: str) -> Response:
        return await work(parts.threads, frames.retrieve, parts, request, (study, series, instance), numbers)

    for thumbnail, name in ((False, "rendered"), (True, "thumbnail")):
        _pictures(router, parts, name, thumbnail)


def _pictures(router: APIRouter, parts: Parts, name: str, thumbnail: bool) -> None:
    said = "Thumbnail" if thumbnail else "Rendered image"

    @router.get(f"{STUDY}/{name}", summary=f"{said} of a study", name=f"{name}_study", openapi_extra=described.RENDERED)
    async def of_study(request: Request, study: str) -> Response:
        return await work(parts.painters, rendered.retrieve, parts, request, (study, "", ""), thumbnail=thumbnail)

    @router.get(f"{SERIES}/{name}", summary=f"{said} of a series", name=f"{name}_series", openapi_extra=described.RENDERED)
    async def of_series(request: Request, study: str, series: str) -> Response:
        return await work(parts.painters, rendered.retrieve, parts, request, (study, series, ""), thumbnail=thumbnail)

    @router.get(f"{INSTANCE}/{name}", summary=f"{said} of an instance", name=f"{name}_instance", openapi_extra=described.RENDERED)
    async def of_instance(request: Request, study: str, series: str, instance: str) -> Response:
        return await work(parts.painters, rendered.retrieve, parts, request, (study, series, instance), thumbnail=thumbnail)

    @router.get(
        f"{INSTANCE}/frames/{{numbers}}/{name}", summary=f"{said} of frames", name=f"{name}_frames", openapi_extra=described.RENDERED
    )
    async def of_frames(request: Request, study: str, series: str, instance: str, numbers: str) -> Response:
        return await work(parts.painters, rendered.retrieve, parts, request, (study, series, instance), numbers, thumbnail=thumbnail)


def _heads(router: APIRouter) -> None:
    """HEAD beside every GET (RFC 9110 9.3.2): the same work, the same rights and audit, the headers alone."""
    for route in [one for one in router.routes if isinstance(one, APIRoute) and "GET" in (one.methods or ())]:
        router.add_api_route(route.path, _head_of(route.endpoint), methods=["HEAD"], include_in_schema=False, name=f"head_{route.name}")


def _head_of(endpoint: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(endpoint)
    async def head(**given: Any) -> Response:
        full = await endpoint(**given)
        answered = Response(status_code=full.status_code)
        answered.raw_headers = full.raw_headers  # what streams is not begun
        return answered

    return head


def _rest(router: APIRouter) -> None:
    """What no route takes: another method of an address (405 with what it allows, RFC 9110 15.5.6), or no such address."""
    routes = [one for one in router.routes if isinstance(one, APIRoute)]

    def refuse(request: Request) -> Response:
        path = request.path_params.get("rest", "")
        path = f"/{path}" if path else ""
        allowed = _allowed(routes, path)
        if not allowed and path.endswith("/") and _allowed(routes, path.rstrip("/")):
            return RedirectResponse(request.url.replace(path=request.url.path.rstrip("/")), 307)
        if not allowed:
            return answer(NotFound("There is no such address in DICOMweb.", code="no-route"), request)
        text = "This address does not take this method."
        if request.method == "DELETE":
            text = "Nothing is deleted here. Reject the exam, or send a rejection note (IHE IOCM): it is then hidden and kept."
        refused = answer(Invalid(text, code="method"), request)
        refused.headers["Allow"] = ", ".join(allowed)
        return refused

    for path in ("", "/{rest:path}"):
        router.add_api_route(path, refuse, methods=list(METHODS), include_in_schema=False, response_model=None)


def _allowed(routes: list[APIRoute], path: str) -> list[str]:
    """The methods that the door has for a path, in alphabetical order; none when it has not the path."""
    return sorted({method for route in routes if route.path_regex.match(path) for method in route.methods or ()})
