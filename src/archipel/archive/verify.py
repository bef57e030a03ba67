"""Verify: read stored bytes again and compare them with the digests that were taken when they arrived."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from archipel.archive import packing, rows_instances, rows_review, rows_sealed
from archipel.archive.copy import mend_from_copy
from archipel.archive.model import Place
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError
from archipel.kit.tiered import TieredBlobs

PAGE = 500
SERIES_PAGE = 10
# What there is to verify, in this order.
PARTS = ("open", "sealed", "aside")
# A reader that is ahead by less than this is not held up.
PACE_S = 0.02
CATCH_UP_S = 0.5


@dataclass(frozen=True)
class Damage:
    """An instance whose bytes are not what was received."""

    sop_instance_uid: str
    study_uid: str
    reason: str


@dataclass(frozen=True)
class Checked:
    """One instance looked at; ``damage`` is None when it is intact."""

    sop_instance_uid: str
    length_bytes: int
    damage: Damage | None


@dataclass(frozen=True)
class Item:
    """One content to be looked at; ``cursor`` is the place behind it among those of its part."""

    cursor: str
    sop_instance_uid: str
    study_uid: str
    place: Place
    digest: str


class Pace:
    """Holds up who reads faster than ``bytes_per_s``; 0 holds up nobody. A reader that was idle has half a second to catch up."""

    def __init__(self, bytes_per_s: int, ticks: Callable[[], float] = time.monotonic, sleep: Callable[[float], None] = time.sleep) -> None:
        self._bytes_per_s, self._ticks, self._sleep = bytes_per_s, ticks, sleep
        self._free_at = 0.0

    def __call__(self, count: int) -> None:
        """So many bytes were read."""
        if not self._bytes_per_s:
            return
        now = self._ticks()
        self._free_at = max(self._free_at, now - CATCH_UP_S) + count / self._bytes_per_s
        if self._free_at - now > PACE_S:
            self._sleep(self._free_at - now)


AT_ONCE = Pace(0)


def verify(database: Database, blobs: Blobs, pace: Pace = AT_ONCE) -> Iterator[Checked]:
    """Every stored instance and every content kept aside, its dataset's SHA-256 compared with the one taken at receiving.

    What is damaged in the folder before an object store is replaced by its copy there, if that is whole.
    """
    for part in PARTS:
        for item in items(database, part, ""):
            reason = damage_left(database, blobs, item.place, item.digest, pace)
            found = Damage(item.sop_instance_uid, item.study_uid, reason) if reason else None
            yield Checked(item.sop_instance_uid, item.place.length_bytes, found)


def items(database: Database, part: str, cursor: str) -> Iterator[Item]:
    """The contents of one of PARTS behind a cursor, '' for all. The index is read in pages, and no transaction is open between."""
    if part == "open":
        for row in _paged(database, rows_instances.opened, cursor, PAGE):
            yield Item(row.sop_instance_uid, row.sop_instance_uid, row.study_uid, _place(row), row.digest)
    elif part == "sealed":
        at, _, done = cursor.partition(":")  # so many instances of the sealed series with this id
        for one in _paged(database, rows_sealed.page, int(at or 1) - 1, SERIES_PAGE):
            first = int(done) if str(one.id) == at else 0
            for n, row in enumerate(one.rows[first:], first + 1):
                yield Item(f"{one.id}:{n}", row.sop_instance_uid, row.study_uid, _place(row), row.digest)
    else:
        for row in _paged(database, rows_review.kept_places, cursor, PAGE):
            yield Item(row.id, row.sop_instance_uid, row.study_uid, place_of(row.kept), row.kept["digest"])


def _place(row: Any) -> Place:
    return Place(row.blob_key, row.offset, row.length_bytes, row.dataset_offset, row.packed)


def _paged(database: Database, read: Callable[[Tx, Any, int], list[Any]], after: Any, size: int) -> Iterator[Any]:
    """All that ``read`` gives in pages, in the order of what stands first in each."""
    while True:
        with database.read() as tx:
            page = read(tx, after, size)
        yield from page
        if len(page) < size:
            return
        after = page[-1].id if isinstance(page[-1], rows_sealed.Sealed) else page[-1][0]


def orphans(database: Database, blobs: Blobs) -> list[tuple[str, int]]:
    """Blobs (key, size in bytes) that no instance and no conflict refers to, and that are not to be swept: what a crash may leave.

    Blobs are listed before the index is read, so one that is being received now may be named: run it while nothing arrives.
    """
    present = [*blobs.list("received"), *blobs.list("sealed")]
    with database.read() as tx:
        used = rows_instances.blob_keys(tx) | rows_review.kept_keys(tx) | rows_sealed.let_go_keys(tx)
    return [(key, size) for key, size in present if key not in used]


def place_of(kept: dict[str, Any]) -> Place:
    """Where a content that is kept aside is."""
    return Place(kept["blob_key"], kept["offset"], kept["length_bytes"], kept["dataset_offset"], kept.get("packed", ""))


def damage_left(database: Database, blobs: Blobs, place: Place, digest: str, pace: Pace = AT_ONCE) -> str:
    """As ``damage``, after the object was taken from its copy when there is a whole one."""
    reason = damage(blobs, place, digest, pace)
    if reason and isinstance(blobs, TieredBlobs) and mend_from_copy(database, blobs, place.blob_key):
        return damage(blobs, place, digest, pace)
    return reason


def damage(blobs: Blobs, place: Place, digest: str, pace: Pace = AT_ONCE) -> str:
    """What is wrong with stored bytes, '' when they are what was received; reads them. Unavailable when the store does not answer."""
    running = hashlib.sha256()
    length = place.length_bytes - place.dataset_offset
    try:
        for chunk in packing.stream(blobs, place, place.dataset_offset, length, 1 << 20, fresh=True):
            running.update(chunk)
            length -= len(chunk)
            pace(len(chunk))
    except ArchipelError as error:
        if error.code not in (BLOB_MISSING, BLOB_UNREADABLE):  # a store that is away has lost nothing
            raise
        return error.public
    if length:
        return f"{length} bytes are missing"
    return "" if running.hexdigest() == digest else "the bytes differ from what was received"
