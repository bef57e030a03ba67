"""The region that the app is looked at with: the platform's own demo, else the made-up one of `web/dev`."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.servers import missing
from tests.web_app.browser import AXE, CHROMIUM, Region, open_browser

ROOT = Path(__file__).parents[2]
START_S = 30


@dataclass(frozen=True)
class MadeUp:
    """The region of `web/dev`, served with the built app."""

    url: str
    login: str = "admin"
    password: str = "archipel"


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _wait_for(url: str) -> None:
    until = time.monotonic() + START_S
    while time.monotonic() < until:
        try:
            urllib.request.urlopen(url, timeout=2)
            return
        except OSError:
            time.sleep(0.2)
    raise TimeoutError(url)


@pytest.fixture(scope="session")
def made_up_region(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MadeUp]:
    """The built app with the acted routes, under the content security policy of the platform."""
    if not AXE.exists():
        missing("web/node_modules")
    node, vite = ROOT / ".venv" / "bin" / "node", ROOT / "web" / "node_modules" / "vite" / "bin" / "vite.js"
    built = tmp_path_factory.mktemp("app")
    subprocess.run([node, vite, "build", ROOT / "web", "--outDir", built, "--logLevel", "error"], check=True, timeout=180)
    port = _free_port()
    serve = [str(node), str(vite), "preview", str(ROOT / "web"), "--outDir", str(built), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(serve, env={**os.environ, "ARCHIPEL_MOCK": "1"}, stdout=subprocess.DEVNULL, start_new_session=True)
    try:
        _wait_for(f"http://127.0.0.1:{port}/")
        yield MadeUp(f"http://127.0.0.1:{port}")
    finally:
        os.killpg(server.pid, signal.SIGTERM)  # `node` is a script that starts the real one
        server.wait(10)


@pytest.fixture(scope="session")
def demo_region(request: pytest.FixtureRequest) -> Region:
    """A running region with an administrator: the one that ARCHIPEL_REGION_URL, _LOGIN and _PASSWORD name, else the
    platform's own demo (`demo_server`), else the made-up one."""
    url = os.environ.get("ARCHIPEL_REGION_URL")
    if url:
        return MadeUp(url, os.environ["ARCHIPEL_REGION_LOGIN"], os.environ["ARCHIPEL_REGION_PASSWORD"])
    region: Region
    try:
        region = request.getfixturevalue("demo_server")
    except pytest.FixtureLookupError:
        region = request.getfixturevalue("made_up_region")
    return region


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    """One Chromium for the tests of a file, since two of them cannot live in one process; each test opens its own window."""
    if not Path(CHROMIUM).exists():
        missing("chromium")
    with open_browser() as opened:
        yield opened
