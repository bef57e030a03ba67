"""Streams: browsers that listen for exams that change. One reader of the feed serves them all."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import AsyncIterator, Callable

import structlog

from archipel import archive
from archipel.archive import Level, Query
from archipel.dicom.index import STUDY_INSTANCE_UID
from archipel.kit import feed
from archipel.kit.database import Database
from archipel.kit.errors import ArchipelError
from archipel.kit.scope import Scope

log = structlog.get_logger(__name__)

STREAM_COUNT_MAX = 200
POLL_S = 1.0
HEARTBEAT_S = 15.0
# A browser reconnects by itself, and signs in again by doing so: a session that ended must not go on listening.
STREAM_S_MAX = 60.0  # then the browser asks again, and is asked again who it is
WAITING_COUNT_MAX = 500
SCOPE = Scope.system("web.live")

Told = tuple[str, str, int]  # study UID, site, instance count


class Streams:
    """The open streams and the one task that reads the feed while there are any."""

    def __init__(self, database: Database, stopping: Callable[[], bool]) -> None:
        self._database, self.stopping = database, stopping
        self._queues: set[asyncio.Queue[Told]] = set()
        self._task: asyncio.Task[None] | None = None

    async def follow(self, scope: Scope) -> AsyncIterator[bytes]:
        """The events of one stream, until it has lasted long enough or the process ends."""
        queue: asyncio.Queue[Told] = asyncio.Queue(WAITING_COUNT_MAX)
        self._queues.add(queue)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._read_feed())
        until, beat = time.monotonic() + STREAM_S_MAX, time.monotonic() + HEARTBEAT_S
        try:
            yield b"retry: 500\n\n: open\n\n"
            while time.monotonic() < until and not self.stopping():
                try:
                    study_uid, site_id, count = await asyncio.wait_for(queue.get(), POLL_S)
                except TimeoutError:
                    if time.monotonic() > beat:
                        beat = time.monotonic() + HEARTBEAT_S
                        yield b": beat\n\n"
                    continue
                if scope.covers(site_id):
                    data = json.dumps({"study_uid": study_uid, "instance_count": count})
                    yield f"event: exam\ndata: {data}\n\n".encode()
        finally:
            self._queues.discard(queue)

    @property
    def is_full(self) -> bool:
        """Whether no more streams are taken."""
        return len(self._queues) >= STREAM_COUNT_MAX

    async def _read_feed(self) -> None:
        position: int | None = None
        while self._queues and not self.stopping():
            try:
                position, told = await asyncio.to_thread(self._changed, position)
            except ArchipelError as error:  # the database may be away for a while: the streams wait for it
                log.warning("live.unreachable", error=str(error))
                told = []
            for one in told:
                for queue in list(self._queues):
                    if not queue.full():  # who is that slow learns of the exam from the list
                        queue.put_nowait(one)
            await asyncio.sleep(POLL_S)

    def _changed(self, position: int | None) -> tuple[int, list[Told]]:
        """The exams that changed after a position of the feed, and the position up to which it was read."""
        with self._database.read() as tx:
            if position is None:
                return feed.position(tx), []
            changes = feed.changes_after(tx, position, limit=500)
            uids = sorted({payload["study_uid"] for _, _, payload in changes if payload.get("study_uid")})
            told: list[Told] = []
            for start in range(0, len(uids), 100):
                match = {STUDY_INSTANCE_UID: "\\".join(uids[start : start + 100])}
                found, _, _ = archive.exams(tx, SCOPE, Query(Level.STUDY, match, include_rejected=True, limit=100))
                told += [(exam.study_uid, exam.site_id, exam.instance_count) for exam in found]
        return (changes[-1][0] if changes else position), told
