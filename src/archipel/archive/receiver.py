"""Receiver: instances that arrive together share one durable write and one transaction (group commit).

The order is the safety of the archive: bytes durable, then rows, audit and change in one transaction, then the answer.
A crash between two of them leaves at worst a blob that nothing refers to.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TypeVar

import structlog

from archipel.archive.arrival import Arrival, understand, understand_plain
from archipel.archive.errors import busy, disk_nearly_full
from archipel.archive.model import Fate, Incoming, Outcome, Place
from archipel.archive.receive import NOT_TOGETHER, Placed, audit_received, mend_lost, receive, receive_new, receive_together
from archipel.archive.repair import Held, damaged, held_by
from archipel.archive.rows_receive import stored
from archipel.kit import traces
from archipel.kit.blobs import CHUNK_BYTES, Blobs, disk_error
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Unavailable
from archipel.kit.ids import new_id
from archipel.kit.metrics import Metrics
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool

log = structlog.get_logger(__name__)

T = TypeVar("T")

# Pairs of (association, study) whose beginning is in the audit trail; forgotten when there are too many, then recorded again.
BEGUN_COUNT_MAX = 20_000
# How long a group waits, at most, for the senders of the group before.
IN_STEP_S = 0.002


@dataclass(frozen=True)
class _Waiting:
    """One instance that waits to be written; ``ready`` once it is understood."""

    incoming: Incoming
    future: Future[Outcome]
    ready: _Ready | None = None


@dataclass(frozen=True)
class _Ready:
    """One instance of a group, understood. ``place`` is set when its bytes are durable already, ``lost`` when they replace damaged ones.

    One that went by a file and has no place is held, and was found whole.
    """

    arrival: Arrival
    future: Future[Outcome]
    place: Place | None = None
    lost: Held | None = None

    @property
    def is_in_memory(self) -> bool:
        return self.arrival.incoming.spooled.memory is not None


class _SomeHeld(Exception):
    """One of a group is held by the archive already."""


class Receiver:
    """Takes instances from every door, and answers each when it is durable and indexed. One per process.

    ``issuers(tx)`` gives the assigning authority of each site's bare Patient IDs.
    """

    def __init__(
        self,
        database: Database,
        blobs: Blobs,
        spool: Spool,
        settings: ArchiveSettings,
        issuers: Callable[[Tx], dict[str, str]],
        *,
        disk: Path,
        metrics: Metrics | None = None,
    ) -> None:
        self._database, self._blobs, self._spool, self._settings = database, blobs, spool, settings
        self._issuers, self._disk, self._metrics = issuers, disk, metrics or Metrics()
        self._hashers = ThreadPoolExecutor(2, thread_name_prefix="receive-hash")
        self._syncer = ThreadPoolExecutor(1, thread_name_prefix="receive-sync")
        self._parsers = ThreadPoolExecutor(2, thread_name_prefix="receive-parse")
        self._queue: queue.SimpleQueue[_Waiting | None] = queue.SimpleQueue()
        self._slots = threading.BoundedSemaphore(settings.queue_count_max)
        self._begun: set[tuple[str, str]] = set()
        self._draining, self._is_drained = threading.Lock(), False
        self._writer = threading.Thread(target=self._run, name="receive-write", daemon=True)

    def start(self) -> None:
        """Start taking instances."""
        self._writer.start()

    def drain(self) -> None:
        """Finish everything that was submitted, then stop: a slot that is back is an instance that was answered. Again does nothing."""
        with self._draining:
            if self._is_drained:
                return
            for _ in range(self._settings.queue_count_max):
                self._slots.acquire()
            self._queue.put(None)
            self._writer.join()
            for pool in (self._parsers, self._hashers, self._syncer):
                pool.shutdown(wait=True)
            self._is_drained = True

    def submit(self, incoming: Incoming) -> Future[Outcome]:
        """Take one instance. The future gives its outcome, bad input included, and never an exception; the spooled bytes are
        closed by the receiver. A full queue, and one that is drained, answers at once with ``busy``.
        """
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()  # a door that gives up must not cancel it: the writer answers every future
        if not self._slots.acquire(blocking=False):
            incoming.spooled.close()
            future.set_result(self._refused(incoming, busy()))
            return future
        future.add_done_callback(lambda _: self._slots.release())
        if incoming.spooled.memory is not None:
            self._queue.put(_Waiting(incoming, future))
        else:
            self._prepare_aside(incoming, future)
        return future

    def receive(self, incoming: Incoming) -> Outcome:
        """Take one instance and wait for its outcome."""
        return self.submit(incoming).result()

    def _prepare_aside(self, incoming: Incoming, future: Future[Outcome]) -> None:
        self._or_refused(lambda: self._parsers.submit(self._prepare, incoming, future), incoming, future)

    def _prepare(self, incoming: Incoming, future: Future[Outcome]) -> None:
        """What would hold up the writer: headers that need care, and bytes that are many."""

        def prepared() -> _Ready:
            arrival = understand(incoming)
            ready = _Ready(arrival, future)
            return ready if ready.is_in_memory else self._with_large_place(ready)

        ready = self._or_refused(prepared, incoming, future)
        if ready is not None:
            self._queue.put(_Waiting(incoming, future, ready))

    def _or_refused(self, act: Callable[[], T], incoming: Incoming, future: Future[Outcome]) -> T | None:
        """What the act gives, or None when it fails, whose reason is then the answer."""
        try:
            return act()
        except ArchipelError as error:
            self._answer(future, incoming, self._refused(incoming, error))
        except OSError as error:  # the spooled file could not be written or read
            self._answer(future, incoming, self._refused(incoming, disk_error(error)))
        except Exception as error:  # a door waits for this future: whatever went wrong, it must hear of it
            failure = Unavailable("The archive could not take this instance; try again.", code="failed", detail=repr(error))
            self._answer(future, incoming, self._refused(incoming, failure))
            log.error("receive.failed", error=repr(error), door=incoming.source.door)
        return None

    def _with_large_place(self, ready: _Ready) -> _Ready:
        """A large instance with its bytes durable, unless they are held and whole."""
        with self._database.read() as tx:
            known = held_by(tx, [ready.arrival])[0]
        lost = known if known is not None and damaged(self._blobs, [known]) else None
        if known is not None and lost is None:
            return ready
        return replace(ready, place=self._store_large(ready.arrival), lost=lost)

    def _store_large(self, arrival: Arrival) -> Place:
        """A large instance becomes a blob of its own before it joins a group, so that it holds nobody up."""
        self._require_room()
        key = f"{self._folder()}/{new_id()}"
        spooled, offset = arrival.incoming.spooled, arrival.incoming.dataset_offset

        def chunks() -> Iterator[bytes]:
            yield arrival.meta
            with spooled.open() as file:
                file.seek(offset)
                while chunk := file.read(CHUNK_BYTES):
                    yield chunk

        size = self._blobs.put(key, chunks())
        return Place(key, 0, size, len(arrival.meta))

    def _run(self) -> None:
        senders: set[str] = set()
        known: set[str] = set()
        while (first := self._queue.get()) is not None:
            group, stop = self._gathered(first, senders)
            now = {one.incoming.source.association_id for one in group}
            senders = now & known  # who comes for the first time may have opened its association for one instance
            known = now | known if len(known) < BEGUN_COUNT_MAX else now
            self._write(group)
            if stop:
                return

    def _gathered(self, first: _Waiting, senders: set[str]) -> tuple[list[_Waiting], bool]:
        """What waits, and for a moment what those bring who were answered with the group before: they send in step, and a group
        costs little more than an instance. Also whether this group is the last.
        """
        group, due = [first], senders - {first.incoming.source.association_id}
        begun, some_s = time.monotonic(), self._settings.group_wait_ms / 1000
        while len(group) < self._settings.group_count_max:
            wait_s = begun + max(some_s, IN_STEP_S if due else 0) - time.monotonic()
            try:
                one = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
            except queue.Empty:
                break
            if one is None:
                return group, True
            group.append(one)
            due.discard(one.incoming.source.association_id)
        return group, False

    def _write(self, group: list[_Waiting]) -> None:
        started = time.monotonic()
        ready = [one for one in map(self._understood, group) if one is not None]
        if not ready:
            return
        try:
            outcomes = self._store(ready)
        except ArchipelError as error:
            log.warning("receive.refused", instance_count=len(ready), code=error.code, detail=error.detail)
            outcomes = [one.arrival.outcome(Fate.REFUSED, error=error) for one in ready]
        except Exception as error:  # as above: every sender of the group waits for an answer
            log.error("receive.failed", instance_count=len(ready), error=repr(error))
            failure = Unavailable("The archive could not store this instance; try again.", code="failed", detail=repr(error))
            outcomes = [one.arrival.outcome(Fate.REFUSED, error=failure) for one in ready]
        self._metrics.group_size.observe(len(ready))
        self._metrics.group_seconds.observe(seconds := time.monotonic() - started)
        traces.done("group commit", seconds, {"archipel.instances": len(ready)})
        for one, outcome in zip(ready, outcomes, strict=True):
            self._answer(one.future, one.arrival.incoming, outcome)

    def _understood(self, one: _Waiting) -> _Ready | None:
        """The instance ready to be written; None when it was refused, or is prepared elsewhere because that takes long."""
        if one.ready is not None:
            return one.ready
        arrival = self._or_refused(lambda: understand_plain(one.incoming, self._hashers), one.incoming, one.future)
        if arrival is not None:
            return _Ready(arrival, one.future)
        if not one.future.done():
            self._prepare_aside(one.incoming, one.future)
        return None

    def _store(self, group: list[_Ready]) -> list[Outcome]:
        """Bytes, then rows. What is held already is not written again, unless it is damaged.

        No transaction is open while bytes travel; those that stay on this machine do not.
        """
        self._require_room()
        if self._blobs.appends_here:
            try:
                return self._store_new(group)
            except (*NOT_TOGETHER, _SomeHeld):
                pass
        return self._store_any(group)

    def _store_new(self, group: list[_Ready]) -> list[Outcome]:
        """As ``_store``, in one transaction for all of it, for instances that are new; raises _SomeHeld or one of NOT_TOGETHER."""
        written: list[tuple[list[Placed], Future[None]]] = []
        if any(one.place is None and not one.is_in_memory for one in group):
            raise _SomeHeld

        def act(tx: Tx) -> tuple[list[Outcome], set[tuple[str, str]]]:
            if stored(tx, [one.arrival.sop_instance_uid for one in group]):
                raise _SomeHeld
            if not written:  # the database may ask for the transaction to be run again
                places, durable = self._write_together([one for one in group if one.is_in_memory])
                written.append(([Placed(one.arrival, one.place or places[id(one)], None) for one in group], durable))
            return self._indexed(tx, *written[0], self._issuers_for(tx, group), receive_new)

        return self._remembered(*self._database.transact(act))

    def _store_any(self, group: list[_Ready]) -> list[Outcome]:
        with self._database.read() as tx:
            known = held_by(tx, [one.arrival for one in group])
            issuers = self._issuers_for(tx, group)
        lost = damaged(self._blobs, [held for one, held in zip(group, known, strict=True) if held is not None and one.is_in_memory])
        group = [one if held is None or _key(held) not in lost else replace(one, lost=held) for one, held in zip(group, known, strict=True)]
        new = [one for one, held in zip(group, known, strict=True) if one.is_in_memory and (held is None or one.lost is not None)]
        places, durable = self._write_together(new)
        placed = [Placed(one.arrival, one.place or places.get(id(one)), one.lost) for one in group]

        def act(tx: Tx, receive: Callable[..., list[Outcome]]) -> tuple[list[Outcome], set[tuple[str, str]]]:
            return self._indexed(tx, mend_lost(tx, placed), durable, issuers, receive)

        try:
            done = self._database.transact(partial(act, receive=receive_together))
        except NOT_TOGETHER:  # a bad one among them, or one that another process stored at this instant
            done = self._database.transact(partial(act, receive=receive))
        return self._remembered(*done)

    def _indexed(
        self, tx: Tx, group: list[Placed], durable: Future[None], issuers: dict[str, str], receive: Callable[..., list[Outcome]]
    ) -> tuple[list[Outcome], set[tuple[str, str]]]:
        outcomes = receive(tx, group, issuers)
        begun = audit_received(tx, group, outcomes, self._begun)
        durable.result()  # the rows are committed behind their bytes, never before
        return outcomes, begun

    def _issuers_for(self, tx: Tx, group: list[_Ready]) -> dict[str, str]:
        return {} if all(one.arrival.issuer for one in group) else self._issuers(tx)

    def _remembered(self, outcomes: list[Outcome], begun: set[tuple[str, str]]) -> list[Outcome]:
        if len(self._begun) > BEGUN_COUNT_MAX:
            self._begun.clear()
        self._begun |= begun
        return outcomes

    def _require_room(self) -> None:
        free = min(shutil.disk_usage(self._disk).free, self._blobs.free_bytes())
        if free < self._settings.free_bytes_min:
            raise disk_nearly_full()

    def _write_together(self, group: list[_Ready]) -> tuple[dict[int, Place], Future[None]]:
        """One write for the group; returns where each of them is, and when that is durable. The sync runs while rows are written."""
        if not group:
            nothing: Future[None] = Future()
            nothing.set_result(None)
            return {}, nothing
        buffers: list[bytes | memoryview] = []
        for one in group:
            memory = one.arrival.incoming.spooled.memory
            assert memory is not None
            buffers += one.arrival.meta, memoryview(memory)[one.arrival.incoming.dataset_offset :]
        key, offset, sync = self._blobs.append(self._folder(), buffers)
        places = {}
        for one in group:
            places[id(one)] = Place(key, offset, one.arrival.length_bytes, len(one.arrival.meta))
            offset += one.arrival.length_bytes
        return places, self._syncer.submit(sync)

    def _folder(self) -> str:
        return f"received/{self._database.clock.now():%Y%m%d}"

    def _answer(self, future: Future[Outcome], incoming: Incoming, outcome: Outcome) -> None:
        try:
            size = incoming.spooled.size_bytes
            incoming.spooled.close()
            self._metrics.received.labels(incoming.source.door, outcome.fate.value).inc()
            if outcome.fate is Fate.STORED:
                self._metrics.received_bytes.labels(incoming.source.door).inc(size)
        finally:
            future.set_result(outcome)

    def _refused(self, incoming: Incoming, error: ArchipelError) -> Outcome:
        return Outcome(Fate.REFUSED, sop_class_uid=incoming.sop_class_uid, sop_instance_uid=incoming.sop_instance_uid, error=error)


def _key(held: Held) -> tuple[str, str]:
    return held.sop_instance_uid, held.digest
