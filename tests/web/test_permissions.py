"""Every route with every role: what the table says is what the door does, and nobody is let in without signing in."""

from __future__ import annotations

from typing import Any

import httpx
import pytest
from fastapi.routing import APIRoute

from archipel.directory import ROLES
from archipel.web.create import MODULES
from tests.web.door import Door

UID, ID, RPPS = "1.2.3", "0" * 32, "10100534436"
ANYONE = frozenset(ROLES)
ADMIN = frozenset({"administrator"})
SITE_ADMIN = ADMIN | {"site_administrator"}
NOTHING = {
    "town_doctor", "patient", "guardian", "rota_coordinator", "medical_commission_member", "screening_coordinator", "screening_physician",
    "accountant",
}  # fmt: skip
READ = ANYONE - NOTHING - {"auditor", "identity_officer", "biomedical_engineer"}
DOWNLOAD = READ - {"nurse", "front_desk", "first_reader", "second_reader"}
CONTROL = ADMIN | {"physicist", "biomedical_engineer"}
IDENTITY = ADMIN | {"identity_officer"}
REJECT = SITE_ADMIN | {"radiologist", "technician", "archive_operator"}
STORE = REJECT | {"application"}
TRAIL = SITE_ADMIN | {"auditor"}
RESOLVE = SITE_ADMIN | {"technician", "archive_operator"}
SYSTEM = SITE_ADMIN | {"physicist", "archive_operator"}

