"""One process of a platform that runs in several: its doors, a data folder, and ports of its own."""

from __future__ import annotations

import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from tests.platform import ARCHIPEL
from tests.servers import Process, fetch, free_port, wait_until


@dataclass
class Member:
    """``arguments`` are those of the command; ``data`` may be shared with others, on one machine."""

    folder: Path
    arguments: tuple[str, ...]
    environment: Mapping[str, str]
    data: Path | None = None
    port: int = field(default_factory=free_port)
    health_port: int = field(default_factory=free_port)
    process: Process | None = None

    def start(self) -> None:
        self.folder.mkdir(exist_ok=True)
        argv = [str(ARCHIPEL), *self.arguments, "--data", str(self.data or self.folder / "data"), "--health-port", str(self.health_port)]
        if "dimse" in self.arguments:
            argv += ["--dicom-port", str(self.port)]
        elif "serve" in self.arguments:
            argv += ["--http-port", str(self.port)]
        self.process = Process(argv, self.folder / "server.log", self.environment)
        self.process.start(self.health_port, 90)
        wait_until(self.ready, seconds=60, every_s=0.1)

    def ready(self) -> bool:
        """/readyz answers 200"""
        try:
            return bool(fetch(f"http://127.0.0.1:{self.health_port}/readyz", seconds=5)["status"] == "ok")
        except OSError:
            return False

    def stop(self, seconds: float = 60) -> int:
        assert self.process is not None
        return self.process.stop(seconds=seconds)

    def metrics(self) -> str:
        """What /metrics says."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.health_port}/metrics", timeout=20) as answer:
            return str(answer.read().decode())
