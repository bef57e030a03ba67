"""OHIF against the platform itself: signed in by its cookie, an exam of the demo shown, a measurement kept through its STOW-RS."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from archipel.demo import DEMO_PASSWORD
from tests.platform import Platform
from tests.servers import wait_until
from tests.viewer.browser import Viewer

pytestmark = pytest.mark.timeout(300)


def test_a_measurement_on_the_platform_joins_the_exam(platform: Platform, browser: Browser) -> None:
    platform.command("demo", "--small", seconds=200)
    platform.start()
    context = browser.new_context(viewport={"width": 1300, "height": 800}, locale="fr-FR")
    page = context.new_page()
    page.request.post(f"{platform.url}/api/v1/session", data={"login": "demo-radiologue", "password": DEMO_PASSWORD})
    listed = page.request.get(f"{platform.url}/api/v1/exams?limit=100").json()["items"]
    study = next(exam["study_uid"] for exam in listed if exam["accession_number"] == "DEMO00000001")
    screen = Viewer(page, platform.url)
    screen.open(study)
    screen.painted(1)
    page.click('[data-cy="MeasurementTools-split-button-primary"]')
    box = page.locator(".cornerstone-canvas").first.bounding_box()
    assert box is not None
    x, y = box["x"] + box["width"] * 0.4, box["y"] + box["height"] * 0.5
    for at in (x, x + 60):
        page.mouse.move(at, y)
        page.mouse.click(at, y)
    page.click('[data-cy="prompt-begin-tracking-yes-btn"]')
    page.click('[data-cy="trackedMeasurements-btn"]')
    page.get_by_text("Créer SR").first.click()
    page.get_by_role("dialog").get_by_role("button", name="Enregistrer").click()

    def reports() -> bool:
        """three structured reports in the exam: dose, nodules, the new one"""
        series = page.request.get(f"{platform.url}/api/v1/exams/{study}").json()["series"]
        return len([one for one in series if one["modality"] == "SR"]) == 3

    wait_until(reports, 30, every_s=0.5)
    context.close()
