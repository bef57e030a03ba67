"""Copy: sealed objects go to the store behind this machine's folder, and leave the folder when the store has proved that it has them.

While the store is away, receiving, sealing and the reading of what is here go on; what waits is copied when it is back.
"""

from __future__ import annotations

import time
from datetime import timedelta

import structlog

from archipel.archive import rows_copies
from archipel.kit.clock import to_text
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError, NotFound, Unavailable
from archipel.kit.tiered import TieredBlobs

PAGE = 100
LOOK_EVERY_S = 3600.0

log = structlog.get_logger(__name__)


class Copier:
    """Copies what waits, and frees the folder of what was copied more than ``keep_hours`` ago."""

    def __init__(self, database: Database, blobs: TieredBlobs, *, keep_hours: float) -> None:
        self._database, self._blobs = database, blobs
        self._keep = timedelta(hours=keep_hours)
        self._look_at = 0.0

    def copy(self) -> int:
        """Copy what waits, a page at most; how many were. Ends early, without an error, when the store does not answer."""
        if time.monotonic() >= self._look_at and not self._ask_for_missing():
            self._look_at = time.monotonic() + LOOK_EVERY_S
        with self._database.read() as tx:
            waiting = rows_copies.waiting(tx, PAGE)
        done = 0
        for key in waiting:
            try:
                size, digest = self._blobs.copy(key)
            except NotFound:  # of a series that was sealed anew meanwhile and swept; else verify says so
                log.error("copy.missing", blob_key=key)
                continue
            except Unavailable as error:
                log.warning("copy.put_off", blob_key=key, code=error.code, detail=error.detail, waiting=len(waiting) - done)
                if error.code == "blobs":
                    return 0
                continue
            with self._database.write(durable=False) as tx:
                rows_copies.copied(tx, key, size, digest, to_text(tx.now()))
            done += 1
        return done

    def _ask_for_missing(self) -> int:
        """Ask for a page of the objects that were sealed before there was a store behind."""
        with self._database.write(durable=False) as tx:
            return rows_copies.ask_for_missing(tx, to_text(tx.now()), PAGE)

    def free(self) -> int:
        """Remove from the folder what the store has had for long enough; how many objects were."""
        with self._database.read() as tx:
            some = rows_copies.to_free(tx, to_text(tx.now() - self._keep), PAGE)
        gone: list[str] = []
        lost: list[str] = []
        try:
            for key, size_bytes in some:
                (gone if self._blobs.drop_local(key, size_bytes) else lost).append(key)
        except ArchipelError as error:  # the store is away: the rest is for the next time
            log.warning("copy.not_freed", detail=error.detail)
        if lost:
            log.error("copy.lost", objects=len(lost))
        if gone or lost:
            with self._database.write(durable=False) as tx:
                rows_copies.freed(tx, gone)
                rows_copies.lost(tx, lost)
        return len(gone)


def mend_from_copy(database: Database, blobs: TieredBlobs, key: str) -> bool:
    """Replace an object that is damaged in the folder by its copy; whether that was intact."""
    with database.read() as tx:
        digest = rows_copies.digest_of(tx, key)
    try:
        if not digest or not blobs.mend_local(key, digest):
            return False
    except Unavailable as error:  # the store is away: the damage stays what it is
        log.warning("copy.not_mended", blob_key=key, detail=error.detail)
        return False
    log.warning("copy.mended", blob_key=key)
    return True
