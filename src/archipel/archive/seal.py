"""Seal: when a study has settled, each of its series becomes one object with a manifest, and the rows of its instances go.

Every crash leaves either the rows or the sealed series, never neither: the object is durable before the one transaction that turns
the index to it, and what it replaces is removed by the sweeper long after. What changes instances opens the series again first.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from datetime import timedelta
from functools import partial
from typing import Any

import structlog

from archipel.archive import rows, rows_copies, rows_let_go, rows_review, rows_sealed, sealed_object
from archipel.archive.changes import SeriesSealed, StudySettled
from archipel.archive.model import KEY_OBJECT_SELECTION
from archipel.archive.rows_sealed import InstanceRow
from archipel.archive.sealed_object import SEALED_FOLDER as SEALED_FOLDER  # part of what this module offers
from archipel.archive.verify import damage, place_of
from archipel.kit.blobs import Blobs
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError
from archipel.kit.feed import Change
from archipel.kit.ids import new_id
from archipel.kit.jobs import enqueue
from archipel.kit.tiered import TieredBlobs

SEAL_JOB = "archive.seal"
# A series that was opened again is likely to be changed again.
AGAIN_S = 300
# The tries of one job span more than a day of an object store that is away.
ATTEMPTS_MAX = 60
DEADLINE_S = 7 * 86_400
LEFT_PAGE = 500
LEFT_AFTER_S = 3600

log = structlog.get_logger(__name__)


def ask(tx: Tx, study_uid: str, *, delay_s: float = 0) -> None:
    """Let a study be sealed after this transaction. One that is asked for twice is sealed once: the second finds nothing to do."""
    enqueue(tx, SEAL_JOB, {"study_uid": study_uid}, attempts_max=ATTEMPTS_MAX, deadline_s=DEADLINE_S, delay_s=delay_s)


def _ask_all(tx: Tx, study_uids: Sequence[str]) -> None:
    for study_uid in study_uids:
        ask(tx, study_uid)


def replay_settled(tx: Tx) -> Iterator[Change]:
    """The settled studies that have open rows, as changes, for a replay from zero."""
    left = rows_sealed.left_open(tx, "", to_text(tx.now() + timedelta(days=1)), sys.maxsize)
    return (StudySettled(study_uid, "", 0) for study_uid in left)


def ask_for_settled(tx: Tx, changes: Sequence[StudySettled]) -> None:
    """Follower of StudySettled: what has settled is sealed."""
    _ask_all(tx, sorted({change.study_uid for change in changes}))


class Leftovers:
    """Asks for settled studies with open rows that no job is on: an earlier version's, or a job's that was given up."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._after = ""

    def ask(self) -> None:
        """Ask for the next page of them; behind the last, begin again."""
        with self._database.read() as tx:
            before = to_text(tx.now() - timedelta(seconds=LEFT_AFTER_S))
            left = rows_sealed.left_open(tx, self._after, before, LEFT_PAGE)
        self._after = left[-1] if left else ""
        for start in range(0, len(left), 100):
            some = left[start : start + 100]
            self._database.transact(partial(_ask_all, study_uids=some))


def seal_study(database: Database, blobs: Blobs, study_uid: str, *, packs: bool = True, root: str = "") -> int:
    """Seal every series of a settled study that has open rows; returns how many. One that has not settled is left alone.

    ``packs``: uncompressed images become HTJ2K on the way, each decoded and compared first. ``root``: the address of DICOMweb, as the
    metadata of the series will name it to most who ask; empty when it is not known.
    """
    with database.read() as tx:
        study = rows.studies_by_uid(tx, [study_uid]).get(study_uid)
        if study is None or not study.settled_at:
            return 0
        series = sorted({row.series_uid for row in rows_sealed.open_rows(tx, study_uid)})
    return sum(seal_series(database, blobs, study_uid, one, packs=packs, root=root) for one in series)


