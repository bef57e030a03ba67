"""What a running platform says of itself when a part that it needs is away, and when it is back."""

from __future__ import annotations

import json
import urllib.error
from pathlib import Path

import psycopg
import pytest

from tests.platform import Platform
from tests.servers import Backend, fetch, wait_until

pytestmark = [pytest.mark.faults, pytest.mark.timeout(120)]


def reasons(platform: Platform) -> list[str]:
    """The reasons of /readyz, of which a status of 200 has none."""
    try:
        answer = fetch(f"{platform.url}/readyz", seconds=10)
    except urllib.error.HTTPError as refused:
        assert refused.code == 503
        answer = json.loads(refused.read())
        assert answer["status"] == "not ready" and set(answer) == {"status", "reasons"}
        return list(answer["reasons"])
    assert answer == {"status": "ok", "reasons": []}
    return []


def test_a_database_that_refuses_everybody_is_a_reason_until_it_is_back(tmp_path: Path, postgres_url: str) -> None:
    platform = Platform(tmp_path, {"ARCHIPEL_DATABASE__URL": postgres_url})
    server, _, name = postgres_url.replace("+psycopg", "").rpartition("/")
    platform.start()
    try:
        assert reasons(platform) == []
        with psycopg.connect(f"{server}/postgres", autocommit=True) as admin:
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false")  # type: ignore[arg-type]
            admin.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = %s", (name,))
            wait_until(lambda: reasons(platform) == ["database"], seconds=20, every_s=0.5)
            fetch(f"{platform.url}/healthz")
            with pytest.raises(urllib.error.HTTPError) as unscoped:
                fetch(f"{platform.url}/api/v1/exams", headers={"Authorization": "Bearer x"})
            assert unscoped.value.code == 503
            admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true")  # type: ignore[arg-type]
        wait_until(lambda: reasons(platform) == [], seconds=20, every_s=0.5)
        assert platform.stop() == 0
    finally:
        platform.kill()


def test_objects_that_are_gone_are_a_reason_until_they_are_back(platform: Platform) -> None:
    platform.start()
    blobs = platform.data / "blobs"
    blobs.rename(platform.data / "elsewhere")
    wait_until(lambda: reasons(platform) == ["objects"], seconds=10, every_s=0.3)
    fetch(f"{platform.url}/healthz")
    (platform.data / "elsewhere").rename(blobs)
    wait_until(lambda: reasons(platform) == [], seconds=10, every_s=0.3)


def test_a_disk_below_its_floor_is_a_reason_and_readers_go_on(tmp_path: Path, backend: Backend) -> None:
    platform = Platform(tmp_path, backend.environment | {"ARCHIPEL_ARCHIVE__FREE_BYTES_MIN": str(1 << 60)})
    token = platform.token()
    platform.start()
    try:
        assert reasons(platform) == ["disk"]
        assert platform.get("/api/v1/exams", token)["items"] == []
    finally:
        platform.kill()
