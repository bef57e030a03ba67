"""What `make run` starts, and what make offers."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from tests import servers
from tests.house.rules import REPOSITORY


def start(data: Path, log: Path) -> tuple[servers.Process, str]:
    """tools/run.sh on free ports, without the demo; returns once it answers."""
    port = servers.free_port()
    environment = {"DATA": str(data), "DEMO": "0", "HTTP_PORT": str(port), "DICOM_PORT": str(servers.free_port())}
    process = servers.Process([str(REPOSITORY / "tools/run.sh")], log, environment)
    process.start(port, seconds=60)
    servers.wait_until(lambda: "Archipel" in process.text(), seconds=30)
    return process, process.text()


def test_the_first_start_says_who_may_sign_in_and_the_second_starts_again(tmp_path: Path) -> None:
    first, text = start(tmp_path / "var", tmp_path / "first.log")
    try:
        assert re.search(r"http://127\.0\.0\.1:\d+", text), text
        assert re.search(r"DICOM: ARCHIPEL on 127\.0\.0\.1:\d+", text), text
        assert re.search(r"first administrator: admin +one-time password: \S+", text), text
    finally:
        assert first.stop() == 0, first.text()
    second, text = start(tmp_path / "var", tmp_path / "second.log")
    assert "one-time password" not in text
    assert second.stop() == 0


def test_every_command_that_is_written_about_exists() -> None:
    pages = "\n".join(
        (REPOSITORY / name).read_text() for name in ("README.md", "DEVELOPERS.md", "CONTRIBUTING.md", "docs/operate/README.md")
    )
    named = set(re.findall(r"^make ([a-z][a-z-]+)|`make ([a-z][a-z-]+)", pages, re.MULTILINE))
    targets = {a or b for a, b in named}
    assert {"run", "test", "check", "bench", "docs", "fuzz", "big", "soak", "shots", "faults-long"} <= targets
    makefile = (REPOSITORY / "Makefile").read_text()
    assert [target for target in targets if not re.search(rf"^{target}:", makefile, re.MULTILINE)] == []


def test_make_help_lists_the_commands() -> None:
    done = subprocess.run(["make", "help"], cwd=REPOSITORY, capture_output=True, text=True, timeout=20, check=True)
    assert {"make run", "make test", "make check", "make bench"} <= {line.strip().split("  ")[0] for line in done.stdout.splitlines()}
