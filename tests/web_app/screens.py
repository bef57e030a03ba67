"""Every screen of the app: how to get there, and what must be on it."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from playwright.sync_api import Page, expect

from tests.web_app.browser import open_account_menu, payloads, settle


@dataclass(frozen=True)
class Screen:
    """One state of one page."""

    name: str
    go: Callable[[Page], None]


def _to(path: str) -> Callable[[Page], None]:
    def go(page: Page) -> None:
        page.goto(path)

    return go


def exam_list(page: Page) -> None:
    page.goto("/exams")
    expect(page.locator("tbody tr").first).to_be_visible()


def no_match(page: Page) -> None:
    page.goto("/exams?q=zzzzqqqq")
    expect(page.locator("h2")).to_be_visible()


def more_filters(page: Page) -> None:
    exam_list(page)
    page.locator("button[aria-expanded=false]", has_text=re.compile("Plus de filtres|More filters")).click()


def exam(page: Page) -> None:
    exam_list(page)
    page.locator("tbody tr a[href^='/exams/']").nth(2).click()
    expect(page.locator("dl").first).to_be_visible()


def tags(page: Page) -> None:
    exam(page)
    page.get_by_role("tab").nth(1).click()
    expect(page.locator("tbody tr").first).to_be_visible()


def trace(page: Page) -> None:
    exam(page)
    page.get_by_role("tab").nth(2).click()


def flagged_exam(page: Page) -> None:
    page.goto("/exams?flagged=true")
    settle(page)
    page.locator("tbody tr a[href^='/exams/']").first.click()
    expect(page.locator("dl").first).to_be_visible()


def reject_dialog(page: Page) -> None:
    exam(page)
    page.get_by_role("button", name=re.compile("^(Autres actions|More actions)$")).click()
    page.get_by_role("menuitem", name=re.compile("Rejeter l’examen|Reject the exam")).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def upload(page: Page) -> None:
    page.goto("/upload")
    files = {"IM0001.dcm": b"\0" * 128 + b"DICM", "bad.dcm": b"no", "courrier.pdf": b"%PDF-1.4 synthetic", ".DS_Store": b"x"}
    page.locator("input[type=file]").first.set_input_files(payloads(files))
    expect(page.locator("tbody tr")).to_have_count(len(files))
    page.wait_for_timeout(800)


def target_dialog(page: Page) -> None:
    upload(page)
    page.get_by_role("button", name=re.compile("^(Choisir l’examen|Choose the exam)$")).click()
    page.get_by_role("dialog").get_by_role("searchbox").fill("ma")
    page.wait_for_timeout(700)


def device_dialog(page: Page) -> None:
    page.goto("/admin/devices")
    page.get_by_role("button", name=re.compile("Ajouter un équipement|Add a device")).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def account_dialog(page: Page) -> None:
    page.goto("/admin/accounts")
    page.get_by_role("button", name=re.compile("Ajouter un compte|Add an account")).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def account_access(page: Page) -> None:
    page.goto("/admin/accounts")
    page.get_by_role("button", name=re.compile("^Actions")).first.click()
    page.get_by_role("menuitem", name=re.compile("Connexion et identités|Sign-in and identities")).click()
    expect(page.get_by_role("dialog")).to_be_visible()


def account_menu(page: Page) -> None:
    exam_list(page)
    open_account_menu(page)


def keyboard_help(page: Page) -> None:
    exam_list(page)
    page.keyboard.press("?")
    expect(page.get_by_role("dialog")).to_be_visible()


def guide(page: Page) -> None:
    page.goto("/guide/technician")
    expect(page.locator("article h1")).to_be_visible()


def failed(page: Page) -> None:
    page.route("**/api/v1/devices*", lambda route: route.abort())
    page.goto("/admin/devices")
    expect(page.get_by_role("button", name=re.compile("Réessayer|Try again"))).to_be_visible(timeout=20_000)
    page.unroute("**/api/v1/devices*")


SIGNED_OUT = [Screen("sign-in", _to("/sign-in"))]
SIGNED_IN = [
    Screen("exams", exam_list),
    Screen("exams-filters", more_filters),
    Screen("exams-no-match", no_match),
    Screen("exam", exam),
    Screen("exam-tags", tags),
    Screen("exam-trace", trace),
    Screen("exam-flagged", flagged_exam),
    Screen("exam-reject", reject_dialog),
    Screen("upload-start", _to("/upload")),
    Screen("upload", upload),
    Screen("upload-target", target_dialog),
    Screen("conflicts", _to("/conflicts")),
    Screen("devices", _to("/admin/devices")),
    Screen("device-add", device_dialog),
    Screen("sites", _to("/admin/sites")),
    Screen("accounts", _to("/admin/accounts")),
    Screen("account-add", account_dialog),
    Screen("audit", _to("/audit")),
    Screen("audit-no-match", _to("/audit?who=zzzzqqqq&date_from=2026-01-01")),
    Screen("system", _to("/system")),
    Screen("account-menu", account_menu),
    Screen("help", keyboard_help),
    Screen("guide", guide),
    Screen("error", failed),
    Screen("password", _to("/password")),
    Screen("second-factors", _to("/second-factors")),
    Screen("account-access", account_access),
    Screen("not-found", _to("/nowhere")),
]


def shoot(page: Page, screen: Screen, folder: Path, suffix: str) -> Path:
    """Go to the screen and keep its picture."""
    screen.go(page)
    settle(page)
    path = folder / f"{screen.name}-{suffix}.png"
    page.screenshot(path=path)
    return path
