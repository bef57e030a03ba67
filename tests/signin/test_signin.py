"""Signing in: passwords, throttling, sessions, tokens, and the middleware on a small application."""

from __future__ import annotations

import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from archipel import audit, directory, signin
from archipel.kit.actor import Actor
from archipel.kit.clock import SetClock
from archipel.kit.database import Database
from archipel.kit.errors import LimitReached, NotAllowed
from archipel.signin import throttle
from tests.servers import free_port

ADMIN = Actor("account", "admin", role="administrator")


def add(database: Database, login: str = "claire", *, changed: bool = True) -> str:
    with database.write() as tx:
        _, password = directory.add_account(tx, ADMIN, login=login, role="radiologist")
        if changed:
            directory.change_password(tx, ADMIN, directory.new_password(tx, login, password, "a better password"))
            return "a better password"
    return password


def fail(database: Database, login: str, address: str, times: int) -> None:
    for _ in range(times):
        with pytest.raises(NotAllowed):
            signin.sign_in(database, login, "wrong", address, hours=12)


def test_a_session_opens_with_the_right_password_and_never_tells_which_part_was_wrong(database: Database) -> None:
    password = add(database)
    session = signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    assert session.account.login == "claire"
    messages = set()
    for login, tried in (
        ("claire", "wrong"),
        ("nobody", password),
        ("", ""),
        ("a\0b", "x\0"),
        ("\ud800", "\ud800"),
        ("x" * 5000, "y" * 5000),
    ):
        with pytest.raises(NotAllowed) as caught:
            signin.sign_in(database, login, tried, "10.0.0.1", hours=12)
        messages.add(str(caught.value))
    assert len(messages) == 1
    with database.read() as tx:
        outcomes = [r.outcome.value for r in audit.search(tx, action="signin.sign_in")]
    assert outcomes.count("success") == 1
    assert outcomes.count("refused") == 6


def test_only_digests_are_kept(database: Database) -> None:
    from sqlalchemy import text

    session = signin.sign_in(database, "claire", add(database), "10.0.0.1", hours=12)
    with database.write() as tx:
        token = signin.issue_token(tx, ADMIN, "claire")
    with database.read() as tx:
        kept = repr(
            [tx.execute(text(f"SELECT * FROM {t}")).all() for t in ("signin_session", "signin_token", "directory_account", "audit_record")]
        )
    assert session.secret not in kept
    assert token not in kept
    assert "a better password" not in kept


def test_too_many_failures_throttle_the_login_where_they_come_from_for_a_while(database: Database, clock: SetClock) -> None:
    password = add(database)
    fail(database, "claire", "10.0.0.1", throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX)
    with pytest.raises(LimitReached):
        signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    clock.advance(throttle.THROTTLE_S + 1)
    signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)


def test_nobody_locks_the_owner_out_and_the_owners_success_gives_nobody_more_guesses(database: Database) -> None:
    password = add(database)
    fail(database, "claire", "10.6.6.6", throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX)
    signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    with pytest.raises(LimitReached):
        signin.sign_in(database, "claire", "guess", "10.6.6.6", hours=12)


def test_a_success_forgets_the_failures_before_it(database: Database) -> None:
    password = add(database)
    for _ in range(2):
        fail(database, "claire", "10.0.0.1", throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX - 1)
        signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)


def failed_before(database: Database, count: int, *, login: str = "{n}", address: str = "{n}") -> None:
    """Failures of a moment ago, the fields numbered."""
    with database.write() as tx:
        for n in range(count):
            where = {"login": login.format(n=n), "address": address.format(n=n)}
            throttle.rows.add_attempt(tx, id=f"before{n}", at="2026-01-15T09:59:00.000000Z", **where)


def test_one_address_that_tries_many_logins_is_throttled(database: Database) -> None:
    password = add(database)
    failed_before(database, throttle.FAILED_PER_ADDRESS_MAX, login="user{n}", address="10.0.0.1")
    with pytest.raises(LimitReached):
        signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    signin.sign_in(database, "claire", password, "10.0.0.2", hours=12)


