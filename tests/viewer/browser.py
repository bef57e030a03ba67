"""Chromium without a screen and with software WebGL, looking at OHIF."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from urllib.parse import urlencode

from playwright.sync_api import Browser, Page, sync_playwright

from tests.servers import program
from tests.viewer.server import CSRF

FLAGS = (
    "--no-sandbox", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader", "--ignore-gpu-blocklist",
    "--disable-dev-shm-usage", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update",
    "--disable-sync",
)  # fmt: skip

# Every canvas in a viewport: has it anything but one colour?
PAINTED = """() => [...document.querySelectorAll('.cornerstone-canvas')].map(canvas => {
  const small = document.createElement('canvas'); small.width = small.height = 32;
  const context = small.getContext('2d'); context.drawImage(canvas, 0, 0, 32, 32);
  const data = context.getImageData(0, 0, 32, 32).data;
  const seen = new Set(); for (let i = 0; i < data.length; i += 4) seen.add(data[i] + ',' + data[i + 1] + ',' + data[i + 2]);
  return seen.size > 4;
})"""


@dataclass
class Viewer:
    """A page of the viewer and what went wrong in it."""

    page: Page
    url: str
    errors: list[str] = field(default_factory=list)
    violations: list[str] = field(default_factory=list)
    outside: list[str] = field(default_factory=list)

    def open(self, *study_uids: str, mode: str = "viewer", lng: str = "fr", **more: str) -> None:
        query = urlencode({"StudyInstanceUIDs": ",".join(study_uids), "lng": lng, **more})
        self.page.goto(f"{self.url}/ohif/{mode}?{query}")

    def painted(self, count: int, *, seconds: float = 90) -> None:
        """Wait until that many viewports show a picture."""
        self.page.wait_for_function(f"() => ({PAINTED})().filter(Boolean).length >= {count}", timeout=seconds * 1000, polling=300)


@contextmanager
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program("chromium"), args=list(FLAGS), headless=True)
        yield browser
        browser.close()


@contextmanager
def viewer(browser: Browser, url: str, *, width: int = 1400, height: int = 900, locale: str = "fr-FR") -> Iterator[Viewer]:
    """A signed-in page; console errors, broken policy and requests to other hosts are collected."""
    context = browser.new_context(viewport={"width": width, "height": height}, locale=locale)
    context.add_cookies([
        {"name": "archipel_session", "value": "known", "url": url, "httpOnly": True, "sameSite": "Strict"},
        {"name": "archipel_csrf", "value": CSRF, "url": url, "sameSite": "Strict"},
    ])  # fmt: skip
    page = context.new_page()
    made = Viewer(page, url)
    page.on("pageerror", lambda error: made.errors.append(str(error)))
    page.on("console", lambda message: made.violations.append(message.text) if "Content Security Policy" in message.text else None)
    page.on("request", lambda request: made.outside.append(request.url) if elsewhere(request.url, url) else None)
    yield made
    context.close()


def elsewhere(requested: str, url: str) -> bool:
    return not requested.startswith(
        (url + "/", "data:", "blob:", "chrome-extension:", "chrome:")
    )  # the last two: Chromium's own PDF viewer
