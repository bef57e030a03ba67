"""Sign-in through a provider of identities: what is right opens, and everything that is nearly right does not."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from archipel import audit, directory
from archipel.kit.errors import Unavailable
from archipel.kit.settings import ProviderSettings, SignInSettings
from archipel.signin import oidc, totp
from tests.identity_provider import LOGOUT, ForgingProvider, forging_provider, other_key
from tests.servers import free_port
from tests.web.door import Door, running
from tests.web.test_second_factors import code, enrol, refused

RPPS = "10100534436"


@pytest.fixture(scope="module")
def real() -> Iterator[ForgingProvider]:
    with forging_provider() as provider:
        yield provider


@pytest.fixture
def provider(real: ForgingProvider) -> ForgingProvider:
    """As new."""
    real.claims, real.userinfo, real.metadata, real.answer, real.forge = {}, {}, {}, None, None
    return real


@pytest.fixture(scope="module")
def door(real: ForgingProvider, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Door]:
    """With two providers (of one address): one whose sign-in is two factors and names professionals, and a plain one."""
    folder = tmp_path_factory.mktemp("door")
    (folder / "secret").write_text("s3cret\n")
    common: dict[str, Any] = {"issuer": real.issuer, "client_id": "archipel", "client_secret_file": str(folder / "secret")}
    strong = ProviderSettings(
        id="psc", label_fr="Pro Santé Connect", label_en="Pro Santé Connect", scopes=("openid", "scope_all"), acr=("eidas1",), two_factors=True,
        rpps_claim="SubjectNameID", rpps_prefix="8", **common,
    )  # fmt: skip
    plain = ProviderSettings(id="hospital", label_fr="Hôpital", label_en="Hospital", **common)
    signin = SignInSettings(providers=(strong, plain), provider_answer_s=2, provider_bytes_max=4096)
    with running(folder, signin_settings=signin, public_url=f"http://localhost:{free_port()}") as made:
        made.ready("radiologist")
        admin = made.client("administrator")
        for subject, login in (("dr-1", "radiologist"), ("dr-2", "physicist")):
            made.ready(login)
            for one in ("psc", "hospital"):
                assert admin.post(f"/accounts/{login}/identities", json={"provider": one, "subject": subject}).status_code == 204
        yield made


def begin(
    door: Door, provider: ForgingProvider, name: str = "hospital", next_path: str = "/exams?q=x"
) -> tuple[httpx.Client, dict[str, str]]:
    """A browser that went to the provider, and what it carries back."""
    browser = door.client()
    sent = browser.get("/session/start", params={"provider": name, "next": next_path})
    assert sent.status_code == 303 and sent.headers["location"].startswith(provider.issuer + "/authorization?"), sent.headers
    return browser, provider.authorize(sent.headers["location"])


def back(browser: httpx.Client, said: dict[str, str], name: str = "hospital") -> str:
    """Where the platform sends the browser that comes back."""
    answer = browser.get(f"/session/callback/{name}", params=said)
    assert answer.status_code == 303
    return answer.headers["location"]


def opens(door: Door, provider: ForgingProvider, name: str = "hospital") -> str:
    browser, said = begin(door, provider, name)
    where = back(browser, said, name)
    assert ("archipel_session" in browser.cookies) == (not where.startswith("/sign-in"))
    return where


def test_the_way_there_and_back(door: Door, provider: ForgingProvider) -> None:
    browser = door.client(cookies={"archipel_session": "fixed", "archipel_csrf": "fixed"})
    sent = browser.get("/session/start", params={"provider": "psc", "next": "/exams?q=x"}).headers["location"]
    asked = {key: values[0] for key, values in parse_qs(urlsplit(sent).query).items()}
    assert asked["redirect_uri"] == f"{door.settings.http.public_url}/api/v1/session/callback/psc"
    assert (asked["response_type"], asked["code_challenge_method"], asked["acr_values"]) == ("code", "S256", "eidas1")
    assert asked["scope"] == "openid scope_all" and len(asked["code_challenge"]) == 43 and len(asked["nonce"]) == 43
    provider.claims = {"acr": "eidas1"}
    assert back(browser, provider.authorize(sent), "psc") == "/exams?q=x"
    given = [cookie.value for cookie in browser.cookies.jar if cookie.name == "archipel_session"]
    assert given and "fixed" not in given[-1:], "a session of its own, whatever the browser brought"
    fresh = door.client(cookies={"archipel_session": given[-1]})
    assert fresh.get("/session").json()["account"]["login"] == "radiologist"
    assert door.client(cookies={"archipel_session": "fixed"}).get("/session").status_code == 401
    with door.database.read() as tx:
        record = audit.search(tx, action="signin.sign_in", actor_id="radiologist")[0]
    assert record.detail["provider"] == "psc"


@pytest.mark.parametrize(
    "elsewhere",
    ["//evil.example", "https://evil.example/", "/\\evil.example", "/\t/evil.example", "javascript:alert(1)", "/sign-in", "/api/v1/x", ""],
)
def test_nobody_is_sent_elsewhere(elsewhere: str) -> None:
    assert oidc.local_path(elsewhere) == "/"


def test_an_answer_is_of_the_browser_that_began_it_and_counts_once(door: Door, provider: ForgingProvider) -> None:
    state = "/sign-in?problem=provider-state"
    browser, said = begin(door, provider)
    assert back(door.client(), said) == state, "another browser"
    assert back(browser, said) == state, "which ended it"
    browser, said = begin(door, provider)
    assert back(browser, said, "psc") == state, "another provider's address"
    browser, said = begin(door, provider)
    for wrong in ({"code": said["code"]}, {"code": said["code"], "state": "x"}, {}):
        assert back(browser, wrong) == state
    step = browser.cookies["archipel_step"]
    assert back(browser, said) == "/exams?q=x"
    assert back(door.client(cookies={"archipel_step": step}), said) == state, "replayed"
    browser, said = begin(door, provider)
    door.clock.advance(601)
    assert back(browser, said) == state, "too late"


def test_an_answer_names_its_issuer_where_the_provider_says_so(door: Door, provider: ForgingProvider) -> None:
    browser, said = begin(door, provider)
    assert back(browser, {**said, "iss": "https://honest.example"}) == "/sign-in?problem=provider-state"
    browser, said = begin(door, provider)
    assert back(browser, {**said, "iss": provider.issuer}) == "/exams?q=x"


def test_a_code_that_the_provider_gave_for_another_sign_in_is_refused_by_its_verifier(door: Door, provider: ForgingProvider) -> None:
    _, stolen = begin(door, provider)
    browser, said = begin(door, provider)
    assert back(browser, {**said, "code": stolen["code"]}) == "/sign-in?problem=provider-refused"
    browser, said = begin(door, provider)
    assert back(browser, {"error": "access_denied", "state": said["state"]}) == "/sign-in?problem=provider-refused"


NOW = int(time.time())


@pytest.mark.parametrize(
    "claims",
    [
        {"aud": "another"}, {"aud": ["archipel", "another"]}, {"azp": "another"}, {"iss": "https://honest.example"}, {"nonce": "of another sign-in"},
        {"nonce": None}, {"exp": NOW - 3600}, {"exp": None}, {"iat": NOW + 86_400}, {"iat": None}, {"sub": None}, {"sub": ""}, {"sub": "x" * 256},
        {"nbf": NOW + 86_400},
    ],
    ids=str,
)  # fmt: skip
def test_a_token_for_something_else_opens_nothing(door: Door, provider: ForgingProvider, claims: dict[str, Any]) -> None:
    provider.claims = claims
    assert opens(door, provider) == "/sign-in?problem=provider-token"


FORGERIES: dict[str, Callable[[ForgingProvider, str], str]] = {
    "another key": lambda p, nonce: p.signed(key=other_key(), algorithm="ES256", nonce=nonce),
    "an unknown key": lambda p, nonce: p.signed(kid="unknown", nonce=nonce),
    "an altered signature": lambda p, nonce: p.signed(nonce=nonce)[:-8] + "AAAAAAAA",
    "altered claims": lambda p, nonce: ".".join(
        p.signed(sub=sub, nonce=nonce).split(".")[n] for n, sub in ((0, "dr-9"), (1, "dr-1"), (2, "dr-9"))
    ),
    "a shared secret": lambda p, nonce: p.signed(key="s3cret-s3cret-s3cret-s3cret-s3cret", algorithm="HS256", nonce=nonce),
    "no signature": lambda p, nonce: p.signed(key="", algorithm="none", nonce=nonce),
    "an algorithm that is not allowed": lambda p, nonce: p.signed(algorithm="RS512", nonce=nonce),
    "no token": lambda p, nonce: "no token",
    "nothing": lambda p, nonce: "",
}


@pytest.mark.parametrize("how", FORGERIES)
def test_a_token_that_the_provider_did_not_sign_opens_nothing(door: Door, provider: ForgingProvider, how: str) -> None:
    provider.forge = lambda nonce: provider.signed(nonce=nonce)
    assert opens(door, provider) == "/exams?q=x"
    provider.forge = lambda nonce: FORGERIES[how](provider, nonce)
    assert opens(door, provider) == "/sign-in?problem=provider-token"


def test_what_a_provider_says_of_itself_is_kept(provider: ForgingProvider) -> None:
    settings = ProviderSettings(id="p", label_fr="P", label_en="P", issuer=provider.issuer, client_id="archipel")
    mine = oidc.Provider(settings, answer_s=2, bytes_max=4096)
    before = dict(provider.counts)
    for _ in range(3):
        assert mine.verified(provider.signed(), require=("sub",))["sub"] == "dr-1"
    for path in ("/jwks", "/.well-known/openid-configuration"):
        assert provider.counts[path] - before.get(path, 0) == 1, "kept"


def test_a_weaker_way_of_signing_in_is_refused_where_one_is_asked_for(door: Door, provider: ForgingProvider) -> None:
    for claims in ({}, {"acr": "eidas0"}, {"acr": ["eidas1"]}):
        provider.claims = claims
        assert opens(door, provider, "psc") == "/sign-in?problem=provider-acr"
    provider.claims = {"acr": "eidas1"}
    provider.userinfo = {"sub": "somebody else"}
    assert opens(door, provider, "psc") == "/sign-in?problem=provider-token"


def test_nobody_gets_an_account_and_a_known_number_finds_its_own(door: Door, provider: ForgingProvider) -> None:
    provider.claims = {"acr": "eidas1", "sub": "dr-9"}
    provider.userinfo = {"sub": "dr-9", "SubjectNameID": "8" + RPPS, "SubjectRefPro": {"codeCivilite": "M"}}
    with door.database.read() as tx:
        before = len(directory.accounts(tx))
    browser, said = begin(door, provider, "psc")
    assert back(browser, said, "psc") == "/sign-in?problem=no-linked-account"
    assert browser.get("/session/ways").json()["stranger"] == {"provider": "psc", "subject": "dr-9"}
    assert browser.get("/session").status_code == 401
    with door.database.read() as tx:
        assert len(directory.accounts(tx)) == before
    admin = door.client("administrator")
    door.ready("technician")
    door.ready("requesting_doctor")
    assert refused(admin.patch("/accounts/technician", json={"rpps": "123"}), 400, "rpps")
    assert admin.patch("/accounts/technician", json={"rpps": RPPS}).json()["rpps"] == RPPS
    assert refused(admin.patch("/accounts/requesting_doctor", json={"rpps": RPPS}), 409, "rpps-taken")
    provider.userinfo["SubjectNameID"] = RPPS  # without the digit that says of which kind the number is
    assert opens(door, provider, "psc") == "/sign-in?problem=no-linked-account"
    provider.userinfo["SubjectNameID"] = "8" + RPPS
    assert opens(door, provider, "psc") == "/exams?q=x"
    assert admin.get("/accounts/technician/identities").json()["items"] == [{"provider": "psc", "subject": "dr-9"}]
    provider.userinfo = {"sub": "dr-9"}
    assert opens(door, provider, "psc") == "/exams?q=x", "linked from now on"
    assert refused(admin.post("/accounts/radiologist/identities", json={"provider": "psc", "subject": "dr-9"}), 409, "identity-taken")
    assert admin.post("/accounts/technician/identities/removal", json={"provider": "psc", "subject": "dr-9"}).status_code == 204
    admin.patch("/accounts/technician", json={"rpps": None})
    assert opens(door, provider, "psc") == "/sign-in?problem=no-linked-account"


def test_a_provider_of_one_factor_leaves_the_second_to_the_account(door: Door, provider: ForgingProvider) -> None:
    provider.claims = {"sub": "dr-2", "acr": "eidas1"}
    secret, _ = enrol(door, door.browser("physicist"))
    browser, said = begin(door, provider)
    assert back(browser, said) == "/sign-in?next=%2Fexams%3Fq%3Dx"
    assert browser.get("/session/ways").json()["second_factor"] == ["totp"] and "archipel_session" not in browser.cookies
    assert browser.post("/session/second", json={"code": code(door, secret)}).status_code == 200
    door.clock.advance(totp.STEP_S)
    assert opens(door, provider, "psc") == "/exams?q=x", "this one counts as two"


def test_a_disabled_account_stays_out(door: Door, provider: ForgingProvider) -> None:
    provider.claims = {"sub": "dr-gone"}
    door.account("gone", "technician")
    admin = door.client("administrator")
    assert admin.post("/accounts/gone/identities", json={"provider": "hospital", "subject": "dr-gone"}).status_code == 204
    assert opens(door, provider) == "/exams?q=x", "whose one-time password does not stand in the way"
    assert admin.patch("/accounts/gone", json={"active": False}).status_code == 200
    assert opens(door, provider) == "/sign-in?problem=account-disabled"


def test_the_provider_ends_its_sessions_and_no_others(door: Door, provider: ForgingProvider) -> None:
    def session(sid: str) -> httpx.Client:
        provider.claims = {"sid": sid}
        browser, said = begin(door, provider)
        assert back(browser, said) == "/exams?q=x"
        provider.claims = {}
        return browser

    def log_out(token: str, name: str = "hospital") -> int:
        return door.client().post(f"/session/logout/{name}", data={"logout_token": token}).status_code

    one, two, local = session("s1"), session("s2"), door.browser("radiologist")
    base = {"jti": "j0", "sid": "s1"}
    for wrong in (
        {**base, "aud": "another"}, {**base, "iss": "https://honest.example"}, {**base, "exp": NOW - 3600}, {**base, "iat": NOW - 3600},
        {**base, "nonce": "n"}, {**base, "events": {}}, {**base, "events": {LOGOUT: None}}, {**base, "jti": None}, {"jti": "j0", "sub": None},
        {**base, "key": other_key(), "algorithm": "ES256"},
    ):  # fmt: skip
        assert log_out(provider.logout_token(**wrong)) == 400, wrong
    assert log_out(provider.signed(nonce="x")) == 400, "an ID token is none"
    assert [c.get("/session").status_code for c in (one, two, local)] == [200] * 3
    right = provider.logout_token(sid="s1")
    assert log_out(right) == 200
    assert [c.get("/session").status_code for c in (one, two, local)] == [401, 200, 200]
    assert log_out(right) == 400, "a token counts once"
    assert log_out(provider.logout_token(), "psc") == 200 and two.get("/session").status_code == 200, "another provider's"
    assert log_out(provider.logout_token(sub="dr-1")) == 200
    assert [c.get("/session").status_code for c in (two, local)] == [401, 200]


def test_a_provider_that_is_silent_or_says_too_much_is_said_to_be_so(provider: ForgingProvider) -> None:
    def asks(**changes: Any) -> str:
        settings = ProviderSettings(id="p", label_fr="P", label_en="P", client_id="archipel", **{"issuer": provider.issuer, **changes})
        with pytest.raises(Unavailable) as caught:
            oidc.Provider(settings, answer_s=1, bytes_max=4096).metadata()
        return caught.value.detail

    settings = ProviderSettings(id="p", label_fr="P", label_en="P", client_id="archipel", issuer=f"http://127.0.0.1:{free_port()}")
    silent = oidc.Provider(settings, answer_s=1, bytes_max=4096)
    details = []
    for _ in range(2):
        with pytest.raises(Unavailable) as caught:
            silent.metadata()
        details.append(caught.value.detail)
    assert "Connect" in details[0] and "a moment ago" in details[1], "and is not asked again at once"
    assert "Connect" in asks(issuer=f"http://127.0.0.1:{free_port()}")
    provider.answer = b"x" * 5000
    assert "too long" in asks()
    provider.answer = b"[]"
    assert "no JSON" in asks()
    provider.answer = None
    assert "another issuer" in asks(issuer=provider.issuer + "/")
    provider.metadata = {"token_endpoint": "file:///etc/passwd"}
    assert "not safe" in asks()
