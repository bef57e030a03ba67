"""Doubts of a rebuild: a flag that a manifest brings stands in the list of conflicts again, so that a person can settle it."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import structlog

from archipel import directory
from archipel.archive import aside, packing, rows, rows_doubt, rows_rebuild, rows_sealed, rows_upkeep
from archipel.archive.arrival import Arrival, understand
from archipel.archive.doubt import doubts, patient_key
from archipel.archive.model import Flag, Incoming, Place, Source
from archipel.archive.rows_sealed import InstanceRow
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, NotFound
from archipel.kit.spool import Spool

PAGE = 100

log = structlog.get_logger(__name__)


def doubt_again(database: Database, blobs: Blobs, spool: Spool, actor: Actor) -> None:
    """Look at the instances of every flagged study whose flag no open conflict explains. What cannot be read raises no doubt."""
    for study_uid, missing in _unexplained(database):
        with database.read() as tx:
            sealed = (row for one in rows_sealed.of_study(tx, study_uid) for row in one.rows)
            every = sorted((*sealed, *rows_sealed.open_rows(tx, study_uid)), key=lambda row: (row.received_at, row.number or 0))
        found: set[str] = set()
        for row in every:
            found |= _look(database, blobs, spool, actor, row, missing)
        if missing - found:
            log.warning("rebuild.flag_unexplained", study_uid=study_uid, flags=sorted(missing - found))


def _unexplained(database: Database) -> Iterator[tuple[str, set[str]]]:
    after = ""
    while True:
        with database.read() as tx:
            page = rows_rebuild.flagged(tx, after, PAGE)
            missing = [(row.study_uid, set(row.flags.split()) - rows_rebuild.open_doubts(tx, row.study_uid)) for row in page]
        yield from ((uid, some) for uid, some in missing if some)
        if len(page) < PAGE:
            return
        after = page[-1].study_uid


def _look(database: Database, blobs: Blobs, spool: Spool, actor: Actor, row: InstanceRow, missing: set[str]) -> set[str]:
    """Note the doubts that an instance raises, of those that are missing; returns them."""
    place = Place(row.blob_key, row.offset, row.length_bytes, row.dataset_offset, row.packed)
    spooled = spool.new()
    try:
        for chunk in packing.stream(blobs, place, 0, place.length_bytes):
            spooled.write(chunk)
        source = Source("", row.site_id, actor, row.source_ae)
        arrival = understand(Incoming(spooled, row.transfer_syntax_uid, "", "", source, row.dataset_offset))
        return database.transact(partial(_raise, arrival=arrival, missing=missing))
    except ArchipelError as error:
        log.warning("rebuild.not_looked_at", sop_instance_uid=row.sop_instance_uid, detail=error.detail)
        return set()
    finally:
        spooled.close()


def _raise(tx: Tx, arrival: Arrival, missing: set[str]) -> set[str]:
    study: Any = rows.studies_by_uid(tx, [arrival.study_uid], lock=True).get(arrival.study_uid)
    if study is None:
        raise NotFound("The exam has gone.", code="no-study")
    key = patient_key(arrival, {site.id: site.default_issuer for site in directory.sites(tx)})
    among = aside.noted(tx, arrival.study_uid)
    some = [one for one in doubts(arrival, study, key, rows_upkeep.patient_of(tx, key)) if one[0].value in missing]
    for flag, archived in some:
        noted = aside.flag(tx, arrival, flag, archived, study=study, among=among)
        if flag is not Flag.OTHER_SITE:
            rows_doubt.mark(tx, [(arrival.sop_instance_uid, arrival.study_uid, noted.conflict_id)])
    return {flag.value for flag, _ in some}
