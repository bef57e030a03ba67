"""Verify: every record against its link, every link against the one before, every signature against the key; what is wrong is named."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import timedelta
from typing import Any

import structlog

from archipel.audit import digest, rows_chain
from archipel.audit.keys import PublicKey
from archipel.kit.clock import to_text
from archipel.kit.database import Database, Tx

PAGE_COUNT = 2000
NAMED_MAX = 1000
NOTED_MAX = 100

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    ``kind``: altered, removed, inserted, reordered (records); link_altered, link_removed, tail_removed, tail_added, head, day, removal.
    """

    kind: str
    record_id: str = ""
    seq: int = 0
    text: str = ""


@dataclass
class Verified:
    """What was looked at and what was found; ``findings`` holds the first thousand."""

    record_count: int = 0
    removed_count: int = 0
    waiting_count: int = 0
    seq: int = 0
    at: str = ""
    signed_day: str = ""
    finding_count: int = 0
    findings: list[Finding] = field(default_factory=list)

    @property
    def is_whole(self) -> bool:
        return self.finding_count == 0

    def add(self, kind: str, text: str, *, record_id: str = "", seq: int = 0) -> None:
        """Something is wrong."""
        self.finding_count += 1
        if len(self.findings) < NAMED_MAX:
            self.findings.append(Finding(kind, record_id, seq, text))


def verify_chain(database: Database, keys: Sequence[PublicKey], progress: Callable[[int, int], None] = lambda done, all: None) -> Verified:
    """Look at the whole chain. ``keys`` are those that may have signed; ``progress`` hears how many links of how many are done."""
    trusted = {key.id: key for key in keys}
    found = Verified()
    with database.read() as tx:
        head, days, removals = rows_chain.read_head(tx), rows_chain.days(tx), rows_chain.removals(tx)
        found.waiting_count = rows_chain.waiting_count(tx)
        total = rows_chain.link_counts(tx)
    walk = _Walk(database, found, {one.seq: one for one in days}, {one.id for one in removals})
    until = head.seq if head is not None else 0
    for seen in walk.go(until):
        progress(seen, total)
    _check_head(database, found, head, walk, trusted)
    _check_days(found, days, walk, trusted)
    _check_removals(found, removals, walk, trusted)
    with database.read() as tx:
        _check_unlinked(tx, found)
    return found


class _Walk:
    """The way along the links: what came before, the boundaries of days, what was removed."""

    def __init__(self, database: Database, found: Verified, days: dict[int, Any], removals: set[str]) -> None:
        self._database, self._found, self._days, self._removals = database, found, days, removals
        self.seq, self.digest, self.at = 0, digest.NOTHING, ""
        self.digests: dict[int, str] = {}
        self.day_ends: dict[str, int] = {}
        self.removed: dict[str, list[tuple[int, str]]] = {}
        self._is_sure = True

    def go(self, until: int) -> Iterator[int]:
        """Look at the links up to a place; gives how many were seen, a page at a time."""
        seen = 0
        while True:
            with self._database.read() as tx:
                page = rows_chain.linked(tx, self.seq, PAGE_COUNT)
                page = [one for one in page if one.seq <= until]
                for one in page:
                    self._link(tx, one)
            if not page:
                return
            seen += len(page)
            yield seen

    def _link(self, tx: Tx, one: Any) -> None:
        found = self._found
        if one.seq != self.seq + 1:
            found.add("link_removed", f"the links {self.seq + 1} to {one.seq - 1} were removed", seq=self.seq + 1)
            self._is_sure = False
        self._record(tx, one)
        expected = digest.of_link(self.digest, one.seq, one.record_id, one.record_digest, one.at)
        if expected != one.digest and self._is_sure:
            found.add("link_altered", "the link was altered or moved, or those before it were", record_id=one.record_id, seq=one.seq)
        # Behind a wrong link the next has nothing to be compared with; what follows it has.
        self._is_sure = expected == one.digest or not self._is_sure
        if self.at and one.at[:10] != self.at[:10]:
            self.day_ends[self.at[:10]] = self.seq
        self.seq, self.digest, self.at = one.seq, one.digest, one.at
        if one.seq in self._days:
            self.digests[one.seq] = one.digest
        found.seq, found.at = one.seq, one.at

    def _record(self, tx: Tx, one: Any) -> None:
        found = self._found
        if one.removal_id:
            found.removed_count += 1
            self.removed.setdefault(one.removal_id, []).append((one.seq, one.record_digest))
            if one.r_id is not None:
                found.add("inserted", "a record that was removed after its time is there again", record_id=one.record_id, seq=one.seq)
            elif one.removal_id not in self._removals and not rows_chain.is_removal(tx, one.removal_id):
                found.add("removed", "the record was removed by nothing that is signed", record_id=one.record_id, seq=one.seq)
            return
        if one.r_id is None:
            found.add("removed", "the record was removed", record_id=one.record_id, seq=one.seq)
            return
        found.record_count += 1
        got = digest.of_record(_Named(one))
        if got == one.record_digest:
            return
        place = rows_chain.place_of(tx, got)
        if place is not None and place != one.seq:
            found.add("reordered", f"the record belongs at place {place}", record_id=one.record_id, seq=one.seq)
        else:
            found.add("altered", "the record was altered", record_id=one.record_id, seq=one.seq)


