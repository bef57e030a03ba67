"""Making the door from the platform's parts."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from archipel import audit as audit_room
from archipel import directory, sharing
from archipel.dimse.door import DimseDoor
from archipel.dimse.parts import Parts, Pixels, Receiver
from archipel.dimse.settings import DimseSettings
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs
from archipel.kit.clock import Clock, SystemClock
from archipel.kit.database import Database, Tx
from archipel.kit.metrics import Metrics
from archipel.kit.scope import Scope
from archipel.kit.spool import Spool


def create(
    *,
    database: Database,
    blobs: Blobs,
    receiver: Receiver,
    spool: Spool,
    settings: DimseSettings,
    pixels: Pixels | None = None,
    enqueue_result: Callable[[Tx, dict[str, Any], float], str] | None = None,
    tls_client: ssl.SSLContext | None = None,
    device_for: Callable[[Tx, str, str], Any] = directory.device_for,
    device_named: Callable[[Tx, str], Any] = directory.device_named,
    scope_for: Callable[[Tx, Actor], Scope] | None = None,
    audit: Callable[..., None] = audit_room.record,
    clock: Clock | None = None,
    metrics: Metrics | None = None,
) -> DimseDoor:
    """The door, not listening yet.

    ``pixels`` transcodes for peers that do not take a stored syntax (without it such instances fail, and say so). ``enqueue_result``
    ``(tx, arguments, delay_s)`` puts a storage-commitment result into a job whose act is ``commitment_job`` and gives its id.
    ``tls_client`` is used for devices that ask for TLS.
    """
    return DimseDoor(
        Parts(
            settings=settings,
            database=database,
            blobs=blobs,
            receiver=receiver,
            spool=spool,
            clock=clock or SystemClock(),
            device_for=device_for,
            device_named=device_named,
            scope_for=scope_for or (lambda tx, actor: sharing.scope_for(tx, actor, "retrieve")),
            pixels=pixels,
            audit=audit,
            enqueue_result=enqueue_result,
            tls_client=tls_client,
            threads=ThreadPoolExecutor(settings.threads, thread_name_prefix="dimse"),
            movers=ThreadPoolExecutor(settings.moves_max, thread_name_prefix="dimse-move"),
            metrics=metrics or Metrics(),
        )
    )
