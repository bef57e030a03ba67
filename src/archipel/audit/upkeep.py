"""Upkeep: what goes on behind the trail in the processes that do the work."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import structlog

from archipel.audit.chain import chain, signing_key
from archipel.audit.forget import forget
from archipel.audit.keys import read_public_key
from archipel.audit.send import Patients, fhir_sender, syslog_sender
from archipel.audit.verify import verify_due
from archipel.kit.database import Database
from archipel.kit.settings import AuditSettings
from archipel.kit.ticker import Ticker

CHAIN_EVERY_S = 1.0
SEND_EVERY_S = 5.0
FORGET_EVERY_S = 600.0
VERIFY_EVERY_S = 300.0

log = structlog.get_logger(__name__)


def key_file(settings: AuditSettings, data: Path) -> Path:
    """Where the key that signs is."""
    return Path(settings.key_file) if settings.key_file else data / "audit.key"


def upkeep(database: Database, settings: AuditSettings, data: Path, patients: Patients) -> list[Ticker]:
    """Chaining, removal after its time and sending on, to be started. Invalid when a key or certificate cannot be read."""
    key = signing_key(database, key_file(settings, data))
    before = [read_public_key(Path(one)) for one in settings.former_keys]
    former = frozenset(one.id for one in before)
    found: list[Ticker] = []
    if key is not None:
        act = partial(chain, key=key, former=former)
        found.append(Ticker("audit-chain", lambda: database.transact(act), every_s=CHAIN_EVERY_S))
        if settings.verify_every_days:
            seeing = partial(verify_due, database, [key.public, *before], every_days=settings.verify_every_days)
            found.append(Ticker("audit-verify", seeing, every_s=VERIFY_EVERY_S))
        months = {"access": settings.access_months, "act": settings.act_months}
        if any(months.values()):
            going = partial(forget, key=key, months=months)
            found.append(Ticker("audit-forget", lambda: database.transact(going), every_s=FORGET_EVERY_S))
    else:
        log.warning("audit.no_key", file=str(key_file(settings, data)))
    if settings.syslog_host:
        found.append(Ticker("audit-syslog", syslog_sender(database, settings, patients).send, every_s=SEND_EVERY_S))
    if settings.fhir_url:
        found.append(Ticker("audit-fhir", fhir_sender(database, settings, patients).send, every_s=SEND_EVERY_S))
    return found
