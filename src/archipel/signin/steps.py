"""Steps: what a sign-in or an enrolment waits for, for some minutes, once. A browser holds the secret, we its digest."""

from __future__ import annotations

import hashlib
import json
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from archipel.kit.clock import to_text
from archipel.kit.database import Tx
from archipel.kit.errors import LimitReached
from archipel.kit.ids import new_id
from archipel.signin import rows_factors as rows

STEP_S = 600
STEPS_COUNT_MAX = 20_000
BY_ANYONE = frozenset({"oidc", "passkey"})  # a password or a provider's word is behind all others


@dataclass(frozen=True)
class Step:
    """What was kept: whose, of which provider, and what else."""

    account_id: str
    provider: str
    payload: dict[str, Any]


def new_secret() -> str:
    """What a browser holds."""
    return secrets.token_urlsafe(32)


def begin(tx: Tx, kind: str, secret: str, *, account_id: str = "", provider: str = "", **payload: Any) -> None:
    """Keep a step, in the place of one of that kind under that secret. LimitReached when strangers have begun too many."""
    now = tx.now()
    rows.sweep_steps(tx, to_text(now))
    if kind in BY_ANYONE and rows.step_count(tx) >= STEPS_COUNT_MAX:
        raise LimitReached("Too many sign-ins were begun at once; try again in some minutes.", code="busy")
    rows.put_step(
        tx, digest=_digest(kind, secret), kind=kind, account_id=account_id, provider=provider, payload=json.dumps(payload),
        expires_at=to_text(now + timedelta(seconds=STEP_S)),
    )  # fmt: skip


def look(tx: Tx, kind: str, secret: str) -> Step | None:
    """A step that is still open."""
    row = rows.get_step(tx, _digest(kind, secret), kind, to_text(tx.now())) if secret else None
    return Step(row.account_id, row.provider, json.loads(row.payload)) if row else None


def take(tx: Tx, kind: str, secret: str) -> Step | None:
    """A step that is still open, which it is then no more; one caller only gets it."""
    step = look(tx, kind, secret)
    return step if step and rows.end_step(tx, _digest(kind, secret)) else None


def is_first(tx: Tx, kind: str, secret: str, *, seconds: int) -> bool:
    """Whether this is seen for the first time within that time."""
    now = tx.now()
    rows.sweep_steps(tx, to_text(now))
    ends, mine = to_text(now + timedelta(seconds=seconds)), json.dumps(new_id())
    return rows.add_step(tx, digest=_digest(kind, secret), kind=kind, account_id="", provider="", payload=mine, expires_at=ends)


def _digest(kind: str, secret: str) -> str:
    return hashlib.sha256(f"{kind}:{secret}".encode("utf-8", "replace")).hexdigest()
