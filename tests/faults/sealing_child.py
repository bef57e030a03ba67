"""A process that seals every series with open rows and is killed by itself, at a named step; see ``receiving_child``."""

from __future__ import annotations

from typing import Any

from archipel.archive.seal import seal_series
from archipel.kit.blobs import open_blobs
from tests.faults.receiving_child import KilledBlobs, KilledDatabase, Killer

BOUNDARIES = ("before bytes", "within bytes", "after bytes", "before rows", "after rows", "before commit", "after commit")


def main(spec: dict[str, Any]) -> None:
    """Seal all series of the list."""
    step = Killer(spec["boundary"], spec["at"])
    database = KilledDatabase(spec["database"])
    database.step = step
    b = spec["blobs"]
    blobs = KilledBlobs(open_blobs(b["url"], access_key=b["access_key"], secret_key=b["secret_key"], region=b["region"]), step)
    for study_uid, series_uid in spec["series"]:
        seal_series(database, blobs, study_uid, series_uid)  # type: ignore[arg-type]
