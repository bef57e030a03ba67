"""The server is killed while searches are answered: every answer that arrived has its record in the audit trail."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import httpx
import pytest
from sqlalchemy import text

from archipel.kit.database import Database
from tests.faults.counts import record
from tests.platform import Platform

ROUNDS = 2
LANES = 3


def ask(platform: Platform, token: str, answered: list[int]) -> None:
    """Search again and again until the server is gone."""
    with httpx.Client(headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        while True:
            try:
                answer = client.get(f"{platform.url}/dicom-web/studies?PatientID=X")
            except httpx.TransportError:
                return
            assert answer.status_code in (200, 204), answer.text
            answered.append(answer.status_code)


def records(platform: Platform) -> int:
    """Searches in the audit trail."""
    database = Database(f"sqlite:///{platform.data / 'archipel.db'}")
    try:
        with database.read() as tx:
            return int(tx.execute(text("SELECT count(*) FROM audit_record WHERE action = 'archive.query'")).scalar_one())
    finally:
        database.close()


def test_every_answered_search_has_its_record_after_kill_9(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    platform = Platform(tmp_path)
    for number in range(ROUNDS):
        platform.start()
        token = platform.token()
        before = records(platform)
        answered: list[int] = []
        lanes = [threading.Thread(target=ask, args=(platform, token, answered)) for _ in range(LANES)]
        for lane in lanes:
            lane.start()
        until = time.monotonic() + 20
        while len(answered) < 60 + 17 * number and time.monotonic() < until:
            time.sleep(0.01)
        platform.kill()
        for lane in lanes:
            lane.join(30)
        found = records(platform) - before
        with capsys.disabled():
            print(f"\nkilled while searching: {len(answered)} answers, {found} records")
        record(
            "kill -9 while searching (audit records)", "sqlite-files", tries=1, sent=len(answered), acknowledged=len(answered), found=found
        )
        assert len(answered) >= 60
        assert len(answered) <= found <= len(answered) + LANES  # a search may have been recorded and not answered
