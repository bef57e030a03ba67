"""Conflicts: the work list of what does not fit, and a person's decision about each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from archipel import audit
from archipel.archive import packing, rows, rows_doubt, rows_instances, rows_review
from archipel.archive.adopt import adopt
from archipel.archive.agree import agree
from archipel.archive.changes import ConflictFound, ConflictResolved
from archipel.archive.model import ConflictKind, Place
from archipel.archive.recount import recount
from archipel.archive.seal import reopen
from archipel.archive.verify import place_of
from archipel.dicom.index import SERIES_INSTANCE_UID, keyword_of
from archipel.kit.actor import Actor
from archipel.kit.blobs import CHUNK_BYTES, Blobs
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import Conflict as StateConflict
from archipel.kit.errors import Invalid, NotFound
from archipel.kit.scope import Scope

# What a person may decide, by kind of conflict. Nothing is deleted by any of them, and each can be taken back by REOPEN.
REOPEN = "reopen"
ACTIONS: dict[ConflictKind, tuple[str, ...]] = {
    ConflictKind.DUPLICATE_INSTANCE: ("keep_archived", "use_received"),
    ConflictKind.PATIENT_MISMATCH: ("confirm_same_patient",),
    ConflictKind.PATIENT_ATTRIBUTES: ("confirm_same_patient",),
    ConflictKind.OTHER_SITE: ("accept",),
}


@dataclass(frozen=True)
class Difference:
    """An indexed attribute whose archived and received values differ."""

    path: str
    keyword: str
    archived: str
    received: str


@dataclass(frozen=True)
class Conflict:
    """One entry of the work list."""

    id: str
    kind: ConflictKind
    state: str
    study_uid: str
    sop_instance_uid: str
    site_id: str
    source_ae: str
    found_at: str
    archived: dict[str, str]
    received: dict[str, str]
    differences: tuple[Difference, ...]
    actions: tuple[str, ...]
    action: str
    comment: str
    resolved_by: str
    resolved_at: str


def conflicts(
    tx: Tx, scope: Scope, *, state: str = "", study_uid: str = "", limit: int = 200, offset: int = 0, pressing_first: bool = False
) -> list[Conflict]:
    """The conflicts that the scope shows, newest first; ``state`` is ``open``, ``resolved`` or empty for both.

    ``pressing_first``: before all others those that are open, and of these first the doubts about whose exam it is.
    """
    found = rows_review.conflicts(
        tx, scope, state=state, study_uid=study_uid, limit=limit, offset=offset, pressing_first=pressing_first
    )  # fmt: skip
    return [_conflict(row, scope) for row in found]


def count_conflicts(tx: Tx, scope: Scope, *, state: str = "", study_uid: str = "") -> int:
    """How many there are."""
    return rows_review.count_conflicts(tx, scope, state=state, study_uid=study_uid)


def conflict_with_id(tx: Tx, scope: Scope, conflict_id: str) -> Conflict:
    """One conflict, or NotFound."""
    return _conflict(_row(tx, scope, conflict_id), scope)


def resolve(tx: Tx, actor: Actor, scope: Scope, conflict_id: str, action: str, comment: str = "") -> Conflict:
    """Carry out a person's decision; Invalid for an action that this kind does not have, Conflict when it is decided already.

    ``reopen`` takes a decision back: contents that were exchanged are exchanged again, and the conflict is open as before.
    """
    row = _locked(tx, scope, conflict_id)
    found = _conflict(row, scope)
    if found.state != "open" and action == REOPEN:
        return _reopen(tx, actor, scope, found, row)
    if found.state != "open":
        raise StateConflict("This conflict is resolved already.", code="conflict-resolved")
    if action not in found.actions:
        raise Invalid(f"The actions here are: {', '.join(found.actions)}.", code="conflict-action", field="action")
    if action == "use_received":
        _exchange(tx, actor, found, row)
    rows_review.change_conflict(
        tx, conflict_id, state="resolved", action=action, comment=comment[:2000], resolved_by=actor.id, resolved_at=to_text(tx.now())
    )
    rows_doubt.show_flags(tx, found.study_uid)
    audit.record(tx, actor, "archive.resolve", study_uid=found.study_uid, object_id=conflict_id, action_taken=action)
    tx.publish(ConflictResolved(conflict_id, found.study_uid, found.site_id))
    return conflict_with_id(tx, scope, conflict_id)


def _reopen(tx: Tx, actor: Actor, scope: Scope, found: Conflict, row: Any) -> Conflict:
    if found.action == "use_received" and found.kind is ConflictKind.DUPLICATE_INSTANCE:
        _exchange(tx, actor, found, row)
    rows_review.change_conflict(tx, found.id, state="open", action="", comment="", resolved_by="", resolved_at="")
    rows_doubt.show_flags(tx, found.study_uid)
    audit.record(tx, actor, "archive.reopen", study_uid=found.study_uid, object_id=found.id, action_taken=found.action)
    tx.publish(ConflictFound(found.id, found.study_uid, found.site_id))
    return conflict_with_id(tx, scope, found.id)


def same_pixels(tx: Tx, blobs: Blobs, scope: Scope, conflict_id: str) -> bool | None:
    """Whether both contents of a duplicate hold the same pixel data; None when either has none."""
    row = _row(tx, scope, conflict_id)
    if row.kind != ConflictKind.DUPLICATE_INSTANCE or row.kept["pixel_data_offset"] is None:
        return None
    archived = rows_instances.refs(tx, scope, sop_instance_uids=[row.sop_instance_uid], include_rejected=True)
    if not archived or archived[0].pixel_data_offset is None or archived[0].transfer_syntax_uid != row.kept["transfer_syntax_uid"]:
        return None
    kept = row.kept
    return _same_to_the_end(
        blobs, (archived[0].place, archived[0].pixel_data_offset), (place_of(kept), kept["pixel_data_offset"])
    )  # fmt: skip


def _locked(tx: Tx, scope: Scope, conflict_id: str) -> Any:
    """The conflict's row, kept for this transaction behind its study, as receiving keeps them: what arrives meanwhile waits, or is seen."""
    rows.studies_by_uid(tx, [_row(tx, scope, conflict_id).study_uid], lock=True)
    return _row(tx, scope, conflict_id, lock=True)


