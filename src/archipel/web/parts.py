"""What the door is made of, and who calls: every route gets both as one value."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, Any, Protocol

from fastapi import Depends
from starlette.requests import Request

from archipel import archive, audit, sharing, signin
from archipel.directory import Device
from archipel.kit.actor import Actor
from archipel.kit.blobs import Blobs
from archipel.kit.database import Database, Tx
from archipel.kit.feed import Follower
from archipel.kit.metrics import Metrics
from archipel.kit.scope import Scope
from archipel.kit.settings import Settings
from archipel.kit.spool import Spool
from archipel.web.gathered import Gathered
from archipel.web.streams import Streams

OPENED_COUNT_MAX = 20_000


class Listener(Protocol):
    """The DICOM listener as the system page sees it."""

    @property
    def ports(self) -> tuple[int, ...]:
        """Ports that it listens on."""

    def associations(self) -> Sequence[Any]:
        """Its open associations: id, calling_aet, address, since, received_count, sent_count, bytes."""


@dataclass(frozen=True)
class Hl7Queue:
    """The kept HL7 messages, as another door keeps them: to list, count, find and apply again."""

    messages: Callable[..., Sequence[Any]]
    counts: Callable[[Tx, Sequence[str], Sequence[str]], dict[str, int]]
    message_of: Callable[[Tx, str], Any]
    replay: Callable[[Actor, str], Any]


@dataclass(frozen=True)
class Echo:
    """The result of calling a device: ``reason`` is the code of what went wrong, ``public`` says it in words."""

    ok: bool
    reason: str
    public: str
    took_ms: int


class OncePerHour:
    """Remembers what is in the audit trail already, so that looking at one exam again and again is one record an hour."""

    def __init__(self) -> None:
        self._seen: OrderedDict[tuple[str, ...], str] = OrderedDict()
        self._lock = threading.Lock()

    def is_new(self, at: datetime, *key: str) -> bool:
        """Whether this key was not seen in this hour; from now on it was."""
        hour = at.strftime("%Y%m%d%H")
        with self._lock:
            if self._seen.get(key) == hour:
                return False
            self._seen[key] = hour
            self._seen.move_to_end(key)
            while len(self._seen) > OPENED_COUNT_MAX:
                self._seen.popitem(last=False)
            return True


@dataclass(frozen=True)
class Parts:
    """What ``app.py`` gave to :func:`archipel.web.create`, and the state that the door keeps over time."""

    database: Database
    blobs: Blobs
    receiver: archive.Receiver
    spool: Spool
    settings: Settings
    followers: Sequence[Follower]
    started_at: datetime
    dimse: Listener | None
    ae_title: str
    metrics: Metrics | None
    echo: Callable[[Device], Echo]
    pixels: Any
    demo_reset: Callable[[Tx], None] | None
    streams: Streams
    gathered: Mapping[str, Gathered]
    media: Any
    providers: Mapping[str, Any]
    opened: OncePerHour = field(default_factory=OncePerHour)
    hl7: Hl7Queue | None = None


@dataclass(frozen=True)
class Call:
    """One request: the door's parts and the actor behind it."""

    parts: Parts
    actor: Actor
    request: Request

    @property
    def database(self) -> Database:
        """The database."""
        return self.parts.database

    def scope(self, tx: Tx, purpose: str) -> Scope:
        """What the actor may see for a purpose."""
        return sharing.scope_for(tx, self.actor, purpose)

    def audit_open(self, study_uid: str) -> None:
        """Write that the actor opened an exam, once an hour."""
        if not self.parts.opened.is_new(self.database.clock.now(), "open", self.actor.id, study_uid):
            return
        with self.database.write() as tx:
            audit.record(tx, self.actor, "archive.open", study_uid=study_uid, door="web")


def parts_of(request: Request) -> Parts:
    """The parts that ``create`` put on the request."""
    parts: Parts = request.scope["state"]["web"]
    return parts


def call_of(request: Request) -> Call:
    """The request with its actor; the sign-in middleware has made sure that there is one."""
    return Call(parts_of(request), signin.actor_of(request), request)


def needs(permission: str) -> Any:
    """A dependency: the call, refused when the actor lacks the permission."""

    def check(request: Request) -> Call:
        call = call_of(request)
        sharing.require(call.actor, permission)
        return call

    return Depends(check)


SignedIn = Annotated[Call, Depends(call_of)]
Reader = Annotated[Call, needs("exam.read")]
