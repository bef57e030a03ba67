"""What is hashed and what is signed: one text for each, so that anybody can compute it again with SHA-256 and Ed25519 (RFC 8032)."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from typing import Any

# The columns of a record in the order in which they are hashed; a column that is added later goes behind, under a new first word.
FIELDS = (
    "id", "at", "actor_kind", "actor_id", "actor_name", "actor_role", "actor_site_id", "actor_address", "action", "outcome", "study_uid",
    "object_id", "detail",
)  # fmt: skip
# The digest before the first link.
NOTHING = "0" * 64


def canonical(*values: Any) -> bytes:
    """Values as the UTF-8 text of one JSON array without spaces."""
    return json.dumps(values, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "surrogatepass")


def of_record(row: Any) -> str:
    """The digest of a record as its row has it."""
    return hashlib.sha256(canonical("archipel audit record 1", *(getattr(row, name) for name in FIELDS))).hexdigest()


def of_link(previous: str, seq: int, record_id: str, record_digest: str, at: str) -> str:
    """The digest of a link: of its record, its place, and everything before it."""
    return hashlib.sha256(canonical("archipel audit link 1", previous, seq, record_id, record_digest, at)).hexdigest()


def of_removed(links: Iterable[tuple[int, str]]) -> str:
    """The digest of removed records: their places and digests, in order."""
    whole = hashlib.sha256(b"archipel audit removed 1")
    for seq, record_digest in links:
        whole.update(f"\n{seq} {record_digest}".encode())
    return whole.hexdigest()


def head_text(seq: int, digest: str, at: str) -> bytes:
    """What is signed whenever links were added."""
    return canonical("archipel audit head 1", seq, digest, at)


def day_text(day: str, seq: int, digest: str) -> bytes:
    """What is signed when a day (UTC) is over: its last link."""
    return canonical("archipel audit day 1", day, seq, digest)


def removal_text(removal_id: str, kind: str, until_day: str, record_count: int, digest: str) -> bytes:
    """What is signed when records are removed after their time."""
    return canonical("archipel audit removal 1", removal_id, kind, until_day, record_count, digest)