def _row(tx: Tx, scope: Scope, conflict_id: str, *, lock: bool = False) -> Any:
    found = rows_review.conflicts(tx, scope, conflict_id=conflict_id, lock=lock)
    if not found or not conflict_id:
        raise NotFound("There is no such conflict that you may see.", code="no-conflict", field="id")
    return found[0]


def _conflict(row: Any, scope: Scope) -> Conflict:
    """The entry as the scope may see it: how another site names a patient whose id it shares is not shown."""
    kind = ConflictKind(row.kind)
    known_by = row.kept.get("known_by")
    archived = row.archived if known_by is None or scope.covers(known_by) else {}
    paths = sorted({*archived, *row.received}) if kind is ConflictKind.DUPLICATE_INSTANCE else sorted(archived)
    pairs = ((path, archived.get(path, ""), row.received.get(path, "")) for path in paths)
    differences = tuple(Difference(path, keyword_of(path), old, new) for path, old, new in pairs if old != new)
    return Conflict(
        row.id, kind, row.state, row.study_uid, row.sop_instance_uid, row.site_id, row.source_ae, row.found_at, archived, row.received,
        differences, _actions(row, kind) if row.state == "open" else (REOPEN,), row.action, row.comment, row.resolved_by, row.resolved_at,
    )  # fmt: skip


def _actions(row: Any, kind: ConflictKind) -> tuple[str, ...]:
    archived = (row.study_uid, row.archived.get(SERIES_INSTANCE_UID))
    moved = kind is ConflictKind.DUPLICATE_INSTANCE and (row.kept["study_uid"], row.kept["series_uid"]) != archived
    return ("keep_archived",) if moved else ACTIONS[kind]


def _exchange(tx: Tx, actor: Actor, found: Conflict, row: Any) -> None:
    """Swap the archived and the kept content: both stay, and the same again takes it back. What the exam says of itself follows.

    The attributes of each go with it; what else is kept aside under that UID is compared with the content taken from now on.
    """
    reopen(tx, found.study_uid)
    archived = rows_instances.known(tx, [found.sop_instance_uid])[found.sop_instance_uid]
    kept = {"packed": "", **row.kept}
    rows_review.swap_instance(tx, found.sop_instance_uid, kept)
    rows_review.change_conflict(tx, found.id, kept={name: getattr(archived, name) for name in kept}, received=row.archived)
    rows_review.change_archived(tx, found.sop_instance_uid, row.received)
    adopt(tx, actor, kept, row.received)
    recount(tx, found.study_uid)
    agree(tx, actor, found.study_uid)


def _same_to_the_end(blobs: Blobs, one: tuple[Place, int], other: tuple[Place, int]) -> bool:
    """Whether two instances hold the same bytes, each from an offset of its dataset to its end."""
    (left, left_at), (right, right_at) = ((place, place.dataset_offset + offset) for place, offset in (one, other))
    length = left.length_bytes - left_at
    if length != right.length_bytes - right_at:
        return False
    for start in range(0, length, CHUNK_BYTES):
        size = min(CHUNK_BYTES, length - start)
        if packing.get(blobs, left, left_at + start, size) != packing.get(blobs, right, right_at + start, size):
            return False
    return True
