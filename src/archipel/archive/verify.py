"""Verify: read stored bytes again and compare them with the digests that were taken when they arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from archipel.archive import packing, rows_instances, rows_review, rows_sealed
from archipel.archive.model import Place
from archipel.kit.blobs import BLOB_MISSING, BLOB_UNREADABLE, Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError

PAGE = 500
SERIES_PAGE = 10


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


def verify(database: Database, blobs: Blobs) -> Iterator[Checked]:
    """Every stored instance and every content kept aside, its dataset's SHA-256 compared with the one taken at receiving."""
    for row in _paged(database, rows_instances.opened, "", PAGE):
        yield _checked(blobs, row, _place(row), row.digest)
    for one in _paged(database, rows_sealed.page, 0, SERIES_PAGE):
        for row in one.rows:
            yield _checked(blobs, row, _place(row), row.digest)
    for row in _paged(database, rows_review.kept_places, "", PAGE):
        yield _checked(blobs, row, place_of(row.kept), row.kept["digest"])


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


def _checked(blobs: Blobs, row: Any, place: Place, digest: str) -> Checked:
    reason = damage(blobs, place, digest)
    return Checked(row.sop_instance_uid, place.length_bytes, Damage(row.sop_instance_uid, row.study_uid, reason) if reason else None)


def place_of(kept: dict[str, Any]) -> Place:
    """Where a content that is kept aside is."""
    return Place(kept["blob_key"], kept["offset"], kept["length_bytes"], kept["dataset_offset"], kept.get("packed", ""))


def damage(blobs: Blobs, place: Place, digest: str) -> str:
    """What is wrong with stored bytes, '' when they are what was received; reads them. Unavailable when the store does not answer."""
    running = hashlib.sha256()
    length = place.length_bytes - place.dataset_offset
    try:
        for chunk in packing.stream(blobs, place, place.dataset_offset, length, 1 << 20, fresh=True):
            running.update(chunk)
            length -= len(chunk)
    except ArchipelError as error:
        if error.code not in (BLOB_MISSING, BLOB_UNREADABLE):  # a store that is away has lost nothing
            raise
        return error.public
    if length:
        return f"{length} bytes are missing"
    return "" if running.hexdigest() == digest else "the bytes differ from what was received"
