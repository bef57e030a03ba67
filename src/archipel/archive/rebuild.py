"""Rebuild: the index made again from the objects alone, beside what an index holds already.

Sealed objects speak by their manifests, the newest first: of two sealings of a series the later wins, and what it replaced is let go as it
was. Whatever no manifest holds is found in ``received/`` and received where it lies, in the order in which it came. Nothing that the index
holds is changed, so a rebuild may be run again, and goes on where it was cut off.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import structlog

from archipel import directory
from archipel.archive import (
    packing,
    rebuild_sites,
    rows,
    rows_instances,
    rows_let_go,
    rows_rebuild,
    rows_review,
    rows_sealed,
    sealed_object,
)
from archipel.archive.arrival import understand
from archipel.archive.changes import InstanceStored
from archipel.archive.model import Fate, Incoming, Place, Source
from archipel.archive.rebuild_doubts import doubt_again
from archipel.archive.receive import Placed, audit_received, receive
from archipel.archive.recount import recount_all
from archipel.archive.rejection_note import KEY_OBJECT_SELECTION
from archipel.archive.repair import damaged, held_by
from archipel.archive.repair import held as contents_held
from archipel.archive.rows_sealed import InstanceRow
from archipel.archive.scan import Seen, Unread, scan
from archipel.archive.verify import damage
from archipel.kit.actor import Actor
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError
from archipel.kit.ids import new_id
from archipel.kit.spool import Spool

GROUP = 64
GROUP_BYTES = 64 << 20
DOOR = "rebuild"

log = structlog.get_logger(__name__)


@dataclass
class Step:
    """What became of one object: instances that the index has now (``taken``), had (``held``), keeps aside, and what was not read."""

    key: str
    size_bytes: int
    taken: int = 0
    held: int = 0
    kept_aside: int = 0
    refused: list[str] = field(default_factory=list)
    # Study UIDs of instances whose site nobody knows any more: they are at the default site.
    guessed: set[str] = field(default_factory=set)


@dataclass(frozen=True)
class _Parts:
    database: Database
    blobs: Blobs
    spool: Spool
    actor: Actor
    run_id: str

    def source(self, site_id: str, ae_title: str = "") -> Source:
        return Source(DOOR, site_id, self.actor, ae_title, association_id=self.run_id, may_reject=True)


def rebuild_objects(blobs: Blobs) -> list[tuple[str, int]]:
    """What a rebuild reads, in its order: (key, size in bytes). Keys end with the instant at which they were made (``new_id``)."""
    sealed = sorted(blobs.list(sealed_object.SEALED_FOLDER), key=lambda one: one[0].rpartition("/")[2], reverse=True)
    return sealed + sorted(blobs.list("received"), key=lambda one: one[0].rpartition("/")[2])


def rebuild(database: Database, blobs: Blobs, spool: Spool, actor: Actor, some: Sequence[tuple[str, int]]) -> Iterator[Step]:
    """Bring ``some`` objects, as ``rebuild_objects`` lists them, into the index, one after the other. Run it while nothing is received."""
    parts = _Parts(database, blobs, spool, actor, new_id())
    sites = rebuild_sites.Senders(database)
    for key, size in some:
        act = _sealed if key.startswith(sealed_object.SEALED_FOLDER + "/") else partial(_received, sites=sites)
        step = Step(key, size)
        try:
            act(parts, step)
        except ArchipelError as error:
            if error.code not in (BLOB_MISSING, BLOB_UNREADABLE, sealed_object.DAMAGED):  # the store or the database is away
                raise
            step.refused.append(error.public)
        for reason in step.refused:
            log.error("rebuild.refused", blob_key=key, reason=reason)
        yield step
    doubt_again(database, blobs, spool, actor)


def _sealed(parts: _Parts, step: Step) -> None:
    with parts.database.read() as tx:
        step.held = rows_rebuild.instances_sealed(tx, step.key)
    if step.held:
        return
    held = sealed_object.read_manifest(parts.blobs, step.key)
    held["instances"] = [row._replace(blob_key=step.key) for row in held["instances"]]
    others = parts.database.transact(partial(_take, parts=parts, step=step, held=held))
    _receive_others(parts, step, others)
    with parts.database.read() as tx:
        if rows_let_go.is_noted(tx, step.key) or rows_let_go.named(tx, [step.key]):
            return
        elsewhere = contents_held(tx, ((row.sop_instance_uid, row.digest) for row in held["instances"]))
    if bad := damaged(parts.blobs, elsewhere.values()):  # after a disaster the older object may be the better one
        step.refused.append(f"{len(bad)} of its instances are damaged where they were sealed again; it is not let go")
        return
    parts.database.transact(lambda tx: rows_let_go.note(tx, [step.key], to_text(tx.now())))


def _take(tx: Tx, parts: _Parts, step: Step, held: dict[str, Any]) -> list[InstanceRow]:
    """Index what is new of a sealed object; returns the instances of which the index holds another content."""
    every: list[InstanceRow] = held["instances"]
    study_uid, series_uid = held["study"]["study_uid"], held["series"]["series_uid"]
    rebuild_sites.add(tx, parts.actor, held.get("site"), {held["study"]["site_id"], *(row.site_id for row in every)})
    rows_rebuild.add(tx, held)
    rows.studies_by_uid(tx, [study_uid], lock=True)
    known = rows_instances.known(tx, [row.sop_instance_uid for row in every])
    new = [row for row in every if row.sop_instance_uid not in known]
    others = [row for row in every if row.sop_instance_uid in known and known[row.sop_instance_uid].digest != row.digest]
    step.taken, step.held = len(new), len(every) - len(new) - len(others)
    if not new:
        return others
    rows_let_go.keep(tx, step.key)
    if rows_sealed.of_series(tx, study_uid, series_uid):  # a later sealing left these out, or the index is an older one
        rows_sealed.insert_rows(tx, new)
    else:
        rows_sealed.add(tx, study_uid, series_uid, step.key, new, held.get("sealed_at") or held["study"]["settled_at"] or to_text(tx.now()))
    recount_all(tx, study_uid)
    for uid, digest in held.get("refused_notes", ()):
        rows_review.refuse_note(tx, uid, digest, held["study"]["site_id"])
    if any(row.sop_class_uid == KEY_OBJECT_SELECTION for row in new):  # a rejection note acts again
        tx.publish(InstanceStored(study_uid, series_uid, held["study"]["site_id"], len(new)))
    return others


def _receive_others(parts: _Parts, step: Step, others: Sequence[InstanceRow]) -> None:
    """Contents under a UID of which the index holds another one: kept aside where they lie."""
    for row in others:
        place = Place(row.blob_key, row.offset, row.length_bytes, row.dataset_offset, row.packed)
        if reason := damage(parts.blobs, place, row.digest):
            step.refused.append(f"{row.sop_instance_uid}: {reason}")
            continue
        spooled = parts.spool.new()
        for chunk in packing.stream(parts.blobs, place, 0, place.length_bytes):
            spooled.write(chunk)
        source = parts.source(row.site_id, row.source_ae)
        _receive(parts, step, [Seen(understand(Incoming(spooled, row.transfer_syntax_uid, "", "", source, row.dataset_offset)), place)])


def _received(parts: _Parts, step: Step, sites: rebuild_sites.Senders) -> None:
    group: list[Seen] = []
    size = parts.blobs.size(step.key)  # what a listing says may be that of a form in which it is stored
    try:
        for found in scan(parts.blobs, step.key, size, parts.spool, partial(parts.source, directory.DEFAULT_SITE)):
            if isinstance(found, Unread):
                step.refused.append(f"{found.length_bytes} bytes at {found.offset}: {found.reason}")
                continue
            group.append(_of_its_site(parts, step, found, sites))
            if len(group) >= GROUP or sum(one.place.length_bytes for one in group) > GROUP_BYTES:
                _receive(parts, step, group)
                group = []
        _receive(parts, step, group)
    finally:
        for one in group:
            one.arrival.incoming.spooled.close()


def _of_its_site(parts: _Parts, step: Step, found: Seen, sites: rebuild_sites.Senders) -> Seen:
    arrival = found.arrival
    site_id = sites.site_of(arrival.source.ae_title, arrival.study_uid)
    if not site_id:
        step.guessed.add(arrival.study_uid)
    source = replace(arrival.source, site_id=site_id or directory.DEFAULT_SITE)
    return Seen(replace(arrival, incoming=replace(arrival.incoming, source=source)), found.place)


def _receive(parts: _Parts, step: Step, group: Sequence[Seen]) -> None:
    """Receive instances whose bytes are durable where they are."""
    try:
        with parts.database.read() as tx:
            known = held_by(tx, [one.arrival for one in group])
        step.held += sum(one is not None for one in known)
        new = [Placed(one.arrival, one.place) for one, there in zip(group, known, strict=True) if there is None]
        fates = parts.database.transact(partial(_index, new=new)) if new else []
        for fate, reason in fates:
            step.taken += fate is Fate.STORED
            step.held += fate is Fate.ALREADY_STORED
            step.kept_aside += fate is Fate.KEPT_ASIDE
            step.refused += [reason] if fate is Fate.REFUSED else []
    finally:
        for one in group:
            one.arrival.incoming.spooled.close()


def _index(tx: Tx, new: Sequence[Placed]) -> list[tuple[Fate, str]]:
    issuers = {site.id: site.default_issuer for site in directory.sites(tx)}
    outcomes = receive(tx, new, issuers)
    audit_received(tx, new, outcomes, set())
    return [(one.fate, f"{one.sop_instance_uid}: {one.error}") for one in outcomes]
