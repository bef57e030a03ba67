"""Receiver: instances that arrive together share one durable write and one transaction (group commit).

The order is the safety of the archive: bytes durable, then rows, audit and change in one transaction, then the answer.
A crash between two of them leaves at worst a blob that nothing refers to.
"""

from __future__ import annotations

import queue
import shutil
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import structlog

from archipel.archive import rows, rows_review
from archipel.archive.arrival import Arrival, understand
from archipel.archive.errors import busy, disk_nearly_full
from archipel.archive.model import Fate, Incoming, Outcome, Place
from archipel.archive.receive import Placed, audit_received, receive
from archipel.kit.blobs import CHUNK_BYTES, Blobs, disk_error
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Unavailable
from archipel.kit.ids import new_id
from archipel.kit.metrics import Metrics
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool

log = structlog.get_logger(__name__)

# Pairs of (association, study) whose beginning is in the audit trail; forgotten when there are too many, then recorded again.
BEGUN_COUNT_MAX = 20_000


@dataclass(frozen=True)
class _Waiting:
    arrival: Arrival
    place: Place | None  # set when the bytes are durable already (large instances)
    future: Future[Outcome]


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
        self._parsers = ThreadPoolExecutor(2, thread_name_prefix="receive-parse")
        self._queue: queue.Queue[_Waiting | None] = queue.Queue()
        self._slots = threading.BoundedSemaphore(settings.queue_count_max)
        self._begun: set[tuple[str, str]] = set()
        self._writer = threading.Thread(target=self._run, name="receive-write", daemon=True)

    def start(self) -> None:
        """Start taking instances."""
        self._writer.start()

    def drain(self) -> None:
        """Finish everything that was submitted, then stop."""
        self._parsers.shutdown(wait=True)
        self._queue.put(None)
        self._writer.join()

    def submit(self, incoming: Incoming) -> Future[Outcome]:
        """Take one instance. The future gives its outcome, bad input included, and never an exception; the spooled bytes are
        closed by the receiver. A full queue answers at once with ``busy``.
        """
        future: Future[Outcome] = Future()
        future.set_running_or_notify_cancel()  # a door that gives up must not cancel it: the writer answers every future
        if not self._slots.acquire(blocking=False):
            incoming.spooled.close()
            future.set_result(self._refused(incoming, busy()))
            return future
        future.add_done_callback(lambda _: self._slots.release())
        try:
            self._parsers.submit(self._prepare, incoming, future)
        except RuntimeError:  # drained: the platform is stopping
            self._answer(future, incoming, self._refused(incoming, busy()))
        return future

    def receive(self, incoming: Incoming) -> Outcome:
        """Take one instance and wait for its outcome."""
        return self.submit(incoming).result()

    def _prepare(self, incoming: Incoming, future: Future[Outcome]) -> None:
        try:
            if shutil.disk_usage(self._disk).free < self._settings.free_bytes_min:
                raise disk_nearly_full()
            arrival = understand(incoming)
            large = incoming.spooled.memory is None and not self._is_stored(arrival)
            place = self._store_large(arrival) if large else None
            self._queue.put(_Waiting(arrival, place, future))
        except ArchipelError as error:
            self._answer(future, incoming, self._refused(incoming, error))
        except OSError as error:  # the spooled file could not be written or read
            self._answer(future, incoming, self._refused(incoming, disk_error(error)))
        except Exception as error:  # a door waits for this future: whatever went wrong, it must hear of it
            log.error("receive.failed", error=repr(error), door=incoming.source.door)
            failure = Unavailable("The archive could not take this instance; try again.", code="failed", detail=repr(error))
            self._answer(future, incoming, self._refused(incoming, failure))

    def _is_stored(self, arrival: Arrival) -> bool:
        with self._database.read() as tx:
            return (arrival.sop_instance_uid, arrival.digest) in _known(tx, [arrival])

    def _store_large(self, arrival: Arrival) -> Place:
        """A large instance becomes a blob of its own before it joins a group, so that it holds nobody up."""
        key = _blob_key(self._database.clock.now().strftime("%Y%m%d"))
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
        while (first := self._queue.get()) is not None:
            group = [first]
            until = time.monotonic() + self._settings.group_wait_ms / 1000
            stop = False
            while len(group) < self._settings.group_count_max and not stop:
                try:
                    wait_s = until - time.monotonic()
                    one = self._queue.get(timeout=wait_s) if wait_s > 0 else self._queue.get_nowait()
                except queue.Empty:
                    break
                if one is None:
                    stop = True
                else:
                    group.append(one)
            self._write(group)
            if stop:
                return

    def _write(self, group: list[_Waiting]) -> None:
        started = time.monotonic()
        try:
            outcomes = self._store(group)
        except ArchipelError as error:
            log.warning("receive.refused", instance_count=len(group), code=error.code, detail=error.detail)
            outcomes = [one.arrival.outcome(Fate.REFUSED, error=error) for one in group]
        except Exception as error:  # as above: every sender of the group waits for an answer
            log.error("receive.failed", instance_count=len(group), error=repr(error))
            failure = Unavailable("The archive could not store this instance; try again.", code="failed", detail=repr(error))
            outcomes = [one.arrival.outcome(Fate.REFUSED, error=failure) for one in group]
        self._metrics.group_size.observe(len(group))
        self._metrics.group_seconds.observe(time.monotonic() - started)
        for one, outcome in zip(group, outcomes, strict=True):
            self._answer(one.future, one.arrival.incoming, outcome)

    def _store(self, group: list[_Waiting]) -> list[Outcome]:
        with self._database.read() as tx:
            known = _known(tx, [one.arrival for one in group])
            issuers = self._issuers(tx)
        same = [(one.arrival.sop_instance_uid, one.arrival.digest) in known for one in group]
        places = self._write_together([one for one, skip in zip(group, same, strict=True) if not skip and one.place is None])
        placed = [
            Placed(one.arrival, None if skip else one.place or places[id(one)]) for one, skip in zip(group, same, strict=True)
        ]  # fmt: skip

        def act(tx: Tx) -> tuple[list[Outcome], set[tuple[str, str]]]:
            outcomes = receive(tx, placed, issuers)
            return outcomes, audit_received(tx, placed, outcomes, self._begun)

        outcomes, begun = self._database.transact(act)
        if len(self._begun) > BEGUN_COUNT_MAX:
            self._begun.clear()
        self._begun |= begun
        return outcomes

    def _write_together(self, group: list[_Waiting]) -> dict[int, Place]:
        """One blob for the group; returns where each of them is."""
        if not group:
            return {}
        key = _blob_key(self._database.clock.now().strftime("%Y%m%d"))
        places, offset = {}, 0
        for one in group:
            places[id(one)] = Place(key, offset, one.arrival.length_bytes, len(one.arrival.meta))
            offset += one.arrival.length_bytes

        def chunks() -> Iterator[bytes]:
            for one in group:
                memory = one.arrival.incoming.spooled.memory
                assert memory is not None
                yield one.arrival.meta
                yield memoryview(memory)[one.arrival.incoming.dataset_offset :]  # type: ignore[misc]

        self._blobs.put(key, chunks())
        return places

    def _answer(self, future: Future[Outcome], incoming: Incoming, outcome: Outcome) -> None:
        size = incoming.spooled.size_bytes
        incoming.spooled.close()
        self._metrics.received.labels(incoming.source.door, outcome.fate.value).inc()
        if outcome.fate is Fate.STORED:
            self._metrics.received_bytes.labels(incoming.source.door).inc(size)
        future.set_result(outcome)

    def _refused(self, incoming: Incoming, error: ArchipelError) -> Outcome:
        return Outcome(Fate.REFUSED, sop_class_uid=incoming.sop_class_uid, sop_instance_uid=incoming.sop_instance_uid, error=error)


def _known(tx: Tx, arrivals: Sequence[Arrival]) -> set[tuple[str, str]]:
    """(SOP Instance UID, digest) of contents that we hold, in the archive or aside: their bytes need not be written again."""
    stored = rows.known_instances(tx, (arrival.sop_instance_uid for arrival in arrivals))
    others = {a.sop_instance_uid for a in arrivals if a.sop_instance_uid in stored and stored[a.sop_instance_uid].digest != a.digest}
    return {(uid, row.digest) for uid, row in stored.items()} | rows_review.kept_digests(tx, sorted(others))


def _blob_key(day: str) -> str:
    return f"received/{day}/{new_id()}"
