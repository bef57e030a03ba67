"""Conflicts: the work list, one entry, a person's decision."""

from __future__ import annotations

from typing import Annotated, Literal

from fastapi import APIRouter, Query
from pydantic import Field

from archipel import archive
from archipel.kit.database import Tx
from archipel.web.answers import Conflict, conflict_answer
from archipel.web.errors import DoorRoute
from archipel.web.once import REPEATABLE, once
from archipel.web.parts import Call, needs
from archipel.web.words import Body, Listed, LongText, Text, cursor_of, offset_of

router = APIRouter(route_class=DoorRoute, tags=["conflicts"])
Resolver = Annotated[Call, needs("conflict.resolve")]
ConflictId = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Decision(Body):
    """One of the entry's actions."""

    action: str = Field(max_length=30)
    comment: LongText = ""


@router.get("/conflicts", summary="List conflicts")
def list_conflicts(
    call: Resolver,
    state: Annotated[Literal["open", "resolved", ""], Query(description="open, resolved, or empty for both.")] = "open",
    limit: Annotated[int, Query(ge=1, le=200)] = 100,
    cursor: Annotated[Text, Query()] = "",
) -> Listed[Conflict]:
    """What does not fit in the exams that the account may see, newest first."""
    offset = offset_of(cursor)
    with call.database.read() as tx:
        scope = call.scope(tx, "conflicts")
        found = archive.conflicts(tx, scope, state=state, limit=limit, offset=offset)
        total = archive.count_conflicts(tx, scope, state=state)
    more = offset + len(found) < total and bool(found)
    return Listed(items=[conflict_answer(c) for c in found], total=total, next_cursor=cursor_of(offset + len(found)) if more else None)


@router.get("/conflicts/{conflict_id}", summary="One conflict")
def read_conflict(conflict_id: ConflictId, call: Resolver) -> Conflict:
    """One entry; for two contents under one UID, whether their pixels are the same."""
    with call.database.read() as tx:
        scope = call.scope(tx, "conflicts")
        found = archive.conflict_with_id(tx, scope, conflict_id)
        same = archive.same_pixels(tx, call.parts.blobs, scope, conflict_id)
    return conflict_answer(found, same)


@router.post("/conflicts/{conflict_id}/resolution", summary="Decide about a conflict", openapi_extra=REPEATABLE)
def resolve_conflict(conflict_id: ConflictId, body: Decision, call: Resolver) -> Conflict:
    """Carry out one of the entry's actions. Nothing is deleted by any of them."""

    def act(tx: Tx) -> Conflict:
        scope = call.scope(tx, "conflicts")
        return conflict_answer(archive.resolve(tx, call.actor, scope, conflict_id, body.action, body.comment))

    return once(call, body, Conflict, act)
