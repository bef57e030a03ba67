"""Repair: an identical instance that comes again mends what the archive has lost of the first.

Nothing is overwritten and nothing deleted: the index is turned to the new bytes, the damaged ones stay where they are.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import structlog

from archipel import audit
from archipel.archive import rows, rows_instances, rows_receive, rows_scrub, rows_upkeep
from archipel.archive.arrival import Arrival
from archipel.archive.model import Place
from archipel.archive.recount import recount
from archipel.archive.seal import reopen
from archipel.archive.verify import damage, place_of
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs
from archipel.kit.database import Tx

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Held:
    """A content that the archive holds, stored or (with ``conflict_id``) kept aside."""

    sop_instance_uid: str
    study_uid: str
    digest: str
    place: Place
    conflict_id: str = ""


def held(tx: Tx, contents: Iterable[tuple[str, str]]) -> dict[tuple[str, str], Held]:
    """Where the contents (SOP Instance UID, digest) are; those that are not held are left out."""
    wanted = set(contents)
    found: dict[tuple[str, str], Held] = {}
    for one in rows_upkeep.kept_contents(tx, (uid for uid, _ in wanted)):
        found[one.sop_instance_uid, one.kept["digest"]] = Held(
            one.sop_instance_uid, one.study_uid, one.kept["digest"], place_of(one.kept), one.id
        )
    for uid, row in rows_instances.known(tx, (uid for uid, _ in wanted)).items():
        place = Place(row.blob_key, row.offset, row.length_bytes, row.dataset_offset, row.packed)
        found[uid, row.digest] = Held(uid, row.study_uid, row.digest, place)
    return {key: one for key, one in found.items() if key in wanted}


def held_by(tx: Tx, arrivals: Sequence[Arrival]) -> list[Held | None]:
    """For each arrival the content that the archive holds of it, but for a padding byte; None for one that is new."""
    stored = rows_receive.stored(tx, (one.sop_instance_uid for one in arrivals))
    known = [one for one in arrivals if one.sop_instance_uid in stored]
    if not known:
        return [None] * len(arrivals)
    first = held(tx, ((one.sop_instance_uid, one.digest) for one in known))
    others = [one for one in known if (one.sop_instance_uid, one.digest) not in first]
    found = first | held(tx, ((one.sop_instance_uid, one.padding_twin) for one in others))

    def of(one: Arrival) -> Held | None:
        exact = found.get((one.sop_instance_uid, one.digest))
        return exact or (found.get((one.sop_instance_uid, one.padding_twin)) if one in others else None)

    return [of(one) for one in arrivals]


def damaged(blobs: Blobs, contents: Iterable[Held]) -> dict[tuple[str, str], Held]:
    """Those whose bytes are missing or not what was received. Reads them all: call it outside of a transaction."""
    return {(one.sop_instance_uid, one.digest): one for one in contents if damage(blobs, one.place, one.digest)}


def mend(tx: Tx, actor: Actor, lost: Held, place: Place, *, digest: str, transfer_syntax_uid: str) -> bool:
    """Turn the index to ``place``, where the same content is durable now; False when it has been turned elsewhere meanwhile."""
    values = {
        "blob_key": place.blob_key, "offset": place.offset, "length_bytes": place.length_bytes, "dataset_offset": place.dataset_offset,
        "digest": digest, "transfer_syntax_uid": transfer_syntax_uid, "packed": place.packed,
    }  # fmt: skip
    rows.studies_by_uid(tx, [lost.study_uid], lock=True)
    reopen(tx, lost.study_uid)
    if lost.conflict_id:
        turned = rows_upkeep.turn_kept(tx, lost.conflict_id, lost.place, values)
    else:
        turned = rows_upkeep.turn_instance(tx, lost.sop_instance_uid, lost.place, values)
    if not turned:
        return False
    rows_scrub.mended(tx, [(lost.sop_instance_uid, lost.digest)])
    if not lost.conflict_id:
        recount(tx, lost.study_uid)  # the new file's meta may be longer
    audit.record(tx, actor, "archive.repair", study_uid=lost.study_uid, object_id=lost.sop_instance_uid, lost_blob=lost.place.blob_key)
    log.warning("archive.repaired", study_uid=lost.study_uid, sop_instance_uid=lost.sop_instance_uid, lost_blob=lost.place.blob_key)
    return True