def test_guesses_from_many_addresses_are_bounded_but_for_where_the_owner_signs_in(database: Database, clock: SetClock) -> None:
    password = add(database)
    signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    failed_before(database, throttle.FAILED_PER_LOGIN_MAX, login="claire", address="10.6.0.{n}")
    with pytest.raises(LimitReached):
        signin.sign_in(database, "claire", password, "10.7.0.1", hours=12)
    signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    clock.advance(throttle.THROTTLE_S + 1)
    signin.sign_in(database, "claire", password, "10.7.0.1", hours=12)


def test_an_address_is_known_for_a_month(database: Database, clock: SetClock) -> None:
    password = add(database)
    signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)
    clock.advance((throttle.KNOWN_DAYS * 24 - 1) * 3600)
    signin.sign_in(database, "claire", password, "10.0.0.2", hours=12)  # what is too old goes with it, and nothing else
    with database.read() as tx:
        month_ago = "2026-01-15T09:59:00.000000Z"
        assert all(throttle.rows.has_signed_in(tx, "claire", place, since=month_ago) for place in ("10.0.0.1", "10.0.0.2"))
    clock.advance(2 * 3600)
    signin.sign_in(database, "claire", password, "10.0.0.2", hours=12)
    with database.read() as tx:
        assert not throttle.rows.has_signed_in(tx, "claire", "10.0.0.1", since=month_ago)


def test_the_addresses_of_one_ipv6_network_are_one(database: Database) -> None:
    password = add(database)
    for n in range(throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX):
        fail(database, "claire", f"2001:db8:1:2::{n:x}", 1)
    for address in ("2001:db8:1:2:ffff::1", "2001:0db8:0001:0002::7"):
        with pytest.raises(LimitReached):
            signin.sign_in(database, "claire", password, address, hours=12)
    fail(database, "claire", "10.0.0.1", throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX)
    with pytest.raises(LimitReached):
        signin.sign_in(database, "claire", password, "::ffff:10.0.0.1", hours=12)
    signin.sign_in(database, "claire", password, "2001:db8:1:3::1", hours=12)


def guesses(database: Database, count: int, address: str) -> Counter[type[Exception]]:
    """What so many guesses, sent together, are answered."""

    def guess(number: int) -> type[Exception]:
        try:
            signin.sign_in(database, "claire", f"guess {number}", address.format(n=number), hours=12)
        except (NotAllowed, LimitReached) as error:
            return type(error)
        raise AssertionError("no guess is right")

    with ThreadPoolExecutor(12) as pool:
        return Counter(pool.map(guess, range(count)))


def test_guesses_sent_together_are_bounded_like_guesses_in_a_row(database: Database) -> None:
    add(database)
    bound = throttle.FAILED_PER_LOGIN_AND_ADDRESS_MAX
    assert guesses(database, 36, "10.0.0.1") == {NotAllowed: bound, LimitReached: 36 - bound}


def test_guesses_sent_together_from_many_addresses_are_bounded_too(database: Database) -> None:
    add(database)
    failed_before(database, throttle.FAILED_PER_LOGIN_MAX - 5, login="claire", address="10.6.0.{n}")
    assert guesses(database, 24, "10.7.0.{n}") == {NotAllowed: 5, LimitReached: 19}


def test_a_password_being_checked_holds_no_writer_up(database: Database) -> None:
    """Eight sign-ins at once; other transactions go on meanwhile: the hash runs outside of the writing transaction."""
    password = add(database)
    over = threading.Event()
    slowest = []

    def sign_in() -> None:
        while not over.is_set():
            signin.sign_in(database, "claire", password, "10.0.0.1", hours=12)

    threads = [threading.Thread(target=sign_in) for _ in range(4)]
    for one in threads:
        one.start()
    for _ in range(20):
        began = time.monotonic()
        with database.write() as tx:
            audit.record(tx, ADMIN, "test.act")
        slowest.append(time.monotonic() - began)
    over.set()
    for one in threads:
        one.join()
    assert len(slowest) == 20


# --- the middleware -----------------------------------------------------------------------------------------------------------------


async def who(request: Request) -> JSONResponse:
    actor = request.scope["state"].get("actor")
    body = len(await request.body())
    return JSONResponse({"actor": actor and [actor.id, actor.role, actor.site_id, actor.address], "body": body})