class _Named:
    """A record's columns within the row of its link."""

    def __init__(self, row: Any) -> None:
        self._row = row

    def __getattr__(self, name: str) -> Any:
        return getattr(self._row, f"r_{name}")


def _is_signed(trusted: dict[str, PublicKey], key_id: str, text: bytes, signature: str) -> bool:
    key = trusted.get(key_id)
    return key is not None and key.signed(text, signature)


def _whose(trusted: dict[str, PublicKey], key_id: str) -> str:
    return "the signature is wrong" if key_id in trusted else f"it was signed by another key ({key_id})"


def _check_head(database: Database, found: Verified, head: Any | None, walk: _Walk, trusted: dict[str, PublicKey]) -> None:
    if head is None:
        with database.read() as tx:
            last = rows_chain.last_link(tx) if rows_chain.read_head(tx) is None else None
        if last is not None:
            found.add("head", "the signed end of the chain was removed", seq=last.seq)
        return
    if not _is_signed(trusted, head.key_id, digest.head_text(head.seq, head.digest, head.at), head.signature):
        found.add("head", f"the end of the chain is not as it was signed: {_whose(trusted, head.key_id)}", seq=head.seq)
    if walk.seq < head.seq:
        found.add("tail_removed", f"the links {walk.seq + 1} to {head.seq} at the end were removed", seq=walk.seq + 1)
    elif walk.digest != head.digest:
        found.add("head", "the last link is not the one that was signed", seq=head.seq)
    with database.read() as tx:
        last, now = rows_chain.last_link(tx), rows_chain.read_head(tx)
    if last is not None and now is not None and last.seq > now.seq:
        found.add(
            "tail_added", f"the links {now.seq + 1} to {last.seq} lie behind the signed end", record_id=last.record_id, seq=now.seq + 1
        )


def _check_days(found: Verified, days: Sequence[Any], walk: _Walk, trusted: dict[str, PublicKey]) -> None:
    signed = {one.day for one in days}
    for one in days:
        if not _is_signed(trusted, one.key_id, digest.day_text(one.day, one.seq, one.digest), one.signature):
            found.add("day", f"the day {one.day} is not as it was signed: {_whose(trusted, one.key_id)}", seq=one.seq)
        elif walk.digests.get(one.seq) != one.digest:
            found.add("day", f"the last link of {one.day} is not the one that was signed", seq=one.seq)
        else:
            found.signed_day = one.day
    for name, seq in walk.day_ends.items():
        if name not in signed:
            found.add("day", f"the signature of {name} was removed", seq=seq)


def _check_removals(found: Verified, removals: Sequence[Any], walk: _Walk, trusted: dict[str, PublicKey]) -> None:
    for one in removals:
        text = digest.removal_text(one.id, one.kind, one.until_day, one.record_count, one.digest)
        if not _is_signed(trusted, one.key_id, text, one.signature):
            found.add("removal", f"the removal {one.id} is not as it was signed: {_whose(trusted, one.key_id)}")
        elif digest.of_removed(walk.removed.get(one.id, ())) != one.digest:
            found.add("removal", f"the removal {one.id} is not of the records that it was signed for")


def _check_unlinked(tx: Tx, found: Verified) -> None:
    cut = any(one.kind in ("link_removed", "tail_removed", "head") for one in found.findings)
    why = "the record has no place in the chain: its link was removed, or it was inserted" if cut else "the record was inserted"
    for one in rows_chain.unlinked(tx, NAMED_MAX):
        found.add("inserted", why, record_id=one.id)
    for record_id in rows_chain.orphaned(tx, NAMED_MAX):
        found.add("removed", "the record was removed before it had its place", record_id=record_id)


def note_verified(tx: Tx, found: Verified) -> None:
    """Keep how a verification ended, for those who look after the trail."""
    named = json.dumps([asdict(one) for one in found.findings[:NOTED_MAX]])
    values = {"seq": found.seq, "until": found.at, "finding_count": found.finding_count, "findings": named}
    rows_chain.end_verifying(tx, {**values, "ended_at": to_text(tx.now())})


def verify_due(database: Database, keys: Sequence[PublicKey], *, every_days: float) -> None:
    """Verify the whole chain if that is due, in one of the processes that do the work."""

    def take(tx: Tx) -> bool:
        return rows_chain.begin_verifying(tx, to_text(tx.now()), to_text(tx.now() - timedelta(days=every_days)))

    if not database.transact(take):
        return
    found = verify_chain(database, keys)
    if not found.is_whole:
        log.error("audit.tampered", finding_count=found.finding_count, kinds=sorted({one.kind for one in found.findings}))
    database.transact(lambda tx: note_verified(tx, found))
