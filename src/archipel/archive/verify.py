"""Verify: read stored bytes again and compare them with the digests that were taken when they arrived."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from archipel.archive import rows, rows_review
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError

PAGE = 500


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
    """Every stored instance, its dataset's SHA-256 compared with the one kept at receiving."""
    after = ""
    while True:
        with database.read() as tx:
            page = rows.all_places(tx, after, PAGE)
        for row in page:
            yield Checked(row.sop_instance_uid, row.length_bytes, _damage(blobs, row))
        if len(page) < PAGE:
            return
        after = page[-1].sop_instance_uid


def orphans(database: Database, blobs: Blobs) -> list[tuple[str, int]]:
    """Blobs (key, size in bytes) that no instance and no conflict refers to: what a crash may leave.

    Blobs are listed before the index is read, so one that is being received now may be named: run it while nothing arrives.
    """
    present = list(blobs.list("received"))
    with database.read() as tx:
        used = rows.blob_keys(tx) | rows_review.kept_keys(tx)
    return [(key, size) for key, size in present if key not in used]


def _damage(blobs: Blobs, row: Any) -> Damage | None:
    running = hashlib.sha256()
    length = row.length_bytes - row.dataset_offset
    try:
        for chunk in blobs.stream(row.blob_key, row.offset + row.dataset_offset, length, 1 << 20):
            running.update(chunk)
            length -= len(chunk)
    except ArchipelError as error:
        return Damage(row.sop_instance_uid, row.study_uid, error.public)
    if length:
        return Damage(row.sop_instance_uid, row.study_uid, f"{length} bytes are missing")
    if running.hexdigest() != row.digest:
        return Damage(row.sop_instance_uid, row.study_uid, "the bytes differ from what was received")
    return None
