"""Live: exams that change, told to browsers as server-sent events."""

from __future__ import annotations

from typing import Any

from fastapi import APIRouter
from starlette.responses import StreamingResponse

from archipel.kit.errors import LimitReached
from archipel.web.errors import DoorRoute
from archipel.web.parts import Reader

router = APIRouter(route_class=DoorRoute, tags=["exams"])
EVENTS: dict[int | str, dict[str, Any]] = {200: {"content": {"text/event-stream": {}}}}


@router.get("/live", summary="Exams as they arrive", response_class=StreamingResponse, responses=EVENTS)
def follow_exams(call: Reader) -> StreamingResponse:
    """Server-sent events: ``event: exam``, ``data: {"study_uid", "instance_count"}`` for each exam of the own scope that changes."""
    with call.database.read() as tx:
        scope = call.scope(tx, "live")
    streams = call.parts.streams
    if streams.is_full:
        raise LimitReached("Too many pages listen at once; try again later.", code="streams")
    headers = {"X-Accel-Buffering": "no"}
    return StreamingResponse(streams.follow(scope), media_type="text/event-stream", headers=headers)
