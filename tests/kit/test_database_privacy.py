"""What the database refuses is told without the values that were sent to it: they name people."""

from __future__ import annotations

import pytest

from archipel.kit import rows
from archipel.kit.database import Database, DBAPIError
from archipel.kit.jobs import enqueue


def test_an_error_of_the_database_does_not_repeat_values(database: Database) -> None:
    with pytest.raises(DBAPIError) as caught, database.write() as tx:
        enqueue(tx, "test", {}, dedup_key="first")
        tx.execute(rows.job.insert().values(id="x", name="DUPONT^JEANNE"))
    assert "DUPONT" not in str(caught.value).replace(str(caught.value.orig), "")
