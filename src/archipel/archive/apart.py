"""Apart: no exam is of the training region and of a real site at once, whichever door its instances come through.

The one reason for which an instance is refused for whose it is (decision 0011). A training account's password is public: what it sends
must not stand among a patient's images, and a patient's images must not stand where it reads.
"""

from __future__ import annotations

from collections.abc import Iterable

from archipel import audit, directory
from archipel.archive.model import Outcome, Source
from archipel.kit.database import Tx
from archipel.kit.errors import NotAllowed

CODE = "training-region"


def crossing(tx: Tx, source: Source, site_id: str) -> NotAllowed | None:
    """Why an instance from there cannot join an exam of a site, if it cannot; costs nothing where the exam is the sender's own."""
    if directory.same_region(tx, source.site_id, site_id):
        return None
    return NotAllowed("The training region and real sites never share an exam.", code=CODE, detail=f"from {source.site_id} into {site_id}")


def audit_refused(tx: Tx, refused: Iterable[tuple[Source, Outcome]], begun: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """Record those that were refused for it, once per association; returns the (association, CODE) that are new.

    The exam is named in the detail only: its trace is read on the other side, where the sender's name must not stand either.
    """
    new: set[tuple[str, str]] = set()
    for source, outcome in refused:
        pair = source.association_id, CODE
        if outcome.error is None or outcome.error.code != CODE or pair in begun | new:
            continue
        new.add(pair)
        audit.record(
            tx, source.actor, "archive.receive", object_id=source.association_id, outcome=audit.Outcome.REFUSED, reason=CODE,
            of_study=outcome.study_uid, door=source.door, site_id=source.site_id, ae_title=source.ae_title, address=source.address,
        )  # fmt: skip
    return new
