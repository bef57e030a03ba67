"""Every screen in both languages, both themes and two widths: it shows, it fits, and axe finds nothing."""

from __future__ import annotations

import re

import pytest
from playwright.sync_api import Browser, Page

from tests.web_app.browser import LOOKS, Look, Region, open_page, settle, sign_in, violations
from tests.web_app.screens import SIGNED_IN, SIGNED_OUT, Screen

# Each language, theme and width, in pairs that meet every other once; `make shots` takes all eight.
LOOKS_OF_EVERY_RUN = [look for look in LOOKS if look.name in ("fr-light-1440", "fr-dark-1024", "en-dark-1440", "en-light-1024")]

UNTRANSLATED = re.compile(
    r"\b(?:app|nav|account|common|states|errors|exams|exam|upload|conflicts|devices|sites|accounts|system)\.[a-z][A-Za-z_.]+\b"
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
    return found


@pytest.mark.timeout(240)
@pytest.mark.parametrize("look", LOOKS_OF_EVERY_RUN, ids=lambda look: look.name)
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
