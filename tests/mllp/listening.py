"""A listening door with the real register of persons behind it, on a loop of its own, for senders that block."""

from __future__ import annotations

import asyncio
import socket
import ssl
import threading
from collections.abc import Coroutine
from functools import partial
from typing import Any

import uvloop

from archipel import directory, identity, mllp
from archipel.directory import Hl7Peer, Site
from archipel.hl7 import ack, adt, er7
from archipel.hl7.ack import Acknowledgement
from archipel.hl7.mllp import Decoder, frame
from archipel.identity import LocalId, Record
from archipel.kit.actor import Actor
from archipel.kit.cipher import Cipher
from archipel.kit.database import Database
from archipel.kit.metrics import Metrics
from archipel.kit.settings import MllpSettings

TEST = Actor.system("tests")
HEAR_ADT = partial(identity.hear_adt, time_zone="Europe/Paris")
HEAD = "MSH|^~\\&|{sender}|HOP-A|ARCHIPEL|REGION|{at}||{event}|{control_id}|{processing}|2.5^FRA^2.11|||{accept}|{application}|FRA|{charset}|FR"


def adt_message(
    control_id: str = "1", event: str = "A28", number: str = "100001", family: str = "DURAND", *, sender: str = "GAM", authority: str = "HOP-A",
    at: str = "20260110101500", prior: str = "", accept: str = "", application: str = "", charset: str = "UNICODE UTF-8", more: str = "",
) -> bytes:  # fmt: skip
    """A message about one person."""
    kind = {"A40": "ADT^A40^ADT_A39"}.get(event, f"ADT^{event}")
    head = HEAD.format(
        sender=sender, at=at, event=kind, control_id=control_id, processing="P", accept=accept, application=application, charset=charset
    )
    lines = [head, f"EVN||{at}", f"PID|||{number}^^^{authority}^PI||{family}^ALICE^ALICE MARIE^^^^L||19800514|F" + "|" * 24 + "PROV"]
    if prior:
        lines.append(f"MRG|{prior}^^^{authority}^PI")
    if event in ("A01", "A03", "A04", "A08", "A11"):
        lines.append("PV1||I|CHIR^101^1")
    return "".join(line + "\r" for line in [*lines, *([more] if more else [])]).encode()


class Wire:
    """A sender as it is on the wire."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        plain = socket.create_connection(("127.0.0.1", port), timeout=15)
        self.socket = tls.wrap_socket(plain) if tls else plain
        self.decoder = Decoder()
        self.frames: list[bytes] = []

    def __enter__(self) -> Wire:
        return self

    def __exit__(self, *_: object) -> None:
        self.socket.close()

    def put(self, data: bytes) -> None:
        """Send bytes as they are."""
        self.socket.sendall(data)

    def told(self) -> Acknowledgement:
        """The next answer; EOFError when the connection ends before."""
        return ack.read(er7.parse(self.raw()))

    def raw(self) -> bytes:
        """Its bytes."""
        while not self.frames:
            data = self.socket.recv(65_536)
            if not data:
                raise EOFError
            self.frames += [one.data for one in self.decoder.feed(data)]
        return self.frames.pop(0)

    def is_closed(self) -> bool:
        """Whether the other end has closed within the time."""
        try:
            return self.socket.recv(1) == b""
        except ConnectionResetError:
            return True

    def send(self, message: bytes) -> Acknowledgement:
        """One message and its answer."""
        self.put(frame(message))
        return self.told()


class Listening:
    """Door, queue and register; senders call from 127.0.0.1."""

    def __init__(
        self, database: Database, *, hears: mllp.Hears = HEAR_ADT, cipher: Cipher | None = None, tls: ssl.SSLContext | None = None, **settings: Any
    ) -> None:  # fmt: skip
        self.database, self.metrics = database, Metrics()
        self.site("a", issuer="HOP-A")
        self.queue = mllp.Queue(database, {"ADT": mllp.Listens(adt.EVENTS["ADT"], hears)}, cipher)
        self.door = mllp.create(self.queue, MllpSettings(**settings), self.metrics)
        self.loop = uvloop.new_event_loop()
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)
        self._thread.start()
        self.port: int = self.run(self.door.start("127.0.0.1", 0, tls=tls))
        self.is_stopped = False

    def run(self, work: Coroutine[Any, Any, Any], seconds: float = 30) -> Any:
        """Run a coroutine on the door's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(seconds)

    def stop(self, grace_s: float = 5) -> None:
        """Drain and end."""
        if not self.is_stopped:
            self.is_stopped = True
            self.run(self.door.stop(grace_s))
            self.loop.call_soon_threadsafe(self.loop.stop)
            self._thread.join(10)

    def site(self, site_id: str, *, issuer: str = "", demo: bool = False) -> None:
        """A site, if it is not there yet."""
        with self.database.write() as tx:
            if not any(one.id == site_id for one in directory.sites(tx)):
                directory.add_site(tx, TEST, Site(site_id, site_id, issuer=issuer))
                if demo:
                    directory.set_demo(tx, [site_id])

    def peer(self, name: str, *, site: str = "a", host: str = "127.0.0.1", **more: Any) -> None:
        """A sender that is known."""
        self.database.transact(lambda tx: directory.add_hl7_peer(tx, TEST, Hl7Peer(name, host, 2575, site, **more)))

    def wire(self, tls: ssl.SSLContext | None = None) -> Wire:
        """A connection."""
        return Wire(self.port, tls)

    def send(self, message: bytes) -> Acknowledgement:
        """One message on a connection of its own, and its answer."""
        with self.wire() as wire:
            return wire.send(message)

    def kept(self, **narrowed: Any) -> list[mllp.Kept]:
        """The queue, oldest first."""
        with self.database.read() as tx:
            return list(reversed(mllp.messages(tx, limit=1000, **narrowed)))

    def record(self, number: str, issuer: str = "HOP-A") -> Record | None:
        """The record of an identifier."""
        local_id = LocalId(number, issuer)
        with self.database.read() as tx:
            person = identity.person_of(tx, local_id)
        return next((one for one in person.records if one.id == local_id), None) if person else None

    def family(self, number: str, issuer: str = "HOP-A") -> str | None:
        """The family name of an identifier, None when nobody has it."""
        record = self.record(number, issuer)
        return record.traits.birth_family if record else None

    def counted(self, event: str, code: str) -> float:
        """How many messages of an event were answered so."""
        return self.metrics.hl7_messages.labels(event, code)._value.get()