# (method, path, body) -> who may; written from the product's description of the roles, not from the code's table.
MATRIX: dict[tuple[str, str], tuple[Any, frozenset[str]]] = {
    ("GET", "/session"): (None, ANYONE),
    ("PATCH", "/session"): ({"locale": "fr"}, ANYONE),
    ("POST", "/session/password"): ({"current": "x", "new": "y"}, ANYONE),
    ("DELETE", "/session"): (None, ANYONE),
    ("GET", "/session/factors"): (None, ANYONE),
    ("POST", "/session/factors/totp"): (None, ANYONE),
    ("POST", "/session/factors/totp/confirm"): ({"code": "000000", "name": "x"}, ANYONE),
    ("POST", "/session/factors/passkey"): (None, ANYONE),
    ("POST", "/session/factors/passkey/confirm"): ({"passkey": {}, "name": "x"}, ANYONE),
    ("POST", "/session/factors/recovery-codes"): (None, ANYONE),
    ("PATCH", f"/session/factors/{ID}"): ({"name": "x"}, ANYONE),
    ("DELETE", f"/session/factors/{ID}"): (None, ANYONE),
    ("GET", "/exams"): (None, READ),
    ("GET", f"/exams/{UID}"): (None, READ),
    ("GET", f"/exams/{UID}/viewer"): (None, READ),
    ("GET", f"/exams/{UID}/series/{UID}/instances"): (None, READ),
    ("GET", f"/exams/{UID}/archive.zip"): (None, DOWNLOAD),
    ("HEAD", f"/exams/{UID}/archive.zip"): (None, DOWNLOAD),
    ("GET", f"/exams/{UID}/trace"): (None, SITE_ADMIN),
    ("POST", f"/exams/{UID}/rejection"): ({"code": "113001"}, REJECT),
    ("DELETE", f"/exams/{UID}/rejection"): (None, REJECT),
    ("POST", "/uploads"): (None, STORE),
    ("GET", "/conflicts"): (None, RESOLVE),
    ("GET", f"/conflicts/{ID}"): (None, RESOLVE),
    ("POST", f"/conflicts/{ID}/resolution"): ({"action": "accept"}, RESOLVE),
    ("GET", "/identity/persons"): (None, IDENTITY),
    ("GET", f"/identity/persons/{ID}"): (None, IDENTITY),
    ("GET", "/identity/proposals"): (None, IDENTITY),
    ("GET", f"/identity/proposals/{ID}"): (None, IDENTITY),
    ("POST", f"/identity/proposals/{ID}/decision"): ({"verdict": "later"}, IDENTITY),
    ("POST", f"/identity/decisions/{ID}/undoing"): ({}, IDENTITY),
    ("POST", f"/identity/records/{ID}/unlinking"): ({}, IDENTITY),
    ("GET", "/sites"): (None, ANYONE),
    ("POST", "/sites"): ({"id": "Not Valid", "name": "x"}, ADMIN),
    ("PATCH", "/sites/nowhere"): ({"name": "x"}, ADMIN),
    ("GET", "/devices"): (None, SITE_ADMIN | CONTROL),
    ("POST", "/devices"): ({"aet": "X", "host": "", "port": 104}, SITE_ADMIN),
    ("PATCH", "/devices/NOWHERE"): ({"port": 104}, SITE_ADMIN),
    ("DELETE", "/devices/NOWHERE"): (None, SITE_ADMIN),
    ("POST", "/devices/NOWHERE/echo"): (None, SITE_ADMIN),
    ("GET", "/devices/NOWHERE/controls"): (None, SITE_ADMIN | CONTROL),
    ("POST", "/devices/NOWHERE/controls"): ({"kind": "maintenance", "on": "2026-01-01", "by": "x", "result": "conform"}, CONTROL),
    ("GET", "/hl7/peers"): (None, SITE_ADMIN),
    ("POST", "/hl7/peers"): ({"name": "X", "host": "", "port": 104}, SITE_ADMIN),
    ("PATCH", "/hl7/peers/NOWHERE"): ({"port": 104}, SITE_ADMIN),
    ("DELETE", "/hl7/peers/NOWHERE"): (None, SITE_ADMIN),
    ("GET", "/hl7/messages"): (None, ADMIN),
    ("POST", f"/hl7/messages/{ID}/replay"): (None, ADMIN),
    ("GET", "/professionals"): (None, SITE_ADMIN),
    ("GET", f"/professionals/{RPPS}"): (None, SITE_ADMIN),
    ("PUT", f"/professionals/{RPPS}"): ({"family": "=X"}, ADMIN),
    ("PUT", f"/professionals/{RPPS}/memberships"): ({"finess": "970000018", "role": "nurse", "from_on": "2026-01-01"}, ADMIN),
    ("GET", "/structures"): (None, SITE_ADMIN),
    ("PUT", "/structures/970000018"): ({"kind": "geographic", "name": "X"}, ADMIN),
    ("GET", "/sites/nowhere/units"): (None, SITE_ADMIN),
    ("PUT", "/sites/nowhere/units/RAD"): ({"name": "X"}, SITE_ADMIN),
    ("GET", "/accounts"): (None, SITE_ADMIN),
    ("POST", "/accounts"): ({"login": "not valid!", "role": "technician"}, SITE_ADMIN),
    ("PATCH", "/accounts/nobody"): ({"name": "x"}, SITE_ADMIN),
    ("POST", "/accounts/nobody/reset-password"): (None, SITE_ADMIN),
    ("POST", "/accounts/nobody/reset-second-factors"): (None, SITE_ADMIN),
    ("GET", "/accounts/nobody/identities"): (None, SITE_ADMIN),
    ("POST", "/accounts/nobody/identities"): ({"provider": "x", "subject": "y"}, SITE_ADMIN),
    ("POST", "/accounts/nobody/identities/removal"): ({"provider": "x", "subject": "y"}, SITE_ADMIN),
    ("GET", "/roles"): (None, ANYONE),
    ("GET", "/system"): (None, SYSTEM),
    ("GET", "/system/parked"): (None, SYSTEM),
    ("POST", f"/system/parked/{ID}/retry"): (None, ADMIN),
    ("GET", "/system/jobs"): (None, SYSTEM),
    ("GET", "/live"): (None, READ),
    ("GET", "/audit"): (None, TRAIL),
    ("GET", "/audit/state"): (None, TRAIL),
    ("GET", "/audit/records.csv"): (None, TRAIL),
    ("POST", "/demo/reset"): (None, ADMIN),
}
# The steps of signing in itself.
OPEN = {
    ("POST", "/session"), ("GET", "/session/ways"), ("DELETE", "/session/ways"), ("POST", "/session/second"),
    ("POST", "/session/passkey"), ("POST", "/session/passkey/options"), ("GET", "/session/start"), ("GET", "/session/callback/psc"),
    ("POST", "/session/logout/psc"),
}  # fmt: skip


