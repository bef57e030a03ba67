"""Identifiers made by the application: sortable by time, never guessed from data."""

from __future__ import annotations

import secrets
import time
from typing import NewType

AccountId = NewType("AccountId", str)
SiteId = NewType("SiteId", str)
StudyUID = NewType("StudyUID", str)
SeriesUID = NewType("SeriesUID", str)
InstanceUID = NewType("InstanceUID", str)


def new_id() -> str:
    """A version 7 UUID as 32 hexadecimal digits (RFC 9562 5.7): milliseconds first, then randomness."""
    value = (time.time_ns() // 1_000_000) << 80 | 0x7 << 76 | secrets.randbits(12) << 64 | 0b10 << 62 | secrets.randbits(62)
    return f"{value:032x}"
