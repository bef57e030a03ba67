"""Behind a reverse proxy: whose address counts."""

from __future__ import annotations

import sqlite3

import httpx
import pytest

from tests.platform import Platform


@pytest.mark.parametrize(("trusted", "seen"), [('["127.0.0.1"]', "10.9.8.7"), ("[]", "127.0.0.1")])
def test_the_address_that_a_proxy_names_counts_only_if_the_proxy_is_trusted(platform: Platform, trusted: str, seen: str) -> None:
    platform.environment["ARCHIPEL_HTTP__TRUSTED_PROXIES"] = trusted
    platform.start()
    body = {"login": "nobody", "password": "not it"}
    answer = httpx.post(f"{platform.url}/api/v1/session", json=body, headers={"X-Forwarded-For": "10.9.8.7"})
    assert answer.status_code == 401
    with sqlite3.connect(platform.data / "archipel.db") as connection:
        assert connection.execute("SELECT address FROM signin_attempt").fetchall() == [(seen,)]
