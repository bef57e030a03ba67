"""Figures: what the archive's own work has before it, for the metrics."""

from __future__ import annotations

from archipel.archive import rows_copies, rows_let_go, rows_sealed, scrub
from archipel.archive.seal import SEAL_JOB
from archipel.kit import jobs
from archipel.kit.clock import from_text
from archipel.kit.database import Tx


def figures(tx: Tx) -> dict[str, tuple[str, float]]:
    """Text and value of each gauge by its name."""
    waiting, since = rows_copies.lag(tx)
    to_seal, settled = jobs.open_since(tx, SEAL_JOB)
    return {
        "archipel_sealed_series": ("Series that are sealed.", rows_sealed.count(tx)),
        "archipel_seal_waiting": ("Settled studies to be sealed.", to_seal),
        "archipel_seal_lag_seconds": ("How long the oldest of them has been waiting.", _age(tx, settled)),
        "archipel_copies_waiting": ("Sealed objects to be copied to the object store.", waiting),
        "archipel_copies_oldest_seconds": ("Age of the oldest of them.", _age(tx, since)),
        "archipel_objects_let_go": ("Objects that the sweeper will remove.", rows_let_go.count(tx)),
        **_verified(tx),
    }


def volume(tx: Tx) -> dict[str, int]:
    """``open_series`` and ``received_bytes``; takes long on a big archive."""
    open_series, received_bytes = rows_sealed.volume(tx)
    return {"open_series": open_series, "received_bytes": received_bytes}


def _age(tx: Tx, since: str) -> float:
    return max(0.0, (tx.now() - from_text(since)).total_seconds()) if since else 0.0


def _verified(tx: Tx) -> dict[str, tuple[str, float]]:
    found = scrub.scrubbed(tx)
    since, until = (from_text(found[name]).timestamp() if found[name] else 0.0 for name in ("started_at", "ended_at"))
    return {
        "archipel_damaged": ("Instances whose stored bytes are not what was received.", found["damaged_now"]),
        "archipel_verify_started_seconds": ("When the verification of all began, in Unix time; 0: never.", since),
        "archipel_verify_ended_seconds": ("When it ended; 0: it is under way.", until),
        "archipel_verify_instances": ("Instances that it has looked at.", found["checked"]),
        "archipel_verify_bytes": ("Their bytes.", found["bytes"]),
    }
