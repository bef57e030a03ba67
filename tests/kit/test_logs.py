"""The log must not stop the work that it tells of."""

from __future__ import annotations

import subprocess
import sys

CHILD = """
import logging, structlog
from archipel.kit.logs import configure_logs
configure_logs()
structlog.get_logger("a").error("disk.full")
logging.getLogger("library").error("disk full")
print("went on")
"""


def test_a_log_on_a_full_disk_fails_nobody() -> None:
    with open("/dev/full", "wb") as full:
        ended = subprocess.run([sys.executable, "-c", CHILD], stdout=subprocess.PIPE, stderr=full, timeout=60, check=False)
    assert ended.stdout == b"went on\n"
