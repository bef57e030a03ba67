"""Signing in, as people do it in Chromium: a code of an app, a passkey, Pro Santé Connect by a real OpenID provider."""

from __future__ import annotations

import base64
import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass

import httpx
import pytest
from oidc_provider_mock import User, run_server_in_thread
from playwright.sync_api import Browser, Page, expect

from archipel.signin import totp
from tests.platform import Platform
from tests.web_app.browser import Look, open_account_menu, open_page, violations
from tests.web_app.conftest import MadeUp

PASSWORD = "une phrase bien longue"
ENGLISH, FRENCH, PHONE = Look("en", "light", 1440), Look("fr", "light", 1024), Look("fr", "dark", 390)
RPPS = "10100534436"
# What Pro Santé Connect says of a doctor: the national number behind an 8, and the places of work.
DOCTOR = User(
    sub="f:550dc1c8:810100534436",
    claims={
        "SubjectNameID": "8" + RPPS, "acr": "eidas1", "family_name": "LEROY", "given_name": "CAMILLE",
        "SubjectRefPro": {"codeCivilite": "DR", "exercices": [{"codeProfession": "10", "codeSavoirFaire": "SM44", "activities": []}]},
    },
)  # fmt: skip


@dataclass
class Region:
    """The platform, and an administrator's client."""

    url: str
    admin: httpx.Client

    def person(self, login: str, role: str = "radiologist", locale: str = "fr") -> MadeUp:
        """An account with a password and a language of its own."""
        made = self.admin.post("/accounts", json={"login": login, "role": role, "site_id": "default"}).raise_for_status()
        given = made.json()["one_time_password"]
        with httpx.Client(base_url=self.admin.base_url, timeout=30) as client:
            client.post("/session", json={"login": login, "password": given}).raise_for_status()
            client.headers["X-Archipel-CSRF"] = client.cookies["archipel_csrf"]
            client.post("/session/password", json={"current": given, "new": PASSWORD}).raise_for_status()
            if locale != "fr":
                client.patch("/session", json={"locale": locale}).raise_for_status()
        return MadeUp(self.url, login, PASSWORD)


@pytest.fixture(scope="module")
def region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Region]:
    """A platform with that provider, where technicians sign in with a second factor."""
    with run_server_in_thread(user_claims=[DOCTOR], require_nonce=True) as server:
        one = Platform(tmp_path_factory.mktemp("region"))
        one.url = f"http://localhost:{one.http_port}"
        secret = tmp_path_factory.mktemp("secret") / "psc"
        secret.write_text("s3cret")
        psc = {
            "id": "psc", "label_fr": "Pro Santé Connect", "label_en": "Pro Santé Connect", "issuer": f"http://localhost:{server.server_port}",
            "client_id": "archipel", "client_secret_file": str(secret), "acr": ["eidas1"], "rpps_claim": "SubjectNameID", "rpps_prefix": "8", "two_factors": True,
        }  # fmt: skip
        one.environment.update(
            ARCHIPEL_HTTP__PUBLIC_URL=one.url,
            ARCHIPEL_SIGNIN__PROVIDERS=json.dumps([psc]),
            ARCHIPEL_SIGNIN__SECOND_FACTOR_ROLES='["technician"]',
        )
        one.account("chief", "administrator")
        headers = {"Authorization": f"Bearer {one.command('token', 'chief').stdout.strip()}"}
        one.start()
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{one.http_port}/api/v1", headers=headers, timeout=30) as admin:
                yield Region(one.url, admin)
        finally:
            one.stop()


def give_password(page: Page, who: MadeUp, path: str = "/sign-in") -> None:
    page.goto(path)
    page.fill("input[name=login]", who.login)
    page.fill("input[name=password]", who.password)
    page.press("input[name=password]", "Enter")


def sign_out(page: Page) -> None:
    open_account_menu(page)
    page.get_by_role("button", name=re.compile("^(Sign out|Se déconnecter)$")).click()
    expect(page.locator("input[name=login]")).to_be_visible()


def open_factors(page: Page) -> None:
    open_account_menu(page)
    page.get_by_role("button", name=re.compile("^(Second factors|Seconds facteurs)$")).click()


