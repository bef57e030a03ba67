"""One browser and one server with the small demo region for all tests of this folder."""

from __future__ import annotations

import io
from collections.abc import Iterator
from datetime import date

import pytest
from playwright.sync_api import Browser
from pydicom import dcmread

from archipel.demo import demo_exams
from tests.viewer.browser import Viewer, chromium, viewer
from tests.viewer.server import OHIF, Server

TODAY = date(2026, 1, 15)


@pytest.fixture(scope="package")
def exams() -> dict[str, list[bytes]]:
    """Exam name -> Part 10 files; the prior mammography was made on another machine, with larger pixels."""
    made = {exam.name: list(exam.files) for exam in demo_exams(TODAY, small=True)}
    made["mg-leroy-prior"] = [with_larger_pixels(content) for content in made["mg-leroy-prior"]]
    return made


def with_larger_pixels(content: bytes) -> bytes:
    ds = dcmread(io.BytesIO(content))
    ds.PixelSpacing = ds.ImagerPixelSpacing = [float(value) * 1.3 for value in ds.PixelSpacing]
    buffer = io.BytesIO()
    ds.save_as(buffer)
    return buffer.getvalue()


@pytest.fixture(scope="package")
def studies(exams: dict[str, list[bytes]]) -> dict[str, str]:
    """Exam name -> Study Instance UID."""
    return {name: str(dcmread(io.BytesIO(files[0]), stop_before_pixels=True).StudyInstanceUID) for name, files in exams.items()}


@pytest.fixture(scope="package")
def server(exams: dict[str, list[bytes]]) -> Iterator[Server]:
    if not OHIF.is_dir():
        pytest.fail("OHIF is not built: python hatch_build.py --ohif")
    with Server(content for name, files in exams.items() if not name.startswith("conflict") for content in files) as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as running:
        yield running


@pytest.fixture
def screen(browser: Browser, server: Server) -> Iterator[Viewer]:
    """A signed-in page; at the end nothing was thrown, refused by the policy, or asked of another host."""
    server.store.requests.clear()
    with viewer(browser, server.url) as page:
        yield page
        assert page.errors == []
        assert page.violations == []
        assert page.outside == []