PATHS = ("/api/v1/exams", "/api/v1/session", "/api/v1/session/password", "/dicom-web/studies", "/", "/apiary", "/healthz")


def application(database: Database, hours: int = 12) -> TestClient:
    app = Starlette(routes=[Route(path, who, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]) for path in PATHS])
    guarded = signin.SignInMiddleware(
        app, database=database, guarded=("/api", "/dicom-web"), open_paths=frozenset({("POST", "/api/v1/session")}), session_hours=hours
    )
    return TestClient(guarded, client=("10.0.0.9", 1234))


@pytest.fixture
def client(database: Database) -> Iterator[TestClient]:
    with application(database) as client:
        yield client


def cookie(session: signin.Session) -> dict[str, str]:
    return {"Cookie": f"other=1; archipel_session={session.secret}; more=2"}


def test_guarded_paths_need_a_name_and_open_ones_do_not(client: TestClient) -> None:
    for path in ("/", "/apiary", "/healthz"):
        assert client.get(path).json() == {"actor": None, "body": 0}
    assert client.post("/api/v1/session").status_code == 200
    for method, path in (
        ("GET", "/api/v1/exams"),
        ("GET", "/api/v1/session"),
        ("POST", "/dicom-web/studies"),
        ("GET", "/api/none"),
        ("GET", "/api"),
    ):
        answer = client.request(method, path)
        assert answer.status_code == 401
        assert answer.headers["WWW-Authenticate"].startswith("Bearer")
        error = answer.json()["error"]
        assert (error["kind"], error["code"]) == ("not_signed_in", "not-signed-in")
        assert len(error["http_request_id"]) == 32


def test_the_body_is_not_read_before_the_name_is_known(database: Database) -> None:
    async def receive() -> Any:
        raise AssertionError("the body was read")

    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    import asyncio

    scope = {"type": "http", "method": "POST", "path": "/dicom-web/studies", "headers": [], "client": ("10.0.0.9", 1)}
    app = application(database).app
    asyncio.run(app(scope, receive, send))  # type: ignore[arg-type]
    assert sent[0]["status"] == 401


def test_a_token_names_its_account_until_it_ends(database: Database, client: TestClient, clock: SetClock) -> None:
    add(database, changed=False)
    with database.write() as tx:
        token = signin.issue_token(tx, ADMIN, "claire", hours=2)
    bearer = {"Authorization": f"Bearer {token}"}
    assert client.post("/dicom-web/studies", headers=bearer, content=b"12345").json() == {
        "actor": ["claire", "radiologist", "default", "10.0.0.9"], "body": 5,
    }  # fmt: skip
    assert client.get("/api/v1/exams", headers={"Authorization": f"bearer  {token} "}).status_code == 200
    for wrong in (f"Bearer {token}x", "Bearer ", "Bearer", f"Basic {token}", "Bearer é", token):
        assert client.get("/api/v1/exams", headers={"Authorization": wrong.encode("latin-1")}).status_code == 401
    clock.advance(2 * 3600 + 1)
    assert client.get("/api/v1/exams", headers=bearer).status_code == 401


def test_disabling_an_account_ends_its_tokens_and_sessions(database: Database, client: TestClient) -> None:
    add(database, login="chief")
    with database.write() as tx:
        directory.add_account(tx, ADMIN, login="root", role="administrator")
    session = signin.sign_in(database, "claire", add(database), "10.0.0.9", hours=12)
    with database.write() as tx:
        token = signin.issue_token(tx, ADMIN, "claire")
        directory.change_account(tx, ADMIN, "claire", active=False)
    assert client.get("/api/v1/exams", headers={"Authorization": f"Bearer {token}"}).status_code == 401
    assert client.get("/api/v1/exams", headers=cookie(session)).status_code == 401
    with pytest.raises(NotAllowed), database.write() as tx:
        signin.issue_token(tx, ADMIN, "claire")


