"""The routes of the door, one line of wiring each."""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from archipel.archive import Level, Receiver
from archipel.dicom.pixels import PixelWorkers
from archipel.dicomweb import bulk, capabilities, described, frames, instances, metadata, rendered, search, uri
from archipel.dicomweb import store as stow
from archipel.dicomweb.errors import door_route
from archipel.dicomweb.parts import Parts
from archipel.dicomweb.trail import Trail
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database
from archipel.kit.errors import Invalid
from archipel.kit.metrics import Metrics
from archipel.kit.settings import HttpSettings
from archipel.kit.spool import Spool

STUDY = "/studies/{study}"
SERIES = STUDY + "/series/{series}"
INSTANCE = SERIES + "/instances/{instance}"


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
) -> APIRouter:
    """The router of DICOMweb, to be mounted at ``path`` behind the sign-in."""
    parts = Parts(
        database=database, blobs=blobs, receiver=receiver, spool=spool, pixels=pixels, settings=settings, metrics=metrics,
        ae_title=ae_title, path=path, trail=Trail(database),
    )  # fmt: skip
    router = APIRouter(route_class=door_route(metrics), tags=["dicomweb"])
    _capabilities(router, parts)
    _search(router, parts)
    _store(router, parts)
    _retrieve(router, parts)
    _metadata(router, parts)
    _pixels(router, parts)
    _no_delete(router)
    return router


async def work(pool: ThreadPoolExecutor, act: Callable[..., Response], *args: Any, **options: Any) -> Response:
    """Run an act in threads of its own kind, so that slow pictures hold up neither frames nor the rest of the platform."""
    call = partial(contextvars.copy_context().run, act, *args, **options)
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


def _no_delete(router: APIRouter) -> None:
    for path in (STUDY, SERIES, INSTANCE):

        @router.delete(path, include_in_schema=False)
        def refuse(request: Request) -> Response:
            raise Invalid(
                "Nothing is deleted here. Reject the exam, or send a rejection note (IHE IOCM): it is then hidden and kept.", code="method"
            )
