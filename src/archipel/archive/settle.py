"""Settle: a study for which nothing has arrived during the quiet time is complete, as far as anyone can tell.

The quiet time is kept in the database, so it survives a restart; a late instance starts it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from archipel.archive import rows, rows_upkeep
from archipel.archive.changes import InstanceStored, StudySettled
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.feed import Change

# How far the clocks of several machines may be apart.
CLOCKS_APART_S = 120


def start_quiet_time(tx: Tx, changes: Sequence[InstanceStored], *, quiet_s: int) -> None:
    """Follower of InstanceStored: the study's quiet time starts again."""
    rows.set_quiet(tx, (c.study_uid for c in changes), to_text(tx.now() + timedelta(seconds=quiet_s)))


def replay_unsettled(tx: Tx) -> Iterator[Change]:
    """The studies that have grown since they settled, as changes, for a replay from zero."""
    return (InstanceStored(row.study_uid, "", row.site_id, row.instance_count) for row in rows.unsettled(tx))


def settle_due(tx: Tx, *, quiet_s: int, limit: int = 200) -> int:
    """Publish StudySettled for every study whose quiet time is over and that has grown since it last settled; returns how many.

    One that would end more than ``quiet_s`` from now was written by a clock that was ahead: it is over.
    """
    now = tx.now()
    due = rows.take_due(tx, to_text(now), to_text(now + timedelta(seconds=quiet_s + CLOCKS_APART_S)), limit)
    count = 0
    for uid in sorted(due):  # in one order, as every writer of studies: two never wait for each other
        settled = rows_upkeep.settle(tx, uid, to_text(tx.now()))
        if settled is not None:
            tx.publish(StudySettled(uid, settled.site_id, settled.instance_count))
            count += 1
    rows.clear_quiet(tx, due)
    return count
