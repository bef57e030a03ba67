"""Sessions of people: cookies, CSRF, throttling, expiry, passwords."""

from __future__ import annotations

import statistics
import threading
import time
from pathlib import Path

import httpx

from archipel import audit, directory
from tests.web.door import PASSWORD, Door, running


def test_sign_in_opens_a_session_with_safe_cookies(door: Door) -> None:
    door.ready("radiologist")
    client = door.client()
    answer = client.post("/session", json={"login": "radiologist", "password": PASSWORD})
    assert answer.status_code == 200
    body = answer.json()
    assert body["account"] == {
        "login": "radiologist", "name": "radiologist", "role": "radiologist", "site_id": "north", "locale": "fr",
        "must_change_password": False,
    }  # fmt: skip
    assert body["aet"] == "ARCHIPEL" and body["demo"] is False and body["second_factor_due"] is False
    assert {"exam.read", "exam.download", "exam.store", "exam.reject"} <= set(body["permissions"])
    cookies = {line.split("=")[0]: line.lower() for line in answer.headers.get_list("set-cookie")}
    assert "httponly" in cookies["archipel_session"] and "samesite=strict" in cookies["archipel_session"]
    assert "httponly" not in cookies["archipel_csrf"] and "samesite=strict" in cookies["archipel_csrf"]
    assert "secure" not in cookies["archipel_session"]
    assert answer.headers["cache-control"] == "no-store"
    assert client.get("/session").json() == body


def test_a_wrong_password_says_neither_which_was_wrong_nor_opens_anything(door: Door) -> None:
    client = door.client()
    wrong = client.post("/session", json={"login": "radiologist", "password": "not it"})
    unknown = client.post("/session", json={"login": "nobody", "password": "not it"})
    assert wrong.status_code == unknown.status_code == 401
    for answer in (wrong, unknown):
        error = answer.json()["error"]
        assert (error["kind"], error["code"]) == ("not_allowed", "wrong-credentials")
        assert len(error["http_request_id"]) == 32
    assert wrong.json()["error"]["public"] == unknown.json()["error"]["public"]
    assert client.get("/session").status_code == 401


def test_too_many_failures_are_throttled_until_time_has_passed(door: Door) -> None:
    door.ready("physicist")
    client = door.client()
    for _ in range(8):
        assert client.post("/session", json={"login": "physicist", "password": "wrong"}).status_code == 401
    refused = client.post("/session", json={"login": "physicist", "password": PASSWORD})
    assert refused.status_code == 429
    assert refused.json()["error"]["code"] == "throttled" and refused.headers["retry-after"] == "900"
    door.clock.advance(901)
    assert client.post("/session", json={"login": "physicist", "password": PASSWORD}).status_code == 200


def test_a_change_by_cookie_needs_the_csrf_value(door: Door) -> None:
    door.ready("administrator")  # a platform without one takes no change of accounts
    client = door.browser("radiologist")
    csrf = client.headers.pop("X-Archipel-CSRF")
    refused = client.patch("/session", json={"locale": "en"})
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "csrf"
    other = client.patch("/session", json={"locale": "en"}, headers={"X-Archipel-CSRF": csrf[:-1] + ("y" if csrf.endswith("x") else "x")})
    assert other.status_code == 403
    assert client.patch("/session", json={"locale": "en"}, headers={"X-Archipel-CSRF": csrf}).status_code == 204
    assert client.get("/session").json()["account"]["locale"] == "en"


def test_a_session_ends_by_signing_out(door: Door) -> None:
    client = door.browser("radiologist")
    secret = client.cookies["archipel_session"]
    assert client.delete("/session").status_code == 204
    assert client.get("/session").status_code == 401
    assert door.client(cookies={"archipel_session": secret}).get("/session").status_code == 401


def test_a_session_ends_when_it_is_not_used(door: Door) -> None:
    client = door.browser("radiologist")
    for _ in range(3):  # each use gives it its whole life again
        door.clock.advance(11 * 3600)
        assert client.get("/session").status_code == 200
    door.clock.advance(13 * 3600)
    ended = client.get("/session")
    assert ended.status_code == 401 and ended.json()["error"]["code"] == "session-ended"


