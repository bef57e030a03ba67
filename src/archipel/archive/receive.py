"""Receive: index a group of instances whose bytes are durable, in one transaction.

What arrives is never refused for whose it is: a second content under a known UID is kept aside, doubt about the patient is
flagged, and both are shown to people (PEERS: refusing at the door loses exams). The training region alone is kept apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from archipel import audit
from archipel.archive import apart, aside, rows, rows_doubt, rows_receive
from archipel.archive.agree import agree
from archipel.archive.arrival import (
    BIRTH_DATE,
    PATIENT_NAME,
    SEX,
    Arrival,
    folded,
    person_name_groups,
)
from archipel.archive.changes import InstanceStored
from archipel.archive.doubt import doubts, patient_key
from archipel.archive.model import Fate, Flag, Outcome, Place
from archipel.archive.rejection_note import note_right
from archipel.archive.repair import Held, held, mend
from archipel.archive.seal import reopen
from archipel.dicom import text
from archipel.dicom.index import path_of
from archipel.kit.clock import to_text
from archipel.kit.database import DataError, IntegrityError, Tx, describe
from archipel.kit.errors import Invalid
from archipel.kit.ids import new_id

STUDY_DATE, STUDY_TIME = path_of("StudyDate"), path_of("StudyTime")
DESCRIPTION, REFERRING = path_of("StudyDescription"), path_of("ReferringPhysicianName")
ACCESSION, STUDY_ID = path_of("AccessionNumber"), path_of("StudyID")
MODALITY, SERIES_NUMBER = path_of("Modality"), path_of("SeriesNumber")
SERIES_DESCRIPTION = path_of("SeriesDescription")


@dataclass(frozen=True)
class Placed:
    """An arrival and where its bytes are; ``place`` is None for one that is held already and needed no writing.

    ``lost`` is what is held of it when those bytes are damaged or gone, so that it was written again.
    """

    arrival: Arrival
    place: Place | None
    lost: Held | None = None


class Overtaken(Exception):
    """Another process stored an instance of this group and sealed its series, both since we looked."""


# What ends a group as one; each instance is then tried alone.
NOT_TOGETHER = (IntegrityError, DataError, Overtaken)


@dataclass
class _Known:
    """What the database holds about this group, kept up to date while the group is decided."""

    instances: dict[str, Any]
    studies: dict[str, Any]
    series: dict[tuple[str, str], Any]
    patients: dict[tuple[str, str], Any]
    issuers: dict[str, str]
    noted: dict[str, dict[aside.Key, aside.Noted]] = field(default_factory=dict)
    marks: list[tuple[str, str, str]] = field(default_factory=list)
    new_instances: list[dict[str, Any]] = field(default_factory=list)
    inserted_count: int = 0


def receive(tx: Tx, group: Sequence[Placed], issuers: dict[str, str]) -> list[Outcome]:
    """Index a group; one outcome per instance, in order. ``issuers`` gives the assigning authority of each site's bare Patient IDs.

    The group is indexed as one; when the database refuses it (another process stored the same instance at this instant, a value
    that it cannot hold), each instance is tried alone under a savepoint, so that a bad one never takes its neighbours down.
    """
    try:
        with tx.savepoint():
            return receive_together(tx, group, issuers)
    except NOT_TOGETHER:
        # Anything else (deadlock, a full disk) is no fault of an instance: the whole transaction fails or is run again.
        return [_receive_alone(tx, one, issuers) for one in group]


def _receive_alone(tx: Tx, one: Placed, issuers: dict[str, str]) -> Outcome:
    for _ in range(3):  # a unique key taken meanwhile is found at the next look
        try:
            with tx.savepoint():
                return receive_together(tx, [one], issuers)[0]
        except (IntegrityError, Overtaken) as error:
            failure: Exception = error
        except DataError as error:
            failure = error
            break
    reason = Invalid("The index cannot hold this dataset's values.", code="unreadable", detail=describe(failure))
    return one.arrival.outcome(Fate.REFUSED, error=reason)


def mend_lost(tx: Tx, group: Sequence[Placed]) -> list[Placed]:
    """Turn the index to what was written again because it was lost; what is not held any more by now is new again."""
    return [
        one if one.lost is None or one.place is None or _mended(tx, one, one.lost, one.place) else replace(one, lost=None) for one in group
    ]


def _mended(tx: Tx, one: Placed, lost: Held, place: Place) -> bool:
    """Whether the content is held in whole now. A person may have resolved its conflict since it was looked at: it is looked at again."""
    source, syntax = one.arrival.source, one.arrival.incoming.transfer_syntax_uid
    now: Held | None = lost
    for _ in range(3):
        if now is None or now.place != lost.place:
            break
        if mend(tx, source.actor, now, place, digest=one.arrival.digest, transfer_syntax_uid=syntax):
            return True
        now = held(tx, [(lost.sop_instance_uid, lost.digest)]).get((lost.sop_instance_uid, lost.digest))
    return now is not None


def receive_together(tx: Tx, group: Sequence[Placed], issuers: dict[str, str]) -> list[Outcome]:
    """As ``receive``, without a savepoint: raises one of NOT_TOGETHER, after which the transaction is to be rolled back."""
    return _receive(tx, group, issuers, rows_receive.stored(tx, (one.arrival.sop_instance_uid for one in group)))


def receive_new(tx: Tx, group: Sequence[Placed], issuers: dict[str, str]) -> list[Outcome]:
    """As ``receive_together``, for instances that this transaction has found not to be stored."""
    return _receive(tx, group, issuers, {})


def _receive(tx: Tx, group: Sequence[Placed], issuers: dict[str, str], instances: dict[str, Any]) -> list[Outcome]:
    arrivals = [one.arrival for one in group]
    known = _Known(
        instances=instances,
        studies=rows_receive.studies(tx, (a.study_uid for a in arrivals)),
        series=rows_receive.series_of(tx, ((a.study_uid, a.series_uid) for a in arrivals)),
        patients=rows_receive.patients(tx, (patient_key(a, issuers) for a in arrivals)),
        issuers=issuers,
    )
    outcomes = [_decide(tx, one, known) for one in group]
    if known.new_instances:
        _insert_new(tx, known)
        if rows_receive.sealed_meanwhile(tx, (row["sop_instance_uid"] for row in known.new_instances)):
            raise Overtaken
        _sum_up(tx, known)
    if known.marks:
        rows_doubt.mark(tx, known.marks)
        outcomes = _agreed(tx, group, outcomes, known)
    return outcomes


def _agreed(tx: Tx, group: Sequence[Placed], outcomes: list[Outcome], known: _Known) -> list[Outcome]:
    """Let exams that showed nothing when this group came, all being rejected, say what it says; the outcomes with the flags left."""
    actors = {one.arrival.study_uid: one.arrival.source.actor for one in group}
    for study_uid in sorted({study_uid for _, study_uid, _ in known.marks}):
        rejection_count = rows_doubt.rejection_count(tx, study_uid)
        # What such an exam shows are the notes that rejected the rest. More than that has its own word, and one more changes nothing.
        if not rejection_count or known.studies[study_uid].instance_count > rejection_count:
            continue
        reopen(tx, study_uid)
        if agree(tx, actors[study_uid], study_uid):
            flags = _flags(rows.studies_by_uid(tx, [study_uid])[study_uid])
            outcomes = [replace(o, flags=flags) if (o.study_uid, o.fate) == (study_uid, Fate.STORED) else o for o in outcomes]
    return outcomes


def _decide(tx: Tx, one: Placed, known: _Known) -> Outcome:
    arrival = one.arrival
    existing = known.instances.get(arrival.sop_instance_uid)
    if existing is not None:
        study = _value(existing, "study_uid")
        if study not in known.studies:  # the UID is that of an instance of another study
            known.studies |= rows_receive.studies(tx, [study])
        if refused := apart.crossing(tx, arrival.source, known.studies[study].site_id):
            return arrival.outcome(Fate.REFUSED, error=refused)
        if (digest := _value(existing, "digest")) in (arrival.digest, arrival.padding_twin):
            note_right(tx, arrival, held=[digest])
            return arrival.outcome(Fate.ALREADY_STORED, flags=_flags(known.studies.get(arrival.study_uid)))
        if one.place is None or one.lost is not None:  # this content is kept aside already
            note_right(tx, arrival, held=[arrival.digest, arrival.padding_twin])
            return arrival.outcome(Fate.KEPT_ASIDE)
        if isinstance(existing, dict):  # it came in this very group: the conflict shows it as archived
            _insert_new(tx, known)
        site_id = known.studies[study].site_id
        note_right(tx, arrival)
        aside.keep(tx, arrival, one.place, site_id=site_id, archived_study_uid=study)
        return arrival.outcome(Fate.KEPT_ASIDE)
    if one.place is None:
        raise AssertionError("an instance without bytes must be one that is stored")
    study_row = _ensure_study(tx, arrival, known)
    if refused := apart.crossing(tx, arrival.source, study_row.site_id):
        return arrival.outcome(Fate.REFUSED, error=refused)
    note_right(tx, arrival)
    _ensure_series(tx, arrival, known)
    row = _instance_row(tx, arrival, one.place)
    known.new_instances.append(row)
    known.instances[arrival.sop_instance_uid] = row
    return arrival.outcome(Fate.STORED, flags=_flag(tx, arrival, study_row, known))


def _insert_new(tx: Tx, known: _Known) -> None:
    rest = known.new_instances[known.inserted_count :]
    if rest:
        rows_receive.insert_instances(tx, rest)
        known.inserted_count += len(rest)


def _ensure_patient(tx: Tx, arrival: Arrival, known: _Known) -> Any:
    """The patient of a new study, inserted when it is new; the unique key decides when two arrive at once."""
    key = patient_key(arrival, known.issuers)
    if key not in known.patients:
        rows.insert_new(tx, rows.patient, [_patient_row(tx, arrival, key)])
        known.patients |= rows_receive.patients(tx, [key])
    return known.patients[key]


def _patient_row(tx: Tx, arrival: Arrival, key: tuple[str, str]) -> dict[str, Any]:
    name = arrival.first(PATIENT_NAME)
    return {
        "id": new_id(), "patient_id": key[0], "issuer": key[1], "name": name, "name_folded": person_name_groups(name)[0],
        "birth_date": text.stored_date(arrival.first(BIRTH_DATE)), "sex": arrival.first(SEX)[:16],
        "attributes": arrival.indexed("PATIENT"), "created_at": to_text(tx.now()),
    }  # fmt: skip


def _ensure_study(tx: Tx, arrival: Arrival, known: _Known) -> Any:
    if arrival.study_uid not in known.studies:
        rows.insert_new(tx, rows.study, [_study_row(tx, arrival, known)])
        known.studies |= rows_receive.studies(tx, [arrival.study_uid])
    return known.studies[arrival.study_uid]


def _study_row(tx: Tx, arrival: Arrival, known: _Known) -> dict[str, Any]:
    patient_id, issuer = patient_key(arrival, known.issuers)
    name, other_name = person_name_groups(arrival.first(PATIENT_NAME))
    now = to_text(tx.now())
    return {
        "study_uid": arrival.study_uid, "site_id": arrival.source.site_id, "patient_key": _ensure_patient(tx, arrival, known).id,
        "patient_id": patient_id, "issuer": issuer, "patient_name": arrival.first(PATIENT_NAME), "name_folded": name,
        "other_name_folded": other_name, "birth_date": text.stored_date(arrival.first(BIRTH_DATE)), "sex": arrival.first(SEX)[:16],
        "study_date": text.stored_date(arrival.first(STUDY_DATE)), "study_time": text.stored_time(arrival.first(STUDY_TIME)),
        "accession_number": arrival.first(ACCESSION), "study_id": arrival.first(STUDY_ID), "description": arrival.first(DESCRIPTION),
        "description_folded": folded(arrival.first(DESCRIPTION)), "referring_folded": folded(arrival.first(REFERRING)),
        "attributes": {**arrival.indexed("PATIENT"), **arrival.indexed("STUDY")},
        "received_first_at": now, "received_last_at": now, "modalities": "", "series_count": 0, "instance_count": 0, "size_bytes": 0,
        "flags": "", "hidden": False, "settled_at": "",
    }  # fmt: skip


def _ensure_series(tx: Tx, arrival: Arrival, known: _Known) -> None:
    key = (arrival.study_uid, arrival.series_uid)
    if key in known.series:
        return
    values = {
        "study_uid": key[0], "series_uid": key[1], "modality": arrival.first(MODALITY)[:16], "number": arrival.number(SERIES_NUMBER),
        "description": arrival.first(SERIES_DESCRIPTION), "attributes": arrival.indexed("SERIES"), "sop_classes": "",
        "instance_count": 0, "size_bytes": 0, "hidden": False, "received_first_at": to_text(tx.now()),
    }  # fmt: skip
    rows.insert_new(tx, rows.series, [values])
    known.series |= rows_receive.series_of(tx, [key])


def _instance_row(tx: Tx, arrival: Arrival, place: Place) -> dict[str, Any]:
    return {
        "sop_instance_uid": arrival.sop_instance_uid, "study_uid": arrival.study_uid, "series_uid": arrival.series_uid,
        "sop_class_uid": arrival.sop_class_uid, "number": arrival.instance_number,
        "transfer_syntax_uid": arrival.incoming.transfer_syntax_uid, "blob_key": place.blob_key, "offset": place.offset,
        "length_bytes": place.length_bytes, "dataset_offset": place.dataset_offset, "pixel_data_offset": arrival.pixel_data_offset,
        "frame_count": arrival.frame_count, "digest": arrival.digest, "attributes": arrival.indexed("IMAGE"),
        "site_id": arrival.source.site_id, "source_ae": arrival.source.ae_title[:16], "rejection_id": "",
        "received_at": to_text(tx.now()), "packed": place.packed,
    }  # fmt: skip


def _sum_up(tx: Tx, known: _Known) -> None:
    """Bring the counts of touched series and studies up to date, and publish one change per series."""
    by_study: dict[str, dict[tuple[str, str], list[dict[str, Any]]]] = {}
    for row in known.new_instances:
        by_study.setdefault(row["study_uid"], {}).setdefault((row["study_uid"], row["series_uid"]), []).append(row)
    grown: list[dict[str, Any]] = []
    for study_uid in sorted(by_study):
        for key, some in sorted(by_study[study_uid].items()):
            classes = {*known.series[key].sop_classes.split(), *(row["sop_class_uid"] for row in some)}
            grown.append({"study_uid": key[0], "series_uid": key[1], **_size(some), "sop_classes": " ".join(sorted(classes))})
            tx.publish(InstanceStored(key[0], key[1], some[0]["site_id"], len(some)))
    rows_receive.add_to_series(tx, grown)
    rows_receive.add_to_studies(tx, [_study_growth(tx, known, uid, by_study[uid]) for uid in sorted(by_study)])


def _study_growth(tx: Tx, known: _Known, study_uid: str, new: dict[tuple[str, str], list[dict[str, Any]]]) -> dict[str, Any]:
    modalities = {*known.studies[study_uid].modalities.split(" "), *(known.series[key].modality for key in new)}
    return {
        "study_uid": study_uid, **_size([row for some in new.values() for row in some]), "modalities": rows.joined(modalities - {""}),
        "series_count": sum(1 for key in new if known.series[key].instance_count == 0), "received_last_at": to_text(tx.now()),
    }  # fmt: skip


def _size(new: list[dict[str, Any]]) -> dict[str, int]:
    return {"size_bytes": sum(row["length_bytes"] for row in new), "instance_count": len(new)}


def _flag(tx: Tx, arrival: Arrival, study_row: Any, known: _Known) -> tuple[str, ...]:
    """Flag the study when this instance raises doubt about whose exam it is; returns the flags that the study now has."""
    key = patient_key(arrival, known.issuers)
    found = doubts(arrival, study_row, key, known.patients.get(key))
    if not found:
        return _flags(study_row)
    if arrival.study_uid not in known.noted:
        known.noted[arrival.study_uid] = aside.noted(tx, arrival.study_uid)
    flags = set(_flags(study_row))
    for flag, archived in found:
        doubt = aside.flag(tx, arrival, flag, archived, study=study_row, among=known.noted[arrival.study_uid])
        if doubt.state == "open":
            flags.add(flag.value)
        if flag is not Flag.OTHER_SITE:
            known.marks.append((arrival.sop_instance_uid, arrival.study_uid, doubt.conflict_id))
    if flags != set(_flags(study_row)):
        rows.change_study(tx, arrival.study_uid, flags=" ".join(sorted(flags)))
        known.studies |= rows_receive.studies(tx, [arrival.study_uid])
    return tuple(sorted(flags))


def _flags(study_row: Any) -> tuple[str, ...]:
    return tuple(study_row.flags.split()) if study_row is not None else ()


def _value(row: Any, name: str) -> Any:
    return row[name] if isinstance(row, dict) else getattr(row, name)


def audit_received(tx: Tx, group: Sequence[Placed], outcomes: Sequence[Outcome], begun: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Record that a transfer began, once per association and study (PS3.15 A.5.3.3), or was refused by the training region's wall.

    Returns the pairs that are new.
    """
    new: dict[tuple[str, str], Placed] = {}
    for one, outcome in zip(group, outcomes, strict=True):
        pair = (one.arrival.source.association_id, outcome.study_uid)
        if outcome.fate is not Fate.REFUSED and pair not in begun:
            new.setdefault(pair, one)
    for (association_id, study_uid), one in new.items():
        source = one.arrival.source
        audit.record(
            tx, source.actor, "archive.receive", study_uid=study_uid, object_id=association_id,
            door=source.door, site_id=source.site_id, ae_title=source.ae_title, address=source.address,
        )  # fmt: skip
    sources = (one.arrival.source for one in group)
    return set(new) | apart.audit_refused(tx, zip(sources, outcomes, strict=True), begun)
