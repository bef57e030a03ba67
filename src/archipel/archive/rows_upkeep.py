"""SQL of what the archive does to itself: settling, repairing, and taking another content's attributes."""

from __future__ import annotations

from typing import Any

from sqlalchemy import update

from archipel.archive.rows import study
from archipel.kit.database import Tx


def settle(tx: Tx, study_uid: str, at: str) -> Any | None:
    """Mark a study as settled: (site_id, instance_count), or None when it has not grown since it last settled.

    One statement decides, so that of several processes one does it.
    """
    statement = update(study).where(study.c.study_uid == study_uid, study.c.settled_at == "").values(settled_at=at)
    return tx.execute(statement.returning(study.c.site_id, study.c.instance_count)).first()
