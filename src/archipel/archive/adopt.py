"""Adopt: what a study says of itself, and what is doubtful about it, after a person took another content of one of its instances.

A study speaks by its first instance. Where the exchanged instance is the only one of its study, or of its series, the level is its word
alone and follows it; where others stand beside it they keep it, and a contradiction becomes a flag, as when it had arrived so.
"""

from __future__ import annotations

from typing import Any

from archipel import directory
from archipel.archive import aside, rows, rows_doubt, rows_upkeep
from archipel.archive.arrival import BIRTH_DATE, PATIENT_NAME, SEX, Arrival, folded, person_name_groups
from archipel.archive.changes import ConflictResolved
from archipel.archive.doubt import doubts, patient_key
from archipel.archive.model import ConflictKind, Flag, Incoming, Source
from archipel.archive.rows_review import change_conflict
from archipel.dicom import text
from archipel.dicom.index import path_of
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id

_STUDY_DATE, _STUDY_TIME, _STUDY_ID = path_of("StudyDate"), path_of("StudyTime"), path_of("StudyID")
_ACCESSION, _DESCRIPTION, _REFERRING = path_of("AccessionNumber"), path_of("StudyDescription"), path_of("ReferringPhysicianName")
_MODALITY, _NUMBER, _SERIES_DESCRIPTION = path_of("Modality"), path_of("SeriesNumber"), path_of("SeriesDescription")


def adopt(tx: Tx, actor: Actor, taken: dict[str, Any], attributes: dict[str, str]) -> None:
    """Bring study, series, patient and flags in line with the content ``taken`` (the columns of its row) and its attributes by path.

    The study must be locked, and not sealed.
    """
    content = content_of(actor, taken, attributes)
    study_uid, series_uid = taken["study_uid"], taken["series_uid"]
    issuers = issuers_of(tx)
    by_series = rows.count_visible(tx, study_uid)
    if by_series.get(series_uid, (0, 0, 0))[0] == 1:
        rows.change_series(tx, (study_uid, series_uid), **_series_values(content))
    if sum(count for count, _, _ in by_series.values()) == 1:
        adopt_study(tx, content, patient_key(content, issuers))
    _judge(tx, actor, content, patient_key(content, issuers))


def issuers_of(tx: Tx) -> dict[str, str]:
    """Who issues the bare Patient IDs of each site."""
    return {site.id: site.default_issuer for site in directory.sites(tx)}


def content_of(actor: Actor, taken: dict[str, Any], attributes: dict[str, str]) -> Arrival:
    """The content as if it arrived now, from what the list of conflicts keeps of it."""
    source = Source("", taken["site_id"], actor, taken["source_ae"])
    incoming = Incoming(None, taken["transfer_syntax_uid"], taken["sop_class_uid"], "", source)  # type: ignore[arg-type]
    values = {path: tuple(value.split("\\")) for path, value in attributes.items()}
    return Arrival(
        incoming=incoming, values=values, meta=b"", take_digest=lambda: str(taken["digest"]),
        pixel_data_offset=taken["pixel_data_offset"], warnings=(),
    )  # fmt: skip


def _series_values(content: Arrival) -> dict[str, Any]:
    return {
        "modality": content.first(_MODALITY)[:16], "number": content.number(_NUMBER), "description": content.first(_SERIES_DESCRIPTION),
        "attributes": content.indexed("SERIES"),
    }  # fmt: skip


def adopt_study(tx: Tx, content: Arrival, key: tuple[str, str]) -> None:
    """Let a study, and its patient where no other exam names it, say what the content says."""
    name, other_name = person_name_groups(content.first(PATIENT_NAME))
    person = {
        "name_folded": name, "birth_date": text.stored_date(content.first(BIRTH_DATE)), "sex": content.first(SEX)[:16]
    }  # fmt: skip
    whole = {"name": content.first(PATIENT_NAME), "attributes": content.indexed("PATIENT"), **person}
    found = rows_upkeep.patient_of(tx, key)
    if found is None:
        values = {"id": new_id(), "patient_id": key[0], "issuer": key[1], "created_at": to_text(tx.now()), **whole}
        rows.insert_new(tx, rows.patient, [values])  # the unique key decides when two make it at once
        found = rows_upkeep.patient_of(tx, key)
        assert found is not None
    elif rows_upkeep.studies_of_patient(tx, found.id) <= {content.study_uid}:
        rows_upkeep.change_patient(tx, found.id, **whole)  # nobody else's exam says who this is
    rows.change_study(
        tx, content.study_uid, patient_key=found.id, patient_id=key[0], issuer=key[1], patient_name=whole["name"],
        other_name_folded=other_name, study_date=text.stored_date(content.first(_STUDY_DATE)),
        study_time=text.stored_time(content.first(_STUDY_TIME)), accession_number=content.first(_ACCESSION),
        study_id=content.first(_STUDY_ID), description=content.first(_DESCRIPTION), description_folded=folded(content.first(_DESCRIPTION)),
        referring_folded=folded(content.first(_REFERRING)), attributes={**content.indexed("PATIENT"), **content.indexed("STUDY")}, **person,
    )  # fmt: skip


def _judge(tx: Tx, actor: Actor, content: Arrival, key: tuple[str, str]) -> None:
    """The doubts that the content left behind alone raised go with it; those of the content taken come, or come back."""
    study_uid = content.study_uid
    rows_doubt.unmark(tx, [content.sop_instance_uid])
    study = rows.studies_by_uid(tx, [study_uid])[study_uid]
    among = aside.noted(tx, study_uid)
    for flag, archived in doubts(content, study, key, rows_upkeep.patient_of(tx, key)):
        found = aside.flag(tx, content, flag, archived, study=study, among=among)
        if flag is not Flag.OTHER_SITE:
            rows_doubt.mark(tx, [(content.sop_instance_uid, study_uid, found.conflict_id)])
    ids, site_ids = rows_doubt.borne(tx, study_uid)
    for row in rows_doubt.doubts(tx, study_uid):
        is_borne = row.kept.get("site_id") in site_ids if row.kind == ConflictKind.OTHER_SITE else row.id in ids
        if row.state == "open" and not is_borne:
            gone(tx, actor, row, aside.REPLACED)
    rows_doubt.show_flags(tx, study_uid)


def gone(tx: Tx, actor: Actor, doubt: Any, action: str) -> None:
    """A doubt went by itself, through what the actor did."""
    change_conflict(tx, doubt.id, state="resolved", action=action, resolved_by=actor.id, resolved_at=to_text(tx.now()))
    tx.publish(ConflictResolved(doubt.id, doubt.study_uid, doubt.site_id))
