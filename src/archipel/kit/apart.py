"""Apart: chunks that are made in a thread of their own while somebody else takes them."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from queue import Full, Queue


@contextmanager
def made_apart(chunks: Iterator[bytes]) -> Iterator[Iterator[bytes]]:
    """The chunks, made in a thread of their own: the store's client pulls them where it cannot be called, and they may be read from it."""
    queue: Queue[bytes | None] = Queue(maxsize=4)
    abandoned = threading.Event()

    def offer(one: bytes | None) -> None:
        while not abandoned.is_set():
            with suppress(Full):
                queue.put(one, timeout=0.2)
                return

    def make() -> None:
        try:
            for chunk in chunks:
                offer(chunk)
                if abandoned.is_set():
                    return
        finally:
            offer(None)

    with ThreadPoolExecutor(1, thread_name_prefix="blobs-put") as maker:
        made = maker.submit(make)

        def taken() -> Iterator[bytes]:
            while (one := queue.get()) is not None:
                yield one
            made.result()  # what ended it, if something did

        try:
            yield taken()
        finally:
            abandoned.set()
