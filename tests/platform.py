"""The platform as people run it: the installed command, in a process of its own, on free ports."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import urllib.error
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.servers import Process, fetch, free_port, wait_until

ARCHIPEL = Path(sys.executable).with_name("archipel")


class Platform:
    """One data folder and the server on it; ``start`` and ``stop`` as often as wanted, always on the same ports."""

    aet = "ARCHIPEL"

    def __init__(self, folder: Path, environment: Mapping[str, str] | None = None) -> None:
        self.data = folder / "data"
        self.environment = {"ARCHIPEL_LOG_JSON": "true", **(environment or {})}
        self.http_port, self.dicom_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self.process: Process | None = None
        self._log = folder / "server.log"

    def start(self, *arguments: str, seconds: float = 30) -> Platform:
        """Start the server and return once every door listens."""
        argv = [str(ARCHIPEL), "serve", "--data", str(self.data), "--http-port", str(self.http_port), "--dicom-port", str(self.dicom_port)]
        self.process = Process([*argv, *arguments], self._log, self.environment)
        self.process.start(self.http_port, seconds)

        def healthy() -> bool:
            """/healthz answers 200"""
            try:
                fetch(f"{self.url}/healthz", seconds=5)
            except (OSError, urllib.error.URLError):
                return False
            except ValueError:  # an answer that is no JSON is an answer
                return True
            return True

        wait_until(healthy, seconds=seconds)
        return self

    def stop(self, by: signal.Signals = signal.SIGTERM, seconds: float = 30) -> int:
        """End the server and all its children; returns the exit status, negative for a signal."""
        assert self.process is not None
        return self.process.stop(by, seconds)

    def kill(self) -> None:
        """SIGKILL to the process group."""
        self.stop(signal.SIGKILL)

    @property
    def log(self) -> str:
        """What the server has written so far."""
        return self._log.read_text(errors="replace") if self._log.exists() else ""

    def command(self, *arguments: str, check: bool = True, seconds: float = 60) -> subprocess.CompletedProcess[str]:
        """Run a command of the platform on this data folder."""
        done = subprocess.run(
            [str(ARCHIPEL), *arguments, "--data", str(self.data)],
            stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds, env=os.environ | self.environment,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"archipel {' '.join(arguments)} ended with {done.returncode}\n{done.stdout}\n{done.stderr}", pytrace=False)
        return done

    def account(self, login: str, role: str, *, site: str | None = None) -> str:
        """Add an account and return its one-time password."""
        where = ["--site", site] if site else []
        return self.command("account", "add", login, "--role", role, *where).stdout.split()[-1]

    def token(self, login: str = "checks", role: str = "archive_operator") -> str:
        """A bearer token of an account, which is added when it is not there."""
        done = self.command("token", login, check=False)
        if done.returncode:
            self.account(login, role)
            done = self.command("token", login)
        return done.stdout.strip()

    def device(self, aet: str, port: int = 104, *, host: str = "127.0.0.1", site: str | None = None) -> None:
        """Make a DICOM peer known."""
        self.command("device", "add", aet, host, str(port), *(["--site", site] if site else []))

    def get(self, path: str, token: str, *, accept: str = "application/json") -> Any:
        """GET with a bearer token; the answer as JSON."""
        return fetch(self.url + path, headers={"Authorization": f"Bearer {token}", "Accept": accept})
