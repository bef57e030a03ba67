"""A process that receives in a loop and is killed by itself, at a named step, or by its parent at any time.

``python -m tests.faults.receiving_child SPEC`` where SPEC is JSON: database, blobs (address and keys), folder, objects, answers, boundary,
at. For every object it adds ``ack UID`` to the file of answers once its future has given STORED or ALREADY_STORED, and nothing before.
``boundary`` names a step (see BOUNDARIES), ``at`` how often it is passed before SIGKILL is raised there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from archipel import archive, directory
from archipel.archive import Incoming, Outcome, Source
from archipel.kit.actor import Actor
from archipel.kit.blobs import Appended, Blobs, open_blobs
from archipel.kit.database import Database, Tx
from archipel.kit.settings import ArchiveSettings
from archipel.kit.spool import Spool

BOUNDARIES = ("before bytes", "within bytes", "after bytes", "before rows", "after rows", "before commit", "after commit", "before answer")


class Killer:
    """Raises SIGKILL when its boundary is passed for the nth time."""

    def __init__(self, boundary: str, at: int) -> None:
        self.boundary, self.left = boundary, at

    def __call__(self, boundary: str) -> None:
        if boundary == self.boundary:
            self.left -= 1
            if self.left <= 0:
                os.kill(os.getpid(), signal.SIGKILL)

    def is_next(self, boundary: str) -> bool:
        """Whether the next passing of this boundary kills."""
        return boundary == self.boundary and self.left <= 1


class KilledBlobs:
    """The real store; steps of a put are boundaries."""

    def __init__(self, blobs: Blobs, step: Killer) -> None:
        self._blobs, self._step = blobs, step

    def put(self, key: str, chunks: Iterable[bytes]) -> int:
        def stepped() -> Iterator[bytes]:
            for number, chunk in enumerate(chunks):
                if number == 1:
                    self._step("within bytes")
                yield chunk

        self._step("before bytes")
        size = self._blobs.put(key, stepped())
        self._step("after bytes")
        return size

    def append(self, folder: str, buffers: Sequence[bytes | memoryview], cipher: Any = None) -> Appended:
        self._step("before bytes")
        if self._step.is_next("within bytes"):  # a kill leaves half a group
            self._blobs.append(folder, [bytes(buffers[0]), bytes(buffers[1])[:100]])
        self._step("within bytes")
        placed = self._blobs.append(folder, buffers)

        def sync() -> None:
            placed.sync()
            self._step("after bytes")

        return Appended(placed.key, placed.offset, sync)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._blobs, name)


class KilledDatabase(Database):
    """The real database; steps of a writing transaction are boundaries."""

    step: Killer

    @contextmanager
    def write(self, **options: Any) -> Iterator[Tx]:
        with super().write(**options) as tx:
            self.step("before rows")
            yield tx
            self.step("after rows")
            tx.write_changes()
            self.step("before commit")
        self.step("after commit")


def main(spec: dict[str, Any]) -> None:
    """Receive every object of the folder, over and over, until killed or all are through."""
    step = Killer(spec["boundary"], spec["at"])
    database = KilledDatabase(spec["database"])
    database.step = Killer("", 0)
    b = spec["blobs"]
    blobs = open_blobs(b["url"], access_key=b["access_key"], secret_key=b["secret_key"], region=b["region"])
    folder = Path(spec["folder"])
    settings = ArchiveSettings(group_count_max=4, free_bytes_min=0, memory_bytes_each=64 << 10)
    spool = Spool(folder / "spool", memory_bytes_each=settings.memory_bytes_each)
    receiver = archive.Receiver(
        database, KilledBlobs(blobs, step), spool, settings, lambda tx: {s.id: s.default_issuer for s in directory.sites(tx)}, disk=folder
    )  # fmt: skip
    source = Source("dimse", "default", Actor("device", "MODALITY", site_id="default"), "MODALITY", "127.0.0.1", f"a-{os.getpid()}")
    database.step = step
    receiver.start()
    answers = os.open(spec["answers"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.write(answers, b"ready\n")

    def answered(future: Future[Outcome]) -> None:
        step("before answer")
        outcome = future.result()
        word = "ack" if outcome.fate in ("stored", "already_stored") else "refused"
        os.write(answers, f"{word} {outcome.sop_instance_uid}\n".encode())

    paths = [Path(p) for p in spec["objects"]]
    for start in range(0, len(paths), 6):
        futures = []
        for path in paths[start : start + 6]:
            spooled = spool.new()
            spooled.write(path.read_bytes())
            futures.append(receiver.submit(Incoming.from_part10(spooled, source)))
            futures[-1].add_done_callback(answered)
        for future in futures:
            future.result()
    os.write(answers, b"end\n")
    receiver.drain()


if __name__ == "__main__":
    main(json.loads(sys.argv[1]))
