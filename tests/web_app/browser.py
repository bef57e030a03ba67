"""A person at the app: Debian's Chromium, signed in, in one language, one theme and one window size."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from playwright.sync_api import Browser, FilePayload, Page, expect, sync_playwright

CHROMIUM = "/usr/bin/chromium"
FLAGS = [
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
]  # fmt: skip
AXE = Path(__file__).parents[2] / "web" / "node_modules" / "axe-core" / "axe.min.js"
WAIT_MS = 15_000


class Region(Protocol):
    """A running region and an administrator of it."""

    @property
    def url(self) -> str: ...

    @property
    def login(self) -> str: ...

    @property
    def password(self) -> str: ...


@dataclass(frozen=True)
class Look:
    """How a page is looked at: language, theme, width in pixels."""

    locale: str = "fr"
    theme: str = "light"
    width: int = 1440

    @property
    def name(self) -> str:
        return f"{self.locale}-{self.theme}-{self.width}"


LOOKS = [
    Look("fr", "light", 1440), Look("fr", "dark", 1440), Look("fr", "light", 1024), Look("fr", "dark", 1024),
    Look("en", "light", 1440), Look("en", "dark", 1440), Look("en", "light", 1024), Look("en", "dark", 1024),
]  # fmt: skip


@contextmanager
def open_browser() -> Iterator[Browser]:
    """Chromium without a screen, closed at the end."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        try:
            yield browser
        finally:
            browser.close()


@contextmanager
def open_page(browser: Browser, region: Region, look: Look) -> Iterator[Page]:
    """A fresh window that nobody signed in to; every error that the app throws fails the test."""
    context = browser.new_context(
        base_url=region.url, locale=f"{look.locale}-{'FR' if look.locale == 'fr' else 'GB'}", viewport={"width": look.width, "height": 900}
    )
    context.set_default_timeout(WAIT_MS)
    context.add_init_script(
        f"if (!localStorage['archipel.locale']) localStorage['archipel.locale'] = '{look.locale}';"
        f"if (!localStorage['mantine-color-scheme-value']) localStorage['mantine-color-scheme-value'] = '{look.theme}';"
    )
    page = context.new_page()
    faults: list[str] = []
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("console", lambda message: faults.append(message.text) if is_fault(message.type, message.text) else None)
    try:
        yield page
    finally:
        context.close()
    assert not faults, faults


def is_fault(kind: str, text: str) -> bool:
    """Errors of the app or of its security policy; a refused request is part of some tests."""
    return kind == "error" and "Failed to load resource" not in text


def sign_in(page: Page, region: Region, look: Look) -> None:
    """Fill the sign-in form and wait for the exam list, in the language of the look."""
    page.goto("/sign-in")
    page.fill("input[name=login]", region.login)
    page.fill("input[name=password]", region.password)
    page.press("input[name=password]", "Enter")
    expect(page.locator("nav").first).to_be_visible()
    if page.locator("html").get_attribute("lang") != look.locale:
        open_account_menu(page)
        page.get_by_text("Français" if look.locale == "fr" else "English", exact=True).click()
        page.keyboard.press("Escape")
        expect(page.locator("html")).to_have_attribute("lang", look.locale)


def open_account_menu(page: Page) -> None:
    """The menu at the foot of the navigation."""
    page.get_by_role("button", name=re.compile(r"^(Compte|Account)\b")).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def payloads(files: dict[str, bytes]) -> list[FilePayload]:
    """Files as a person's disk would give them."""
    return [{"name": name, "mimeType": "application/octet-stream", "buffer": content} for name, content in files.items()]


def settle(page: Page) -> None:
    """Until the page says what it has, and nothing moves any more."""
    page.wait_for_load_state("load")
    expect(page.locator("h1").first).to_be_visible()
    expect(page.locator(".mantine-Loader-root")).to_have_count(0)
    page.wait_for_timeout(350)


def violations(page: Page) -> list[dict[str, Any]]:
    """What axe finds against WCAG 2 A and AA and its best practices, one entry per rule."""
    page.evaluate(AXE.read_text())
    found: list[dict[str, Any]] = page.evaluate(
        """async () => (await axe.run(document, {runOnly: ['wcag2a', 'wcag2aa', 'wcag21a', 'wcag21aa', 'wcag22aa', 'best-practice']}))
        .violations.map(v => ({rule: v.id, impact: v.impact, help: v.help, count: v.nodes.length,
          nodes: v.nodes.slice(0, 4).map(n => n.html.slice(0, 240) + ' | ' + (n.failureSummary || '').slice(0, 300))}))"""
    )
    return found
