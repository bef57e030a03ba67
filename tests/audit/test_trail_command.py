"""``archipel audit verify`` and ``key``, on a folder where the platform runs, and after a record was altered."""

from __future__ import annotations

import json
import sqlite3
from pathlib import Path

from tests.platform import Platform
from tests.servers import wait_until


def test_the_command_names_the_record_that_was_altered(platform: Platform, tmp_path: Path) -> None:
    platform.start()
    platform.device("CT1")
    file = platform.data / "archipel.db"

    def chained() -> int:
        with sqlite3.connect(file) as connection:
            waiting = connection.execute("SELECT count(*) FROM audit_pending").fetchone()[0]
            return 0 if waiting else int(connection.execute("SELECT count(*) FROM audit_link").fetchone()[0])

    wait_until(chained)
    whole = json.loads(platform.command("audit", "verify", "--json", check=True).stdout)
    assert whole["whole"] and whole["record_count"] >= 1
    public = tmp_path / "public.pem"
    public.write_text(platform.command("audit", "key", check=True).stdout)
    with sqlite3.connect(file) as connection:
        (altered,) = connection.execute("SELECT min(id) FROM audit_record").fetchone()
        connection.execute("UPDATE audit_record SET actor_id = 'nobody' WHERE id = ?", (altered,))
    done = platform.command("audit", "verify", "--public-key", str(public), check=False)
    assert done.returncode == 1
    assert f"altered\t{altered}" in done.stderr
    assert (platform.data / "audit.key").stat().st_mode & 0o777 == 0o600
