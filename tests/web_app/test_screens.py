"""Every screen in both languages, both themes and two widths: it shows, it fits, nothing is cut off, and axe finds nothing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.web_app.browser import LOOKS, Look, Region, open_page, settle, sign_in, violations
from tests.web_app.conftest import MadeUp
from tests.web_app.screens import SIGNED_IN, SIGNED_OUT, Screen

# What cuts its text off on purpose says so with an ellipsis; a button that is too narrow for its words does not.
CUT_OFF = """() => [...document.querySelectorAll('button .mantine-Button-label, th, h1, h2, label')]
  .filter(one => one.offsetParent && one.scrollWidth > one.clientWidth + 1 && !one.closest('.hidden-visually'))
  .map(one => one.innerText)"""

UNTRANSLATED = re.compile(
    r"\b(?:app|nav|guide|account|factors|access|common|states|errors|exams|exam|upload|conflicts|devices|sites|accounts|system)\.[a-z][A-Za-z_.]+\b"
)


def faults(page: Page, screen: Screen, look: Look) -> list[object]:
    """What is wrong with the screen as it stands."""
    found: list[object] = [(screen.name, look.name, one) for one in violations(page)]
    if page.locator("html").get_attribute("lang") != look.locale:
        found.append((screen.name, look.name, "language"))
    body = page.locator("body").inner_text()
    if missing := UNTRANSLATED.search(body):
        found.append((screen.name, look.name, f"untranslated {missing.group()}"))
    if page.evaluate("document.documentElement.scrollWidth > window.innerWidth"):
        found.append((screen.name, look.name, "wider than the window"))
    found += [(screen.name, look.name, f"cut off: {text}") for text in page.evaluate(CUT_OFF)]
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("look", LOOKS, ids=lambda look: look.name)
def test_every_screen_is_accessible(browser: Browser, demo_region: Region, look: Look) -> None:
    found: list[object] = []
    with open_page(browser, demo_region, look) as page:
        for screen in SIGNED_OUT:
            screen.go(page)
            settle(page)
            found += faults(page, screen, look)
        sign_in(page, demo_region, look)
        for screen in SIGNED_IN:
            screen.go(page)
            settle(page)
            found += faults(page, screen, look)
    assert not found, "\n".join(str(one) for one in found)


RADIOLOGIST = "c.leroy"


@pytest.mark.parametrize("look", [look for look in LOOKS if look.name in ("fr-dark-1024", "en-light-1440")], ids=lambda look: look.name)
def test_a_page_without_the_right_and_a_page_that_waits_are_accessible(browser: Browser, made_up_region: MadeUp, look: Look) -> None:
    found: list[object] = []
    reader = MadeUp(made_up_region.url, RADIOLOGIST, made_up_region.password)
    with open_page(browser, reader, look) as page:
        sign_in(page, reader, look)
        page.goto("/system")
        expect(page.get_by_role("heading", name=re.compile("n’ouvre pas cette page|does not open this page"))).to_be_visible()
        found += faults(page, Screen("no-rights", settle), look)
        page.route("**/api/v1/exams?*", lambda route: None)  # an answer that does not come
        page.goto("/exams")
        expect(page.locator("h1")).to_be_visible()
        found += faults(page, Screen("loading", settle), look)
    assert not found, "\n".join(str(one) for one in found)


def test_the_system_page_says_what_is_damaged_and_what_is_behind(browser: Browser, made_up_region: MadeUp) -> None:
    look = next(look for look in LOOKS if look.name == "en-light-1440")
    with open_page(browser, made_up_region, look) as page:
        sign_in(page, made_up_region, look)
        page.goto("/system")
        expect(page.get_by_role("alert")).to_contain_text("2 damaged images")
        expect(page.get_by_role("alert")).to_contain_text("archipel verify")
        kept = page.locator("section", has=page.get_by_role("heading", name="Sealing of series")).last
        expect(kept).to_contain_text("4 min waiting")
        expect(kept.get_by_role("img", name="Lag of sealing in the last hour : at most 4 min")).to_be_visible()
        copies = page.locator("section", has=page.get_by_role("heading", name="Copies to the object store")).last
        expect(copies).to_contain_text("late")
