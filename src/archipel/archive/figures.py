"""Figures: what the archive's own work has before it, for the metrics."""

from __future__ import annotations

from archipel.archive import rows_copies, rows_let_go, rows_sealed, scrub
from archipel.kit.clock import from_text
from archipel.kit.database import Tx


def figures(tx: Tx) -> dict[str, tuple[str, float]]:
    """Text and value of each gauge by its name."""
    waiting, since = rows_copies.lag(tx)
    oldest = max(0.0, (tx.now() - from_text(since)).total_seconds()) if since else 0.0
    return {
        "archipel_sealed_series": ("Series that are sealed.", rows_sealed.count(tx)),
        "archipel_copies_waiting": ("Sealed objects to be copied to the object store.", waiting),
        "archipel_copies_oldest_seconds": ("Age of the oldest of them.", oldest),
        "archipel_objects_let_go": ("Objects that the sweeper will remove.", rows_let_go.count(tx)),
        **_verified(tx),
    }


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
