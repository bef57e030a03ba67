"""Send: records go to other systems in the order of the chain, each destination with its own durable place; nothing is passed over."""

from __future__ import annotations

import http.client
import json
import socket
from collections.abc import Callable, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from archipel.audit import rows, rows_chain
from archipel.audit.fhir_event import audit_event
from archipel.audit.message import audit_message
from archipel.audit.model import AuditRecord
from archipel.audit.syslog import send_syslog, syslog_frame, tls_context
from archipel.kit.database import Database, Tx
from archipel.kit.errors import ArchipelError, Unavailable
from archipel.kit.ids import new_id
from archipel.kit.settings import AuditSettings

SENT_AT_ONCE = 50
# Longer than a whole batch may take: another process takes over after it.
HELD_S = 600
FHIR_S = 10
# Whom studies are of, as ID^^^issuer, by Study Instance UID.
Patients = Callable[[Tx, Sequence[str]], dict[str, str]]
Placed = tuple[Any, AuditRecord, str]

log = structlog.get_logger(__name__)


class Sender:
    """Sends on what is chained to one destination; knows in memory only whether it said already that the destination is away."""

    def __init__(self, database: Database, name: str, deliver: Callable[[Sequence[Placed]], int], patients: Patients) -> None:
        self._database, self._name, self._deliver, self._patients = database, name[:255], deliver, patients
        self._mine, self._after, self._is_away = new_id(), 0, False

    def send(self) -> int:
        """Send the next records; how many the destination has taken. 0 when there are none, or when it is away."""
        with self._database.read() as tx:
            if not rows_chain.linked(tx, self._after, 1):
                return 0
        held = self._database.transact(lambda tx: rows_chain.hold_destination(tx, self._name, self._mine, HELD_S))
        if held is None:
            return 0
        after = self._after = held
        with self._database.read() as tx:
            links = rows_chain.linked(tx, after, SENT_AT_ONCE)
            of = {one.r_study_uid for one in links if one.r_study_uid}
            patients = self._patients(tx, sorted(of)) if of else {}
        if not links:
            return 0
        placed = [(one, rows.placed(one), patients.get(one.r_study_uid or "", "")) for one in links if one.r_id is not None]
        reason, until = "", links[-1].seq
        try:
            done = self._deliver(placed)
            if done < len(placed):
                until = placed[done][0].seq - 1
        except ArchipelError as error:
            reason, until = str(error.detail or error), after
        self._note(until, reason)
        return int(until - after)

    def _note(self, until: int, reason: str) -> None:
        if bool(reason) != self._is_away:
            self._is_away = bool(reason)
            log.warning("audit.away" if reason else "audit.back", destination=self._name, reason=reason)
        self._database.transact(lambda tx: rows_chain.note_sent(tx, self._name, self._mine, until, reason[:1000]))


def syslog_sender(database: Database, settings: AuditSettings, patients: Patients) -> Sender:
    """The sender to the syslog receiver of the settings."""
    host, port = settings.syslog_host, settings.syslog_port
    context = tls_context(settings.syslog_ca, settings.syslog_certificate, settings.syslog_key)
    source, machine = settings.source_id, socket.gethostname()

    def deliver(placed: Sequence[Placed]) -> int:
        frames = (
            syslog_frame(audit_message(r, source=source, patient_id=who), r.at, host=machine, seq=link.seq, digest=link.digest)
            for link, r, who in placed
        )
        send_syslog(host, port, context, b"".join(frames))
        return len(placed)

    return Sender(database, f"syslog {host}:{port}", deliver, patients)


def fhir_sender(database: Database, settings: AuditSettings, patients: Patients) -> Sender:
    """The sender to the FHIR server of the settings: one ``PUT`` for each record under its own id, so that twice is once."""
    url, source = settings.fhir_url.rstrip("/"), settings.source_id

    def deliver(placed: Sequence[Placed]) -> int:
        for done, (_, record, who) in enumerate(placed):
            event = {**audit_event(record, source=source, patient_id=who), "id": record.id}
            try:
                _put(f"{url}/AuditEvent/{record.id}", json.dumps(event).encode())
            except Unavailable:
                if done:
                    return done
                raise
        return len(placed)

    return Sender(database, f"fhir {url}", deliver, patients)


def _put(url: str, body: bytes) -> None:
    at = urlsplit(url)
    kind = http.client.HTTPSConnection if at.scheme == "https" else http.client.HTTPConnection
    connection = kind(at.netloc, timeout=FHIR_S)
    try:
        connection.request("PUT", at.path, body, {"Content-Type": "application/fhir+json"})
        answer = connection.getresponse()
        answer.read()
        if answer.status not in (200, 201):
            raise Unavailable("The FHIR server does not take audit events.", code="fhir-audit", detail=f"status {answer.status}")
    except (OSError, http.client.HTTPException) as error:
        raise Unavailable("The FHIR server does not take audit events.", code="fhir-audit", detail=repr(error)) from error
    finally:
        connection.close()