def test_a_session_reads_freely_and_writes_with_its_csrf_value_only(database: Database, client: TestClient) -> None:
    session = signin.sign_in(database, "claire", add(database), "10.0.0.9", hours=12)
    other = signin.sign_in(database, "paul", add(database, "paul"), "10.0.0.9", hours=12)
    assert client.get("/api/v1/exams", headers=cookie(session)).json()["actor"][0] == "claire"
    for method in ("POST", "PUT", "PATCH", "DELETE"):
        for headers in ({}, {"X-Archipel-CSRF": "wrong"}, {"X-Archipel-CSRF": other.csrf}, {"X-Archipel-CSRF": "é".encode("latin-1")}):
            answer = client.request(method, "/api/v1/exams", headers={**cookie(session), **headers})  # type: ignore[arg-type]
            assert (answer.status_code, answer.json()["error"]["code"]) == (403, "csrf")
        answer = client.request(method, "/api/v1/exams", headers={**cookie(session), "X-Archipel-CSRF": session.csrf})
        assert answer.status_code == 200


@pytest.mark.parametrize(("site", "status"), [("same-origin", 200), ("same-site", 403), ("cross-site", 403), ("none", 403)])
def test_the_browsers_word_for_the_same_origin_counts_as_the_csrf_value(
    database: Database, client: TestClient, site: str, status: int
) -> None:
    session = signin.sign_in(database, "claire", add(database), "10.0.0.9", hours=12)
    answer = client.post("/dicom-web/studies", headers={**cookie(session), "Sec-Fetch-Site": site})
    assert answer.status_code == status


def test_before_the_password_is_changed_a_session_can_change_it_and_nothing_else(database: Database, client: TestClient) -> None:
    session = signin.sign_in(database, "claire", add(database, changed=False), "10.0.0.9", hours=12)
    headers = {**cookie(session), "X-Archipel-CSRF": session.csrf}
    assert client.get("/api/v1/session", headers=headers).status_code == 200
    assert client.post("/api/v1/session/password", headers=headers).status_code == 200
    answer = client.get("/api/v1/exams", headers=headers)
    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "password-change-due")


def test_a_session_ends_without_use_and_lives_with_it(database: Database, client: TestClient, clock: SetClock) -> None:
    session = signin.sign_in(database, "claire", add(database), "10.0.0.9", hours=12)
    for _ in range(5):
        clock.advance(8 * 3600)
        assert client.get("/api/v1/exams", headers=cookie(session)).status_code == 200
    clock.advance(12 * 3600 + 1)
    answer = client.get("/api/v1/exams", headers=cookie(session))
    assert (answer.status_code, answer.json()["error"]["code"]) == (401, "session-ended")


def test_signing_out_ends_one_session_or_all(database: Database, client: TestClient) -> None:
    password = add(database)
    one, two = (signin.sign_in(database, "claire", password, "10.0.0.9", hours=12) for _ in range(2))
    with database.write() as tx:
        token = signin.issue_token(tx, ADMIN, "claire")
        signin.sign_out(tx, one.secret)
    assert client.get("/api/v1/exams", headers=cookie(one)).status_code == 401
    assert client.get("/api/v1/exams", headers=cookie(two)).status_code == 200
    with database.write() as tx:
        signin.sign_out_everywhere(tx, two.account.id)
    assert client.get("/api/v1/exams", headers=cookie(two)).status_code == 401
    assert client.get("/api/v1/exams", headers={"Authorization": f"Bearer {token}"}).status_code == 401


@pytest.mark.parametrize(
    "value", ["archipel_session=", "archipel_session=x", "=;=;", 'archipel_session="', "a" * 5000, "archipel_session=é"]
)
def test_cookies_of_nonsense_are_not_signed_in(client: TestClient, value: str) -> None:
    assert client.get("/api/v1/exams", headers={"Cookie": value.encode("latin-1")}).status_code == 401  # type: ignore[dict-item]


def test_a_database_that_is_away_is_503_and_not_401(clock: SetClock) -> None:
    database = Database(f"postgresql+psycopg://archipel@127.0.0.1:{free_port()}/none", clock=clock)
    with application(database) as client:
        answer = client.get("/api/v1/exams", headers={"Authorization": "Bearer ak_x"})
    assert answer.status_code == 503
    assert answer.json()["error"]["kind"] == "unavailable"
    database.close()
