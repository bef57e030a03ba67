#!/usr/bin/env python3
"""Write docs/conformance/samples.md: send every sample by every road into a running platform, fetch it back by every way, and count.

tools/samples_page.py. Runs the tests that do so; ends with their exit status, and writes nothing when they fail.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import conformance

REPOSITORY = Path(__file__).resolve().parents[1]
PAGE = REPOSITORY / "docs" / "conformance" / "samples.md"
TESTS = ("tests/doors/test_every_sample.py", "tests/doors/test_peers_dcmtk.py")
HEAD = """<!-- Written by tools/samples_page.py -->

# Every sample, in by every road and back by every way

Objects of many makers, some broken on purpose, sent into running platforms. Of several contents under one UID one is stored and
the others are kept aside; files that are no instance (no UIDs, cut off, DICOMDIR) are refused with a reason. What pydicom makes of
the same files is what is expected. The road `storescu` has one file of each UID.
"""


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A table in Markdown."""
    head = list(head)
    return "\n".join(["| " + " | ".join(head) + " |", "|" + "---|" * len(head), *("| " + " | ".join(map(str, row)) + " |" for row in rows)])


def page(facts: list[dict[str, Any]]) -> str:
    """The page from what the tests counted."""
    roads = [fact for fact in facts if fact["kind"] == "stored"]
    syntaxes = sorted({uid for road in roads for uid in road["by_syntax"]}, key=lambda uid: [int(part) for part in uid.split(".")])
    rows: list[tuple[object, ...]] = [
        (*name, *(road["by_syntax"].get(uid, 0) for road in roads)) for uid in syntaxes for name in conformance.named([uid])
    ]
    rows.append(("all", "", *(sum(road["by_syntax"].values()) for road in roads)))
    text = HEAD + "\n## Answers\n\n"
    text += table(
        ("road", "files", "answers"),
        ((road["road"], road["files"], ", ".join(f"{count} {name}" for name, count in road["answers"].items())) for road in roads),
    )
    text += "\n\n## Stored, by transfer syntax\n\n" + table(("transfer syntax", "UID", *(road["road"] for road in roads)), rows)
    for kind, title in (("byte for byte", "Datasets equal byte for byte"), ("dciodvfy", "No new error by dciodvfy")):
        text += f"\n\n## {title}\n\n" + table(("way", "count"), ((f["way"], f["count"]) for f in facts if f["kind"] == kind))
    pixels = [fact for fact in facts if fact["kind"] == "pixel for pixel"]
    text += "\n\n## Converted: pixels equal to those that another decoder makes\n\n"
    text += "JPEG with loss within 2 levels, for decoders may round differently; everything else exactly.\n\n"
    found = sorted({uid for fact in pixels for uid in fact["by_syntax"]}, key=lambda uid: [int(part) for part in uid.split(".")])
    text += table(
        ("stored in", *(fact["way"] for fact in pixels)),
        [
            *((conformance.named([uid])[0][0], *(fact["by_syntax"].get(uid, 0) for fact in pixels)) for uid in found),
            ("all", *(fact["count"] for fact in pixels)),
            ("without pixels, or no other decoder", *(fact["not_compared"] for fact in pixels)),
        ],
    )
    return text + "\n"


def main() -> int:
    """Run, count, write."""
    with tempfile.TemporaryDirectory() as folder:
        log = Path(folder) / "facts"
        environment = os.environ | {"ARCHIPEL_TEST_SAMPLES_LOG": str(log)}
        done = subprocess.run([sys.executable, "-m", "pytest", "-q", *TESTS], cwd=REPOSITORY, env=environment, check=False)
        if done.returncode == 0:
            PAGE.write_text(page([json.loads(line) for line in log.read_text().splitlines()]))
    return done.returncode


if __name__ == "__main__":
    sys.exit(main())
