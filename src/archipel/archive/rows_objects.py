"""SQL of the objects that an index names."""

from __future__ import annotations

from collections.abc import Iterator

from sqlalchemy import select

from archipel.archive import rows_review
from archipel.archive.rows import instance
from archipel.archive.rows_sealed import sealed
from archipel.kit.database import Tx

PAGE = 5000


def object_keys(tx: Tx) -> Iterator[str]:
    """The key of every object that an instance, a sealed series or a content kept aside is in, once each, in no order."""
    seen: set[str] = set()
    for column in (instance.c.blob_key, sealed.c.blob_key):
        after = ""
        while True:
            page = list(tx.execute(select(column).distinct().where(column > after).order_by(column).limit(PAGE)).scalars())
            for key in page:
                if key not in seen:
                    seen.add(key)
                    yield key
            if len(page) < PAGE:
                break
            after = page[-1]
    yield from sorted(rows_review.kept_keys(tx) - seen)