def code_of(secret: str, later: int = 0) -> str:
    """What the app shows, or will show."""
    return totp.code_at(base64.b32decode(secret + "=" * (-len(secret) % 8)), int(time.time()) // totp.STEP_S + later)


def accessible(page: Page) -> None:
    assert violations(page) == []
    assert not page.evaluate("document.documentElement.scrollWidth > window.innerWidth")


def add_app(page: Page) -> tuple[str, list[str]]:
    """The secret and the recovery codes that the page shows."""
    page.get_by_role("button", name=re.compile("Ajouter une application|Add an app")).click()
    secret = page.locator(".mono").first.inner_text()
    accessible(page)
    expect(page.locator("img[src^='data:image/svg']")).to_be_visible()
    page.fill("input[name=code]", "000000")
    page.press("input[name=code]", "Enter")
    expect(page.get_by_role("alert")).to_be_visible()
    page.fill("input[name=code]", code_of(secret))
    page.press("input[name=code]", "Enter")
    codes = page.get_by_role("main").get_by_role("listitem")
    expect(codes).to_have_count(10)
    accessible(page)
    shown = codes.all_inner_texts()
    page.get_by_role("button", name=re.compile("I have kept them|Je les ai gardés")).click()
    return secret, shown


def test_an_authenticator_app_is_added_and_asked_for(browser: Browser, region: Region) -> None:
    who = region.person("claire", locale="en")
    with open_page(browser, who, ENGLISH) as page:
        give_password(page, who, "/sign-in?next=%2Fguide")
        open_factors(page)
        secret, recovery = add_app(page)
        expect(page.get_by_text("10 recovery codes left")).to_be_visible()
        accessible(page)
        page.get_by_role("button", name="Close").click()
        sign_out(page)
        give_password(page, who, "/sign-in?next=%2Fguide")
        expect(page.get_by_role("heading", name="One more step")).to_be_visible()
        accessible(page)
        page.fill("input[name=code]", "123456")
        page.press("input[name=code]", "Enter")
        expect(page.get_by_role("alert")).to_contain_text("not right")
        page.reload()
        page.fill("input[name=code]", code_of(secret, 1))
        page.press("input[name=code]", "Enter")
        expect(page).to_have_url(re.compile("/guide$"))
        sign_out(page)
        give_password(page, who)
        page.fill("input[name=code]", recovery[3])
        page.press("input[name=code]", "Enter")
        expect(page.get_by_role("navigation").first).to_be_visible()


def test_who_must_have_a_second_factor_adds_one_first_on_a_telephone_too(browser: Browser, region: Region) -> None:
    who = region.person("manip", "technician")
    with open_page(browser, who, PHONE) as page:
        give_password(page, who)
        expect(page).to_have_url(re.compile("/second-factors"))
        page.goto("/exams")
        expect(page).to_have_url(re.compile("/second-factors"))
        accessible(page)
        add_app(page)
        expect(page).to_have_url(re.compile("/exams"))


def test_a_passkey_signs_in_alone_and_as_the_second_factor(browser: Browser, region: Region) -> None:
    who = region.person("denis")
    with open_page(browser, who, FRENCH) as page:
        devtools = page.context.new_cdp_session(page)
        devtools.send("WebAuthn.enable")
        options = {
            "protocol": "ctap2",
            "transport": "internal",
            "hasResidentKey": True,
            "hasUserVerification": True,
            "isUserVerified": True,
        }
        made = devtools.send("WebAuthn.addVirtualAuthenticator", {"options": {**options, "automaticPresenceSimulation": True}})
        give_password(page, who, "/sign-in?next=%2Fguide")
        open_factors(page)
        page.get_by_role("button", name="Ajouter une clé d’accès").click()
        page.fill("input[name=name]", "Poste 12")
        page.get_by_role("button", name="Créer la clé d’accès").click()
        page.get_by_role("button", name="Je les ai gardés").click()
        expect(page.get_by_text("Poste 12")).to_be_visible()
        page.get_by_role("button", name="Fermer").click()
        sign_out(page)
        page.get_by_role("button", name="Se connecter avec une clé d’accès").click()
        expect(page.get_by_role("navigation").first).to_be_visible()
        sign_out(page)
        give_password(page, who)
        page.get_by_role("button", name="Utiliser une clé d’accès").click()
        expect(page.get_by_role("navigation").first).to_be_visible()
        sign_out(page)
        devtools.send("WebAuthn.setUserVerified", {"authenticatorId": made["authenticatorId"], "isUserVerified": False})
        page.get_by_role("button", name="Se connecter avec une clé d’accès").click()
        page.wait_for_timeout(500)
        expect(page.locator("input[name=login]")).to_be_visible()
        assert page.request.get("/api/v1/session").status == 401, "a key alone, without its owner's PIN or finger, opens nothing"


def test_pro_sante_connect_opens_the_account_that_has_the_number_and_makes_none(browser: Browser, region: Region) -> None:
    region.person("dr.leroy")
    before = region.admin.get("/accounts").json()["total"]
    with open_page(browser, MadeUp(region.url), FRENCH) as page:

        def come() -> None:
            page.goto("/sign-in?next=%2Fguide%2Ftechnician")
            page.get_by_role("link", name="Pro Santé Connect").click()
            expect(page).to_have_url(re.compile("/oauth2/authorize"))
            page.get_by_role("button", name=DOCTOR.sub).click()

        come()
        expect(page.get_by_role("alert")).to_contain_text("aucun compte d’ici n’est lié à vous")
        expect(page.get_by_text(DOCTOR.sub)).to_be_visible()
        accessible(page)
        assert region.admin.get("/accounts").json()["total"] == before
        region.admin.patch("/accounts/dr.leroy", json={"rpps": RPPS}).raise_for_status()
        come()
        expect(page).to_have_url(re.compile("/guide/technician$"))
        expect(page.locator("article h1")).to_be_visible()
        page.goto("/sign-in?problem=no-linked-account&next=//evil.example")
        expect(page).to_have_url(re.compile(f"^{region.url}/(exams)?"))
