"""Second factors through the API: enrolment, the second step, recovery codes, what sites ask for, an administrator's reset."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import text

from archipel import audit, directory, signin
from archipel.kit.errors import Invalid
from archipel.kit.settings import SignInSettings
from archipel.signin import totp
from tests.servers import Backend, free_port
from tests.web.door import PASSWORD, Door, running


@pytest.fixture(scope="module")
def door(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """At an address by name, as passkeys need it."""
    folder = tmp_path_factory.mktemp("door")
    with running(folder, public_url=f"http://localhost:{free_port()}") as made:
        yield made


def person(door: Door, login: str, role: str = "radiologist") -> httpx.Client:
    """A new account, signed in."""
    door.account(login, role)
    door.database.transact(lambda tx: directory.set_password(tx, login, PASSWORD))
    return door.browser(login)


def code(door: Door, secret: str, steps: int = 0) -> str:
    """What an app shows."""
    raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
    return totp.code_at(raw, int(door.clock.now().timestamp()) // totp.STEP_S + steps)


def enrol(door: Door, client: httpx.Client, name: str = "Telephone") -> tuple[str, list[str]]:
    """An authenticator app: its secret, and the recovery codes."""
    begun = client.post("/session/factors/totp").json()
    answer = client.post("/session/factors/totp/confirm", json={"code": code(door, begun["secret"]), "name": name})
    assert answer.status_code == 200, answer.text
    door.clock.advance(totp.STEP_S)  # that code is used
    return begun["secret"], answer.json()["recovery_codes"]


def password_step(door: Door, login: str) -> httpx.Client:
    """A browser whose password was right, and that is asked for more."""
    client = door.client()
    answer = client.post("/session", json={"login": login, "password": PASSWORD})
    assert answer.status_code == 202 and "archipel_session" not in client.cookies
    return client


def refused(answer: httpx.Response, status: int, code: str) -> bool:
    return (answer.status_code, answer.json()["error"]["code"]) == (status, code)


def test_an_app_is_added_and_asked_for_and_a_code_counts_once(door: Door) -> None:
    client = person(door, "anne")
    assert client.get("/session/factors").json() == {
        "factors": [], "recovery_codes_left": 0, "required": False, "passkeys": True, "fresh": True,
    }  # fmt: skip
    begun = client.post("/session/factors/totp").json()
    assert begun["picture"].startswith("<svg")
    assert refused(client.post("/session/factors/totp/confirm", json={"code": "000000", "name": "x"}), 400, "wrong-code")
    secret, recovery = enrol(door, client)
    assert len(set(recovery)) == 10 and all(len(one) == 19 for one in recovery)
    [factor] = client.get("/session/factors").json()["factors"]
    assert (factor["kind"], factor["name"], factor["used_at"]) == ("totp", "Telephone", None)

    browser = password_step(door, "anne")
    assert browser.get("/session").status_code == 401
    assert browser.get("/session/ways").json()["second_factor"] == ["totp"]
    assert refused(browser.post("/session/second", json={"code": "123456"}), 401, "wrong-second-factor")
    right = code(door, secret)
    assert browser.post("/session/second", json={"code": right}).json()["account"]["login"] == "anne"
    assert browser.get("/session").status_code == 200
    again = password_step(door, "anne")
    assert refused(again.post("/session/second", json={"code": right}), 401, "wrong-second-factor"), "a code is used once"
    assert again.post("/session/second", json={"code": code(door, secret, 1)}).status_code == 200, "a clock that is ahead"


def test_the_second_step_is_this_browsers_and_ends(door: Door) -> None:
    secret, _ = enrol(door, person(door, "bruno"))
    browser = password_step(door, "bruno")
    assert refused(door.client().post("/session/second", json={"code": code(door, secret)}), 401, "sign-in-over")
    assert browser.delete("/session/ways").status_code == 204
    assert refused(browser.post("/session/second", json={"code": code(door, secret)}), 401, "sign-in-over")
    late = password_step(door, "bruno")
    door.clock.advance(signin.steps.STEP_S + 1)
    assert refused(late.post("/session/second", json={"code": code(door, secret)}), 401, "sign-in-over")
    done = password_step(door, "bruno")
    step = done.cookies["archipel_step"]
    assert done.post("/session/second", json={"code": code(door, secret)}).status_code == 200
    door.clock.advance(totp.STEP_S)
    replayed = door.client(cookies={"archipel_step": step})
    assert refused(replayed.post("/session/second", json={"code": code(door, secret)}), 401, "sign-in-over")


def test_guesses_of_a_code_are_bounded_by_account_though_the_password_is_right(door: Door) -> None:
    secret, _ = enrol(door, person(door, "carla"))
    for _ in range(8):
        browser = password_step(door, "carla")
        assert refused(browser.post("/session/second", json={"code": "000000"}), 401, "wrong-second-factor")
    slowed = password_step(door, "carla").post("/session/second", json={"code": code(door, secret)})
    assert refused(slowed, 429, "throttled") and slowed.headers["retry-after"] == "900"
    door.clock.advance(901)
    assert password_step(door, "carla").post("/session/second", json={"code": code(door, secret)}).status_code == 200


def test_a_recovery_code_opens_once_and_new_ones_end_the_old(door: Door) -> None:
    client = person(door, "denis")
    _, recovery = enrol(door, client)
    typed = recovery[0].upper().replace("-", " ")
    assert password_step(door, "denis").post("/session/second", json={"code": typed}).status_code == 200
    assert refused(password_step(door, "denis").post("/session/second", json={"code": typed}), 401, "wrong-second-factor")
    assert client.get("/session/factors").json()["recovery_codes_left"] == 9
    made = client.post("/session/factors/recovery-codes").json()["recovery_codes"]
    assert refused(password_step(door, "denis").post("/session/second", json={"code": recovery[1]}), 401, "wrong-second-factor")
    assert password_step(door, "denis").post("/session/second", json={"code": made[1]}).status_code == 200


def test_a_session_that_was_left_open_and_a_token_change_no_factors(door: Door) -> None:
    client = person(door, "emma")
    secret, _ = enrol(door, client)
    [factor] = client.get("/session/factors").json()["factors"]
    door.clock.advance(901)
    assert client.get("/session/factors").json()["fresh"] is False
    token = door.client("emma")
    for one in (client, token):
        assert refused(one.post("/session/factors/totp"), 403, "sign-in-again")
        assert refused(one.delete(f"/session/factors/{factor['id']}"), 403, "sign-in-again")
    assert token.get("/exams").status_code == 200, "tokens are as before"
    browser = password_step(door, "emma")
    browser.headers["X-Archipel-CSRF"] = (
        browser.post("/session/second", json={"code": code(door, secret)}) and browser.cookies["archipel_csrf"]
    )
    assert browser.patch(f"/session/factors/{factor['id']}", json={"name": "New telephone"}).status_code == 204
    assert browser.get("/session/factors").json()["factors"][0]["name"] == "New telephone"
    assert refused(browser.delete("/session/factors/other"), 404, "no-factor")
    assert browser.delete(f"/session/factors/{factor['id']}").status_code == 204
    assert browser.get("/session/factors").json()["recovery_codes_left"] == 0
    assert door.browser("emma").get("/session").status_code == 200


def test_a_site_asks_its_roles_for_a_second_factor_at_the_next_sign_in(door: Door) -> None:
    before = person(door, "fanny", "technician")
    admin = door.browser("administrator")
    assert refused(admin.patch("/sites/north", json={"second_factor_roles": ["nobody"]}), 400, "role")
    assert admin.patch("/sites/north", json={"second_factor_roles": ["technician"]}).json()["second_factor_roles"] == ["technician"]
    try:
        assert before.get("/exams").status_code == 200, "who is signed in stays so"
        client = door.browser("fanny")
        assert client.get("/session").json()["second_factor_due"] is True
        assert refused(client.get("/exams"), 403, "second-factor-due")
        assert door.client("fanny").get("/exams").status_code == 200, "tokens are as before"
        enrol(door, client)
        assert client.get("/exams").status_code == 200 and client.get("/session").json()["second_factor_due"] is False
        assert client.get("/session/factors").json()["required"] is True
    finally:
        admin.patch("/sites/north", json={"second_factor_roles": []})


def test_a_role_may_be_asked_everywhere(tmp_path: Path) -> None:
    with running(tmp_path, signin_settings=SignInSettings(second_factor_roles=("physicist",))) as door:
        assert refused(door.browser("physicist").get("/exams"), 403, "second-factor-due")
        assert door.browser("radiologist").get("/exams").status_code == 200
        assert door.client().get("/session/ways").json()["passkeys"] is False, "no address by name"


def test_a_role_that_does_not_exist_is_refused_at_the_start(tmp_path: Path) -> None:
    misspelt = SignInSettings(second_factor_roles=("radiolog",))
    with pytest.raises(Invalid, match="radiolog"), running(tmp_path, signin_settings=misspelt):
        pass


def test_an_administrator_resets_what_was_lost(door: Door) -> None:
    client = person(door, "gilles")
    enrol(door, client)
    admin = door.browser("administrator")
    listed = {one["login"]: one["second_factor"] for one in admin.get("/accounts").json()["items"]}
    assert listed["gilles"] is True and listed["administrator"] is False
    assert door.browser("radiologist").post("/accounts/gilles/reset-second-factors").status_code == 403
    assert admin.post("/accounts/gilles/reset-second-factors").status_code == 204
    assert client.get("/session").status_code == 401
    assert door.browser("gilles").get("/exams").status_code == 200
    with door.database.read() as tx:
        [record] = audit.search(tx, action="signin.reset_factors")
    assert (record.actor.id, record.object_id, record.detail) == ("administrator", "gilles", {"count": 1})


def test_secrets_are_in_the_database_sealed_or_as_digests(backend: Backend, tmp_path: Path) -> None:
    key_file = tmp_path / "keys"
    key_file.write_text("k1 " + "5c" * 32)
    key_file.chmod(0o600)
    with running(tmp_path, backend, signin_settings=SignInSettings(key_file=str(key_file))) as door:
        client = door.browser("radiologist")
        secret, recovery = enrol(door, client)
        browser = password_step(door, "radiologist")
        with door.database.read() as tx:
            tables = ("signin_factor", "signin_recovery", "signin_step", "signin_session", "audit_record")
            kept: Any = repr([tx.execute(text(f"SELECT * FROM {table}")).all() for table in tables])
        raw = base64.b32decode(secret + "=" * (-len(secret) % 8))
        for hidden in (secret, raw.hex(), repr(raw)[2:-1], recovery[0], recovery[0].replace("-", ""), browser.cookies["archipel_step"]):
            assert hidden not in kept
        assert browser.post("/session/second", json={"code": code(door, secret)}).status_code == 200


def test_a_passkey_that_answers_nothing_is_refused(door: Door) -> None:
    client = door.client()
    options = client.post("/session/passkey/options").json()
    assert options["rpId"] == "localhost" and options["userVerification"] == "required" and options["allowCredentials"] == []
    for passkey in ({}, {"id": 5}, {"id": "AAAA"}, {"id": "AAAA", "rawId": "AAAA", "response": {}, "type": "public-key"}):
        assert refused(client.post("/session/passkey", json={"passkey": passkey}), 401, "unknown-passkey")
    person(door, "hugo")
    mine = door.browser("hugo")
    made = mine.post("/session/factors/passkey").json()
    assert made["rp"]["id"] == "localhost" and made["authenticatorSelection"]["userVerification"] == "required"
    broken = {"id": "AAAA", "rawId": "AAAA", "response": {"clientDataJSON": "AA", "attestationObject": "AA"}, "type": "public-key"}
    assert refused(mine.post("/session/factors/passkey/confirm", json={"passkey": broken, "name": "x"}), 400, "wrong-passkey")