def seal_series(database: Database, blobs: Blobs, study_uid: str, series_uid: str, *, packs: bool = True, root: str = "") -> bool:
    """Seal one series, what was sealed of it before included; False when nothing was to be done, or something else came in between.

    A damaged instance keeps its row, or gets it back: ``verify`` reports it, and the same instance mends it when it comes again.
    """
    with database.read() as tx:
        opened, before = _of_series(tx, study_uid, series_uid)
        if not opened:
            return False
        facts = rows_sealed.facts(tx, study_uid, series_uid)
        facts["refused_notes"] = sorted(rows_review.refused_notes(tx, _notes((*before, *opened))))
    bad = _damaged(blobs, opened) if before else set()  # one bad instance must not have its series copied again and again
    while any(row.sop_instance_uid not in bad for row in opened):
        members = sorted((row for row in (*before, *opened) if row.sop_instance_uid not in bad), key=_order)
        key = _new_key()
        with database.write(durable=False) as tx:  # should we die before the index turns to it
            rows_let_go.note(tx, [key], to_text(tx.now()))
        copy = sealed_object.Copy(blobs, members, facts, key, packs=packs, root=root)
        try:
            blobs.put(key, copy.pieces())
        except (ArchipelError, sealed_object.Differs):
            if copy.differs is None:
                raise
            log.error("seal.damaged", study_uid=study_uid, sop_instance_uid=copy.differs.row.sop_instance_uid, reason=str(copy.differs))
            bad.add(copy.differs.row.sop_instance_uid)
            continue
        old = {row.blob_key for row in members}
        turn = partial(_turn, copied=(opened, before), members=copy.placed, key=key, old=old, copies=isinstance(blobs, TieredBlobs))
        done = database.transact(turn)
        log.info("seal.series", study_uid=study_uid, series_uid=series_uid, instances=len(members), damaged=len(bad), done=done)
        return done
    return False


def _damaged(blobs: Blobs, some: Sequence[InstanceRow]) -> set[str]:
    return {row.sop_instance_uid for row in some if damage(blobs, place_of(row._asdict()), row.digest)}


def _turn(
    tx: Tx,
    copied: tuple[list[InstanceRow], list[InstanceRow]],
    members: Sequence[InstanceRow],
    key: str,
    old: set[str],
    copies: bool,
) -> bool:
    """Turn the index to the object, if the series still is what was copied."""
    study_uid, series_uid = members[0].study_uid, members[0].series_uid
    study = rows.studies_by_uid(tx, [study_uid], lock=True)[study_uid]
    if _of_series(tx, study_uid, series_uid) != copied or not rows_let_go.keep(tx, key):
        return False
    opened, before = copied
    for one in rows_sealed.of_series(tx, study_uid, series_uid):
        rows_sealed.remove(tx, one)
    taken = {row.sop_instance_uid for row in members}
    rows_sealed.insert_rows(tx, [row for row in before if row.sop_instance_uid not in taken])
    rows_sealed.drop_rows(tx, [row for row in opened if row.sop_instance_uid in taken])
    rows_sealed.add(tx, study_uid, series_uid, key, members, to_text(tx.now()))
    if copies:
        rows_copies.ask(tx, key, to_text(tx.now()))
    rows_let_go.note(tx, old, to_text(tx.now()))
    tx.publish(SeriesSealed(study_uid, series_uid, study.site_id, len(members)))
    return True


def reopen(tx: Tx, study_uid: str) -> None:
    """Bring the rows of a study's instances back, for an act that changes some; the study must be locked. It is sealed again later."""
    found = rows_sealed.of_study(tx, study_uid)
    for one in found:
        rows_sealed.remove(tx, one)
        rows_sealed.insert_rows(tx, one.rows)
    if found:
        ask(tx, study_uid, delay_s=AGAIN_S)


def _of_series(tx: Tx, study_uid: str, series_uid: str) -> tuple[list[InstanceRow], list[InstanceRow]]:
    """The open rows of a series, and those of what is sealed of it."""
    before = [row for one in rows_sealed.of_series(tx, study_uid, series_uid) for row in one.rows]
    return rows_sealed.open_rows(tx, study_uid, series_uid), before


def _notes(some: Iterable[InstanceRow]) -> list[str]:
    return [row.sop_instance_uid for row in some if row.sop_class_uid == KEY_OBJECT_SELECTION]


def _order(row: InstanceRow) -> tuple[Any, ...]:
    """By instance number: who reads a stack reads the object from its beginning to its end."""
    return row.number is None, row.number, row.sop_instance_uid


def _new_key() -> str:
    one = new_id()
    return f"{SEALED_FOLDER}/{one[-2:]}/{one}"