def test_a_one_time_password_must_be_changed_before_anything_else(door: Door) -> None:
    admin = door.browser("administrator")
    made = admin.post("/accounts", json={"login": "nurse", "name": "Nurse", "role": "technician", "site_id": "north"}).json()
    client = door.browser("nurse", made["one_time_password"])
    assert client.get("/session").json()["account"]["must_change_password"] is True
    refused = client.get("/exams")
    assert refused.status_code == 403 and refused.json()["error"]["code"] == "password-change-due"
    short = client.post("/session/password", json={"current": made["one_time_password"], "new": "short"})
    assert short.status_code == 400 and short.json()["error"]["field"] == "new"
    wrong = client.post("/session/password", json={"current": "not it", "new": "a much longer secret"})
    assert wrong.status_code == 400 and wrong.json()["error"]["code"] == "wrong-password"
    new = {"current": made["one_time_password"], "new": "a much longer secret"}
    assert client.post("/session/password", json=new).status_code == 204
    assert client.get("/exams").status_code == 200


def test_secure_cookies_are_a_setting(tmp_path: Path) -> None:
    with running(tmp_path, secure_cookies=True) as door:
        door.ready("radiologist")
        answer = door.client().post("/session", json={"login": "radiologist", "password": PASSWORD})
        assert all("secure" in line.lower() for line in answer.headers.get_list("set-cookie"))


def test_wrong_passwords_are_counted_where_a_new_one_is_given_too(door: Door) -> None:
    client, wrong = door.browser("physicist"), {"current": "wrong", "new": "a much longer secret"}
    for new in ("short", "physicist-and-more"):  # these say nothing of the current password
        assert client.post("/session/password", json={"current": PASSWORD, "new": new}).json()["error"]["field"] == "new"
    for _ in range(8):
        assert client.post("/session/password", json=wrong).json()["error"]["code"] == "wrong-password"
    for current in ("wrong", PASSWORD):
        refused = client.post("/session/password", json={**wrong, "current": current})
        assert refused.status_code == 429
        assert refused.json()["error"]["code"] == "throttled" and refused.headers["retry-after"] == "900"
    with door.database.read() as tx:
        tried = audit.search(tx, action="directory.change_password", actor_id="physicist")
    assert [one.outcome.value for one in tried] == ["refused"] * 8
    door.clock.advance(901)
    assert client.post("/session/password", json={**wrong, "current": PASSWORD}).status_code == 204
    door.database.transact(lambda tx: directory.set_password(tx, "physicist", PASSWORD))


def test_nobody_waits_while_passwords_are_tried(door: Door) -> None:
    """The hashes are made outside of the one writing transaction of SQLite."""
    client, stop = door.browser("radiologist"), threading.Event()
    codes: set[int] = set()

    def change() -> None:
        with httpx.Client(base_url=client.base_url, headers=client.headers, cookies=client.cookies, timeout=60) as one:
            while not stop.is_set():
                codes.add(one.post("/session/password", json={"current": "wrong", "new": "a much longer secret"}).status_code)

    threads = [threading.Thread(target=change) for _ in range(12)]
    for thread in threads:
        thread.start()
    waited = []
    for _ in range(15):
        begun = time.monotonic()
        with door.database.write():
            waited.append(time.monotonic() - begun)
        time.sleep(0.02)
    stop.set()
    for thread in threads:
        thread.join()
    assert codes == {400, 429}
    assert statistics.median(waited) < 0.1, waited
    door.clock.advance(901)


def test_a_new_password_ends_the_other_sessions_of_the_account(door: Door) -> None:
    admin = door.browser("administrator")
    made = admin.post("/accounts", json={"login": "midwife", "role": "technician", "site_id": "north"}).json()
    one, other = (door.browser("midwife", made["one_time_password"]) for _ in range(2))
    new = {"current": made["one_time_password"], "new": "a much longer secret"}
    assert one.post("/session/password", json=new).status_code == 204
    assert one.get("/exams").status_code == 200
    ended = other.get("/exams")
    assert ended.status_code == 401 and ended.json()["error"]["code"] == "session-ended"
    assert admin.get("/exams").status_code == 200