def ask(client: httpx.Client, method: str, path: str, body: Any) -> tuple[int, str]:
    """Status and code of an answer; a stream is left at its first byte."""
    with client.stream(method, path, json=body) as answer:
        if not answer.is_error:
            return answer.status_code, ""
        answer.read()
        return answer.status_code, answer.json()["error"]["code"] if answer.content else "no-right" if answer.status_code == 403 else ""


def test_the_matrix_holds_every_route() -> None:
    filled = {
        "study_uid": UID,
        "provider": "psc",
        "factor_id": ID,
        "series_uid": UID,
        "conflict_id": ID,
        "person_id": ID,
        "proposal_id": ID,
        "decision_id": ID,
        "record_key": ID,
        "parked_id": ID,
        "site_id": "nowhere",
        "aet": "NOWHERE",
        "rpps": RPPS,
        "finess": "970000018",
        "code": "RAD",
        "login": "nobody",
        "name": "NOWHERE",
        "message_id": ID,
    }
    routes = set()
    for module in MODULES:
        for route in module.router.routes:
            assert isinstance(route, APIRoute)
            path = route.path.replace(":path}", "}").format(**filled)
            routes |= {(method, path) for method in route.methods or ()}
    assert routes - set(MATRIX) == OPEN and set(MATRIX) <= routes


@pytest.mark.parametrize("role", ROLES)
def test_a_role_may_what_it_may(door: Door, role: str) -> None:
    with door.client(role) as client:
        for (method, path), (body, allowed) in MATRIX.items():
            status, code = ask(client, method, path, body)
            assert (status == 403 and code == "no-right") == (role not in allowed), (role, method, path, status, code)
            assert status < 500 and status != 401, (method, path)


def test_nobody_is_let_in_without_signing_in_whatever_the_body(door: Door) -> None:
    with door.client() as client:
        for method, path in MATRIX:
            answer = client.request(method, path, content=b"\xff{", headers={"Content-Type": "application/json"})
            assert answer.status_code == 401, (method, path)
        for authorization in ("Bearer nonsense", "Basic YTpi", "Bearer", "Bearer ak_\xff"):
            assert client.get("/exams", headers={"Authorization": authorization.encode("latin-1")}).status_code == 401  # type: ignore[dict-item]


def test_what_is_not_there_is_said_in_the_same_shape(door: Door) -> None:
    client = door.client("radiologist")
    for method, path, status, code in (
        ("GET", "/nothing", 404, "no-route"), ("POST", "/nothing/at/all", 404, "no-route"), ("PUT", "/exams", 405, "method"),
        ("DELETE", "/sites", 405, "method"), ("POST", "/roles", 405, "method"), ("TRACE", "/exams", 405, "method"),
    ):  # fmt: skip
        answer = client.request(method, path)
        assert answer.status_code == status, (method, path)
        error = answer.json()["error"]
        assert error["code"] == code and set(error) == {"kind", "code", "public", "field", "http_request_id"}
        assert len(error["http_request_id"]) == 32
    assert client.request("PUT", "/exams").headers["allow"] == "GET"


def test_a_body_that_cannot_be_read_is_said_in_the_same_shape(door: Door) -> None:
    client = door.client("administrator")
    for content in (
        b"{",
        b"[1]",
        b'"x"',
        b"\xff\xfe",
        b'{"id": "x\\u0000", "name": "x"}',
        b'{"id": "x", "name": "\\ud800"}',
        b"[" * 100_000,
    ):
        answer = client.post("/sites", content=content, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and answer.json()["error"]["kind"] == "invalid", content[:20]
    large = client.post("/sites", content=b'{"id": "' + b"x" * (5 << 20) + b'"}', headers={"Content-Type": "application/json"})
    assert large.status_code == 413 and large.json()["error"]["code"] == "too-large"

    def chunked() -> Any:
        for _ in range(80):
            yield b"x" * (64 << 10)

    answer = client.post("/sites", content=chunked(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
