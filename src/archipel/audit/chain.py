"""Chain: each record gets its place behind the one before, and what is chained is signed.

Writers only note that a record waits: a place is given afterwards, by one process at a time, so a transaction that commits late gets a
later place and none is passed over (decision 0017).
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from archipel.audit import digest, rows_chain
from archipel.audit.keys import Key, make_key, read_key
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx
from archipel.kit.errors import Conflict

CHAINED_AT_ONCE = 500
_SENT = ("destination", "seq", "at", "error")


@dataclass(frozen=True)
class ChainState:
    """How far the chain is: the last place and its instant, the last signed day, how many records wait for a place.

    ``verified_until`` is the instant of the last link that the last verification saw, ``findings`` what it named;
    ``destinations`` how far each receiver is: destination, seq, at, error.
    """

    seq: int
    at: str
    signed_day: str
    waiting_count: int
    verified_at: str = ""
    verified_until: str = ""
    finding_count: int = 0
    findings: tuple[dict[str, Any], ...] = ()
    destinations: tuple[dict[str, Any], ...] = ()


def signing_key(database: Database, path: Path) -> Key | None:
    """The key of this installation; made when nothing was ever signed. None where another machine has it: that one chains."""
    found = read_key(path)
    if found is not None:
        return found
    with database.read() as tx:
        begun = rows_chain.read_head(tx) is not None or rows_chain.last_link(tx) is not None
    return None if begun else make_key(path)


def chain(tx: Tx, key: Key, *, former: frozenset[str] = frozenset(), limit: int = CHAINED_AT_ONCE) -> int:
    """Sign the day that is over, then give the next records their places; how many got one.

    ``former``: ids of keys that this one replaces. Conflict when the chain's end is not as it was signed: nothing is built on it.
    """
    rows_chain.lock(tx)
    now = to_text(tx.now())
    head = rows_chain.read_head(tx)
    if head is None:
        if rows_chain.last_link(tx) is not None:
            raise Conflict("The end of the audit chain was removed; see archipel audit verify.", code="audit-chain")
    elif head.key_id not in {key.public.id, *former}:
        return 0  # another machine has the key that signs
    elif head.key_id == key.public.id and not key.public.signed(digest.head_text(head.seq, head.digest, head.at), head.signature):
        raise Conflict("The end of the audit chain was altered; see archipel audit verify.", code="audit-chain")
    signed = rows_chain.last_day(tx)
    if head is not None and head.at[:10] < now[:10] and (signed is None or signed.seq < head.seq):
        signed = _sign_day(tx, key, head, now)
    records = rows_chain.waiting(tx, limit)
    if records:
        # Never before what is signed already, whatever the machine's clock says.
        at = max(now, head.at if head is not None else "", signed.at if signed is not None else "")
        _add(tx, key, head, records, at)
    return len(records)


def _add(tx: Tx, key: Key, head: Any | None, records: Sequence[Any], at: str) -> None:
    seq, last = (head.seq, head.digest) if head is not None else (0, digest.NOTHING)
    links = []
    for one in records:
        seq, record_digest = seq + 1, digest.of_record(one)
        last = digest.of_link(last, seq, one.id, record_digest, at)
        links.append({"seq": seq, "record_id": one.id, "record_digest": record_digest, "digest": last, "at": at, "removal_id": ""})
    rows_chain.add_links(tx, links)
    signature = key.sign(digest.head_text(seq, last, at))
    rows_chain.write_head(tx, {"seq": seq, "digest": last, "at": at, "key_id": key.public.id, "signature": signature})


def _sign_day(tx: Tx, key: Key, head: Any, now: str) -> Any:
    signature = key.sign(digest.day_text(head.at[:10], head.seq, head.digest))
    values = {"day": head.at[:10], "seq": head.seq, "digest": head.digest, "at": now, "key_id": key.public.id, "signature": signature}
    rows_chain.add_day(tx, values)
    return rows_chain.last_day(tx)


def chain_state(tx: Tx) -> ChainState:
    """How far the chain is."""
    head, day, seen = rows_chain.read_head(tx), rows_chain.last_day(tx), rows_chain.last_verified(tx)
    state = ChainState(
        head.seq if head is not None else 0, head.at if head is not None else "", day.day if day is not None else "",
        rows_chain.waiting_count(tx),
        destinations=tuple({name: getattr(one, name) for name in _SENT} for one in rows_chain.destinations(tx)),
    )  # fmt: skip
    if seen is None or not seen.ended_at:
        return state
    return replace(
        state, verified_at=seen.ended_at, verified_until=seen.until, finding_count=seen.finding_count,
        findings=tuple(json.loads(seen.findings)),
    )  # fmt: skip


def figures(tx: Tx) -> dict[str, tuple[str, float]]:
    """Text and value of each gauge of the trail by its name."""
    state = chain_state(tx)
    return {
        "archipel_audit_waiting": ("Audit records that have no place in the chain yet.", state.waiting_count),
        "archipel_audit_findings": ("What the last verification of the audit chain named.", state.finding_count),
        "archipel_audit_unsent": ("Chained records that the slowest receiver has not got.", _unsent(state)),
    }


def _unsent(state: ChainState) -> int:
    return max((state.seq - one["seq"] for one in state.destinations), default=0)
