"""Scrub: the whole archive verified again and again, slowly, by one process at a time; a restart goes on where it was.

What is damaged is noted until it is whole again, so that people see it before somebody asks for the exam.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from archipel.archive import rows_scrub
from archipel.archive.repair import held
from archipel.archive.rows_objects import object_keys as object_keys
from archipel.archive.verify import PARTS, Item, damage, damage_left, items
from archipel.archive.verify import Checked as Checked  # with what follows what the room offers of verifying
from archipel.archive.verify import Damage as Damage
from archipel.archive.verify import Pace as Pace
from archipel.archive.verify import orphans as orphans
from archipel.archive.verify import verify as verify
from archipel.kit.blobs import Blobs
from archipel.kit.clock import from_text, to_text
from archipel.kit.database import Database, Tx
from archipel.kit.ids import new_id

# A slice ends soon: a process that stops waits for it.
SLICE_S = 5.0
SLICE_COUNT = 500
HELD_S = 600.0
LOOK_AGAIN_S = 3600.0
LOOK_AGAIN_COUNT = 100

log = structlog.get_logger(__name__)


@dataclass
class _Slice:
    """What one slice did; ``part`` and ``cursor`` are where the next begins."""

    part: str
    cursor: str
    checked: int = 0
    size_bytes: int = 0
    found: list[tuple[Item, str]] = field(default_factory=list)
    whole: list[tuple[str, str]] = field(default_factory=list)


class Scrubber:
    """Looks at everything once in ``every_days``, at ``bytes_per_s`` at most. One for each process that works; one of them does it."""

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        *,
        every_days: float,
        bytes_per_s: int,
        slice_count: int = SLICE_COUNT,
        ticks: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._database, self._blobs, self._ticks = database, blobs, ticks
        self._every = timedelta(days=every_days)
        self._pace = Pace(bytes_per_s, ticks, sleep)
        self._slice_count = slice_count
        self._mine = new_id()
        self._look_again_at = 0.0

    def scrub(self) -> int:
        """Do a slice if a pass is due or under way; how many instances were looked at, 0 when there is nothing to do for now."""
        with self._database.read() as tx:
            row = rows_scrub.read(tx)
            if not self._is_due(tx, row) and self._ticks() < self._look_again_at:
                return 0
        row = self._database.transact(self._hold)
        if row is None:
            return 0
        self._look_again()
        if row.ended_at or not row.started_at:
            return 0
        done = self._slice(row)
        self._database.transact(lambda tx: self._note(tx, done))
        return done.checked or int(done.part != row.part)

    def _is_due(self, tx: Tx, row: Any) -> bool:
        if row is None or not row.started_at:
            return True
        return not row.ended_at or from_text(row.started_at) + self._every <= tx.now()

    def _hold(self, tx: Tx) -> Any | None:
        row = rows_scrub.hold(tx, self._mine, to_text(tx.now()), to_text(tx.now() + timedelta(seconds=HELD_S)))
        if row is not None and (row.ended_at or not row.started_at) and self._is_due(tx, row):
            rows_scrub.begin(tx, self._mine, PARTS[0], to_text(tx.now()))
            row = rows_scrub.read(tx)
        return row

    def _slice(self, row: Any) -> _Slice:
        with self._database.read() as tx:
            noted = {(one.sop_instance_uid, one.digest) for one in rows_scrub.damages(tx)}
        done, until = _Slice(row.part, row.cursor), self._ticks() + SLICE_S
        for item in items(self._database, row.part, row.cursor):
            reason = self._damage(item)
            done.cursor, done.checked, done.size_bytes = item.cursor, done.checked + 1, done.size_bytes + item.place.length_bytes
            if reason:
                done.found.append((item, reason))
            elif (item.sop_instance_uid, item.digest) in noted:
                done.whole.append((item.sop_instance_uid, item.digest))
            if done.checked >= self._slice_count or self._ticks() >= until:
                return done
        following = (*PARTS, "")[PARTS.index(row.part) + 1]
        done.part, done.cursor = following, ""
        return done

    def _damage(self, item: Item) -> str:
        """What is wrong with an instance, where it is now if it has been moved since its row was read."""
        place = item.place
        while reason := damage_left(self._database, self._blobs, place, item.digest, self._pace):
            key = (item.sop_instance_uid, item.digest)
            with self._database.read() as tx:
                now = held(tx, [key]).get(key)
            if now is None:
                return ""
            if now.place == place:
                return reason
            place = now.place
        return ""

    def _note(self, tx: Tx, done: _Slice) -> None:
        now = to_text(tx.now())
        values: dict[str, Any] = {"part": done.part, "cursor": done.cursor} | ({} if done.part else {"ended_at": now, "held_until": ""})
        counts = {"checked": done.checked, "size_bytes": done.size_bytes, "damaged": len(done.found)}
        if not rows_scrub.go_on(tx, self._mine, values, **counts):
            return
        rows_scrub.mended(tx, done.whole)
        for item, reason in done.found:
            note = {"sop_instance_uid": item.sop_instance_uid, "digest": item.digest, "study_uid": item.study_uid, "reason": reason}
            rows_scrub.note(tx, {**note, "found_at": now})
            log.error("scrub.damaged", sop_instance_uid=item.sop_instance_uid, study_uid=item.study_uid, reason=reason)

    def _look_again(self) -> None:
        """Forget, once an hour, the damage that was mended elsewhere, or whose content is not held any more."""
        if self._ticks() < self._look_again_at:
            return
        self._look_again_at = self._ticks() + LOOK_AGAIN_S
        with self._database.read() as tx:
            noted = [(one.sop_instance_uid, one.digest) for one in rows_scrub.damages(tx, limit=LOOK_AGAIN_COUNT)]
            now = held(tx, noted)
        whole = [key for key in noted if key not in now or not damage(self._blobs, now[key].place, now[key].digest, self._pace)]
        if whole:
            self._database.transact(lambda tx: rows_scrub.mended(tx, whole))


def scrubbed(tx: Tx) -> dict[str, Any]:
    """How far the pass is or how the last one ended: started_at, ended_at, checked, bytes, damaged (in it), and what is damaged now."""
    row = rows_scrub.read(tx)
    names = ("started_at", "ended_at", "checked", "bytes", "damaged")
    found = {name: getattr(row, name) for name in names} if row is not None else dict(zip(names, ("", "", 0, 0, 0), strict=True))
    return {**found, "damaged_now": rows_scrub.damage_count(tx)}
