"""What the services of this door work with, handed in by the composition."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from archipel import archive
from archipel.dimse.settings import DimseSettings
from archipel.kit.actor import Actor
from archipel.kit.clock import Clock
from archipel.kit.database import Database, Tx
from archipel.kit.metrics import Metrics
from archipel.kit.scope import Scope
from archipel.kit.scratch import Scratch
from archipel.kit.spool import Spool

T = TypeVar("T")


class Receiver(Protocol):
    """Takes instances for good; ``archive.Receiver`` is one."""

    def submit(self, incoming: archive.Incoming) -> Future[archive.Outcome]: ...


class Pixels(Protocol):
    """Writes a dataset file in another transfer syntax; ``dicom.pixels.PixelWorkers`` does."""

    def transcode(self, source: Scratch, from_: str, to: str, out_path: Scratch) -> int: ...


@dataclass(frozen=True, kw_only=True)
class Parts:
    """The platform as this door sees it; ``threads`` for reads, ``movers`` for retrieves."""

    settings: DimseSettings
    database: Database
    blobs: Any
    receiver: Receiver
    spool: Spool
    clock: Clock
    device_for: Callable[[Tx, str, str], Any]
    device_named: Callable[[Tx, str], Any]
    scope_for: Callable[[Tx, Actor], Scope]
    pixels: Pixels | None
    audit: Callable[..., None]
    enqueue_result: Callable[[Tx, dict[str, Any], float], str] | None
    tls_client: ssl.SSLContext | None
    threads: ThreadPoolExecutor
    movers: ThreadPoolExecutor
    metrics: Metrics = field(default_factory=Metrics)

    @property
    def ae_title(self) -> str:
        """The title under which we call others."""
        return self.settings.ae_titles[0]

    def read(self, act: Callable[[Tx], T]) -> T:
        """Run an act in a reading transaction; blocks, so call it in a thread."""
        with self.database.read() as tx:
            return act(tx)
