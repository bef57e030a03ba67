"""Searches among many studies against Orthanc's, by ../shared/bench/at_scale.py, on the platform that ``make bench`` has started.

BENCH_SCALE=50000 is the number of one-instance studies that both sides are given first; 10,000 when nothing is said.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).resolve().parents[2] / "shared" / "bench" / "at_scale.py"


def main() -> None:
    """Run it, where it is there."""
    if not PROGRAM.exists():
        print(f"nothing to measure: no {PROGRAM.name} beside the checkout")
        return
    web, token = os.environ["PLATFORM_URL"] + "/dicom-web", os.environ["PLATFORM_TOKEN"]
    argv = [sys.executable, str(PROGRAM), "--web", web, "--token", token, "--studies", os.environ.get("BENCH_SCALE", "10000")]
    sys.exit(subprocess.run(argv, check=False).returncode)


if __name__ == "__main__":
    main()
