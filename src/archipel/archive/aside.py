"""Aside: what arrived and does not fit is kept and shown, never refused and never overwriting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from archipel import audit
from archipel.archive import rows, rows_doubt, rows_instances, rows_review
from archipel.archive.arrival import BIRTH_DATE, ISSUER, ISSUER_UNIVERSAL, PATIENT_ID, PATIENT_NAME, SEX, Arrival, plain
from archipel.archive.changes import ConflictFound
from archipel.archive.model import ConflictKind, Flag, Place
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id

# What a person looks at to tell whose exam it is.
IDENTITY = (PATIENT_ID, ISSUER, ISSUER_UNIVERSAL, PATIENT_NAME, BIRTH_DATE, SEX)

# How doubts are resolved that go by themselves: the content that raised them was replaced, or the exam took its word or another.
REPLACED, ADOPTED, LEFT = "use_received", "use_received", "keep_archived"
BY_ITSELF = frozenset({REPLACED, ADOPTED, LEFT})


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
    archived = rows_review.archived_attributes(tx, arrival.sop_instance_uid) or _archived(tx, arrival.sop_instance_uid)
    _add(tx, arrival, ConflictKind.DUPLICATE_INSTANCE, archived, site_id=site_id, study_uid=archived_study_uid, kept=kept)


def _archived(tx: Tx, sop_instance_uid: str) -> dict[str, str]:
    """What the archived content says: where it does not agree with its study, the patient that it names itself."""
    attributes = plain(rows_instances.archived_attributes(tx, sop_instance_uid))
    doubt = rows_doubt.borne_by(tx, sop_instance_uid)
    named = {path: doubt.received.get(path, "") for path in IDENTITY} if doubt is not None else {}
    return attributes | {path: value for path, value in named.items() if value or path in attributes}


@dataclass(frozen=True)
class Noted:
    """A doubt about whose exam a study is. A person who has settled it has settled it for all that comes and says the same."""

    conflict_id: str
    state: str
    action: str

    @property
    def is_settled(self) -> bool:
        return self.state != "open" and self.action not in BY_ITSELF


Key = tuple[str, tuple[str, ...]]


def noted(tx: Tx, study_uid: str) -> dict[Key, Noted]:
    """The doubts about a study by what each is about: a kind, and a person or a sending site."""
    found: dict[Key, Noted] = {}
    for row in rows_doubt.doubts(tx, study_uid):
        key = row.kind, (row.kept.get("site_id", ""),) if row.kind == ConflictKind.OTHER_SITE else identity(row.received)
        one = Noted(row.id, row.state, row.action)
        known = found.get(key)
        if known is None or (known.state != "open" and (one.state == "open" or one.is_settled)):
            found[key] = one
    return found


def flag(tx: Tx, arrival: Arrival, why: Flag, archived: dict[str, str], *, study: Any, among: dict[Key, Noted]) -> Noted:
    """Note doubt about whose exam this is, one for each person or site whatever the flags; the instance itself is stored.

    ``among`` are the doubts noted of the study, and is kept up to date. The doubt given back is settled when a person has settled it.
    """
    kind, sender = ConflictKind(why.value), arrival.source.site_id
    key = kind.value, (sender,) if kind is ConflictKind.OTHER_SITE else identity(arrival.attributes("PATIENT"))
    known = among.get(key)
    if known is None:
        # the site from which the archived traits come, when it may be another than the exam's
        known_by = rows.first_site(tx, study.patient_key, seen_from=study.site_id) if why is Flag.PATIENT_ATTRIBUTES else ""
        kept = {"site_id": sender} | ({"known_by": known_by} if known_by else {})
        conflict_id = _add(tx, arrival, kind, archived, site_id=study.site_id, study_uid=arrival.study_uid, kept=kept)
        among[key] = Noted(conflict_id, "open", "")
    elif known.state != "open" and not known.is_settled:
        open_again(tx, known.conflict_id, arrival.study_uid, study.site_id)
        among[key] = Noted(known.conflict_id, "open", "")
    return among[key]


def open_again(tx: Tx, conflict_id: str, study_uid: str, site_id: str) -> None:
    """A doubt that had gone by itself is there again."""
    rows_review.change_conflict(tx, conflict_id, state="open", action="", comment="", resolved_by="", resolved_at="")
    tx.publish(ConflictFound(conflict_id, study_uid, site_id))


def identity(attributes: Mapping[str, str]) -> tuple[str, ...]:
    """What tells one person from another."""
    return tuple(attributes.get(path, "") for path in IDENTITY)


def _add(
    tx: Tx, arrival: Arrival, kind: ConflictKind, archived: dict[str, str], *, site_id: str, study_uid: str, kept: dict[str, Any]
) -> str:
    """Insert a conflict; the id of it, or of the same one that is known."""
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
    known = rows_review.add_conflict(tx, values)
    if known == conflict_id:
        audit.record(
            tx, arrival.source.actor, "archive.conflict", study_uid=study_uid, object_id=arrival.sop_instance_uid, conflict_kind=kind.value
        )
        tx.publish(ConflictFound(conflict_id, study_uid, site_id))
    return known
