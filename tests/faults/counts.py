"""The counts of a fault test: one line each, gathered in the file that ``ARCHIPEL_TEST_FAULTS_TABLE`` names.

``python -m tests.faults.counts FILE`` prints such a file as a table.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

COLUMNS = ("fault", "back end", "tries", "sent", "acknowledged", "found", "damaged", "doubled")


def record(fault: str, back_end: str, *, tries: int, sent: int, acknowledged: int, found: int, damaged: int = 0, doubled: int = 0) -> None:
    """Say what a test counted. ``found`` counts what was there in the end, ``damaged`` and ``doubled`` how much of that was wrong."""
    values = (fault, back_end, *map(str, (tries, sent, acknowledged, found, damaged, doubled)))
    sys.stdout.write("\n" + "; ".join(f"{name} {value}" for name, value in zip(COLUMNS, values, strict=True)) + "\n")
    if path := os.environ.get("ARCHIPEL_TEST_FAULTS_TABLE"):
        with Path(path).open("a") as file:  # one write: the workers of a run share the file
            file.write("\t".join(values) + "\n")


def table(lines: list[str]) -> str:
    """The lines as a table in Markdown, equal faults together."""
    rows = sorted(line.split("\t") for line in lines if line.count("\t") == len(COLUMNS) - 1)
    ruler = ["---"] * 2 + ["--:"] * (len(COLUMNS) - 2)
    return "\n".join("| " + " | ".join(row) + " |" for row in [list(COLUMNS), ruler, *rows])


if __name__ == "__main__":
    sys.stdout.write(table(Path(sys.argv[1]).read_text().splitlines()) + "\n")
