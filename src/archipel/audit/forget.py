"""Forget: records whose time is over go, after the day of their link was signed; the links stay, and what went is signed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from archipel.audit import digest, rows_chain
from archipel.audit.codes import ACCESSES
from archipel.audit.keys import Key
from archipel.audit.record import record
from archipel.kit.actor import Actor
from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.ids import new_id

KINDS = ("access", "act")
FORGOTTEN_AT_ONCE = 1000


def forget(tx: Tx, key: Key, months: Mapping[str, int], limit: int = FORGOTTEN_AT_ONCE) -> int:
    """Remove some records of each kind that are older than its months (0: kept for good); how many went."""
    rows_chain.lock(tx)
    signed = rows_chain.last_day(tx)
    return sum(_forget(tx, key, kind, months[kind], signed.seq, limit) for kind in KINDS if months.get(kind) and signed is not None)


def _forget(tx: Tx, key: Key, kind: str, months: int, until_seq: int, limit: int) -> int:
    before = earlier(tx.now(), months)
    links = rows_chain.of_actions(tx, until_seq, to_text(before), ACCESSES, kind == "act", limit)
    if not links:
        return 0
    removal_id, until_day = new_id(), f"{before:%Y-%m-%d}"
    whole = digest.of_removed((one.seq, one.record_digest) for one in links)
    text = digest.removal_text(removal_id, kind, until_day, len(links), whole)
    values = {
        "id": removal_id, "kind": kind, "until_day": until_day, "record_count": len(links), "digest": whole, "at": to_text(tx.now()),
        "key_id": key.public.id, "signature": key.sign(text),
    }  # fmt: skip
    rows_chain.remove(tx, values, [one.record_id for one in links])
    record(tx, Actor.system("audit.retention"), "audit.remove", object_id=removal_id, kind=kind, until=until_day, record_count=len(links))
    return len(links)


def earlier(at: datetime, months: int) -> datetime:
    """The beginning of the day (UTC) this many months before; the last of the month where it has no such day."""
    year, month = divmod(at.year * 12 + at.month - 1 - months, 12)
    for day in (at.day, 30, 29, 28):
        try:
            return at.replace(year=year, month=month + 1, day=day, hour=0, minute=0, second=0, microsecond=0)
        except ValueError:
            continue
    raise AssertionError("every month has 28 days")
