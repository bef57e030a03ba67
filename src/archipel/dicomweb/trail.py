"""Who looked at what: one audit record per retrieval, and one an hour for a study that is being viewed."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Iterable

from archipel import archive, audit
from archipel.kit.actor import Actor
from archipel.kit.database import Database

SEEN_COUNT_MAX = 10_000


class Trail:
    """Writes the audit records of the door (PS3.15 A.5.3.6 and A.5.3.10)."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._lock = threading.Lock()
        self._seen: OrderedDict[tuple[str, str, str], None] = OrderedDict()

    def searched(self, actor: Actor, level: str, found_count: int, http_request_id: str) -> None:
        """A query: its level and how many it found, never its keys, which may name a person.

        Not durable (decision 0014): a power cut may take the records of the last second's searches, and of nothing else.
        """
        with self._database.write(durable=False) as tx:
            audit.record(tx, actor, "archive.query", object_id=http_request_id, door="dicomweb", level=level, found_count=found_count)

    def retrieved(self, actor: Actor, refs: Iterable[archive.InstanceRef], http_request_id: str, what: str = "instances") -> None:
        """Instances are about to be given away: one record for each study."""
        counts: dict[str, int] = {}
        for ref in refs:
            counts[ref.study_uid] = counts.get(ref.study_uid, 0) + 1
        with self._database.write() as tx:
            for study_uid, count in counts.items():
                audit.record(
                    tx, actor, "archive.retrieve", study_uid=study_uid, object_id=http_request_id, door="dicomweb", what=what,
                    instance_count=count,
                )  # fmt: skip

    def viewed(self, actor: Actor, ref: archive.InstanceRef, http_request_id: str, what: str) -> None:
        """Metadata or pixels of a study are looked at: recorded once an hour for the same actor."""
        hour = self._database.clock.now().strftime("%Y%m%d%H")
        key = (f"{actor.kind}:{actor.id}:{actor.address}", ref.study_uid, hour)
        with self._lock:
            if key in self._seen:
                return
        with self._database.write() as tx:
            audit.record(tx, actor, "archive.retrieve", study_uid=ref.study_uid, object_id=http_request_id, door="dicomweb", what=what)
        with self._lock:
            self._seen[key] = None
            while len(self._seen) > SEEN_COUNT_MAX:
                self._seen.popitem(last=False)
