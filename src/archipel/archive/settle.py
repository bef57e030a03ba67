"""Settle: a study for which nothing has arrived during the quiet time is complete, as far as anyone can tell.

The quiet time is kept in the database, so it survives a restart; a late instance starts it again.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import timedelta

from archipel.archive import rows
from archipel.archive.changes import InstanceStored, StudySettled
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.feed import Change


def start_quiet_time(tx: Tx, changes: Sequence[InstanceStored], *, quiet_s: int) -> None:
    """Follower of InstanceStored: the study's quiet time starts again."""
    rows.set_quiet(tx, (c.study_uid for c in changes), to_text(tx.now() + timedelta(seconds=quiet_s)))


def replay_unsettled(tx: Tx) -> Iterator[Change]:
    """The studies that have grown since they settled, as changes, for a replay from zero."""
    return (InstanceStored(row.study_uid, "", row.site_id, row.instance_count) for row in rows.unsettled(tx))


def settle_due(tx: Tx, *, limit: int = 200) -> int:
    """Publish StudySettled for every study whose quiet time is over; returns how many."""
    due = rows.take_due(tx, to_text(tx.now()), limit)
    for uid, study in rows.studies_by_uid(tx, due).items():
        rows.change_study(tx, uid, settled_at=to_text(tx.now()))
        tx.publish(StudySettled(uid, study.site_id, study.instance_count))
    rows.clear_quiet(tx, due)
    return len(due)
