"""The page of limits says what the code does."""

from __future__ import annotations

import importlib
import re
from pathlib import Path

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "limits.md"
ROW = re.compile(r"^\| [^|]+ \| (\d[\d,]*)[^|]* \| `(archipel[\w.]+)\.(\w+)` \|$", re.MULTILINE)


def test_every_constant_has_the_value_on_the_page() -> None:
    rows = ROW.findall(PAGE.read_text())
    assert len(rows) > 20
    for value, module, name in rows:
        assert getattr(importlib.import_module(module), name) == int(value.replace(",", "")), f"{module}.{name}"
