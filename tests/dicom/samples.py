"""Where sample objects are: those kept in the tree, those that pydicom ships, and those beside the checkout."""

from __future__ import annotations

import csv
from functools import cache
from pathlib import Path

import pydicom.data

KEPT = Path(__file__).parents[1] / "data" / "dicom"
_PYDICOM = Path(pydicom.data.__file__).parent
SHARED = Path(__file__).parents[3] / "shared" / "data" / "dicom"


def kept(name: str) -> Path:
    """A sample by name, from the tree or from pydicom's own."""
    for folder in KEPT, _PYDICOM / "test_files", _PYDICOM / "charset_files":
        if (folder / name).exists():
            return folder / name
    raise FileNotFoundError(name)


@cache
def all_files() -> tuple[Path, ...]:
    """Every sample that is there."""
    files = [p for p in KEPT.iterdir() if p.suffix != ".md"]
    files += [p for p in (_PYDICOM / "test_files").rglob("*") if p.is_file() and p.suffix in ("", ".dcm")]
    files += list((_PYDICOM / "charset_files").glob("*.dcm"))
    if (SHARED / "index.csv").exists():
        with (SHARED / "index.csv").open() as table:
            files += [SHARED / row["path"] for row in csv.DictReader(table)]
    return tuple(sorted(files))
