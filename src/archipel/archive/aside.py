"""Aside: what arrived and does not fit is kept and shown, never refused and never overwriting."""

from __future__ import annotations

from typing import Any

from archipel import audit
from archipel.archive import rows_instances, rows_review
from archipel.archive.arrival import BIRTH_DATE, ISSUER, ISSUER_UNIVERSAL, PATIENT_ID, PATIENT_NAME, SEX, Arrival, plain
from archipel.archive.changes import ConflictFound
from archipel.archive.model import ConflictKind, Place
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id

# What a person looks at to tell whose exam it is.
IDENTITY = (PATIENT_ID, ISSUER, ISSUER_UNIVERSAL, PATIENT_NAME, BIRTH_DATE, SEX)


def keep(tx: Tx, arrival: Arrival, place: Place, *, site_id: str, archived_study_uid: str) -> None:
    """Keep a second content of a known UID aside, with what is needed to take it instead."""
    kept = {
        "blob_key": place.blob_key, "offset": place.offset, "length_bytes": place.length_bytes, "dataset_offset": place.dataset_offset,
        "packed": place.packed, "transfer_syntax_uid": arrival.incoming.transfer_syntax_uid,
        "sop_class_uid": arrival.sop_class_uid, "digest": arrival.digest,
        "pixel_data_offset": arrival.pixel_data_offset, "study_uid": arrival.study_uid, "series_uid": arrival.series_uid,
        "attributes": arrival.indexed("IMAGE"), "number": arrival.instance_number,
        "frame_count": arrival.frame_count, "site_id": arrival.source.site_id, "source_ae": arrival.source.ae_title[:16],
    }  # fmt: skip
    archived = plain(rows_instances.archived_attributes(tx, arrival.sop_instance_uid))
    _add(tx, arrival, ConflictKind.DUPLICATE_INSTANCE, archived, site_id=site_id, study_uid=archived_study_uid, kept=kept)


def flag(tx: Tx, arrival: Arrival, kind: ConflictKind, archived: dict[str, str], *, site_id: str, known_by: str = "") -> bool:
    """Note doubt about whose exam this is; the instance itself is stored. False when a person has settled the same doubt before.

    ``known_by`` is the site from which the archived traits come, when it may be another than the exam's.
    """
    sender = {"site_id": arrival.source.site_id}
    traits = _identity(arrival.attributes("PATIENT"))
    for received, kept in rows_review.decided(tx, kind.value, arrival.study_uid):
        if kept == sender if kind is ConflictKind.OTHER_SITE else _identity(received) == traits:
            return False
    kept = sender | ({"known_by": known_by} if known_by else {})
    _add(tx, arrival, kind, archived, site_id=site_id, study_uid=arrival.study_uid, kept=kept)
    return True


def _identity(attributes: dict[str, str]) -> tuple[str, ...]:
    return tuple(attributes.get(path, "") for path in IDENTITY)


def _add(
    tx: Tx, arrival: Arrival, kind: ConflictKind, archived: dict[str, str], *, site_id: str, study_uid: str, kept: dict[str, Any]
) -> None:
    received = {
        level_path: value for level in ("PATIENT", "STUDY", "SERIES", "IMAGE") for level_path, value in arrival.attributes(level).items()
    }
    conflict_id = new_id()
    values = {
        "id": conflict_id, "kind": kind.value, "state": "open", "study_uid": study_uid, "sop_instance_uid": arrival.sop_instance_uid,
        "digest": arrival.digest, "site_id": site_id, "source_ae": arrival.source.ae_title[:16], "archived": archived,
        "received": received, "kept": kept, "found_at": to_text(tx.now()), "action": "", "comment": "", "resolved_by": "",
        "resolved_at": "",
    }  # fmt: skip
    if rows_review.add_conflict(tx, values):
        audit.record(
            tx, arrival.source.actor, "archive.conflict", study_uid=study_uid, object_id=arrival.sop_instance_uid, conflict_kind=kind.value
        )
        tx.publish(ConflictFound(conflict_id, study_uid, site_id))
