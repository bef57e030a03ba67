"""The conformance statement says what the code has, and each of its claims names a test that is there."""

from __future__ import annotations

import ast
import re

from archipel.dicom import status
from archipel.dimse import find
from tests.servers import REPOSITORY
from tools import conformance

DIMSE = REPOSITORY / "src" / "archipel" / "dimse"
TESTS = REPOSITORY / "tests"
REFERENCE = re.compile(r"`((?:\w+/)+test_\w+\.py)(?:::(\w+))?`")


def statuses_in(*modules: str) -> set[int]:
    """Values of the constants of ``dicom.status`` that modules of the DIMSE door use."""
    found = set()
    for module in modules:
        for node in ast.walk(ast.parse((DIMSE / f"{module}.py").read_text())):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "status" and node.attr.isupper():
                found.add(getattr(status, node.attr))
    return found


def test_tables_are_those_of_the_code() -> None:
    text = conformance.PAGE.read_text()
    assert conformance.filled(text) == text, "run tools/conformance.py"
    assert set(re.findall(r"<!-- table ([a-z-]+) -->", text)) == set(conformance.TABLES)


def test_a_table_that_is_out_of_date_is_found() -> None:
    text = "<!-- table implementation -->\n| old |\n<!-- end -->\n"
    assert "| old |" not in conformance.filled(text)
    assert "ARCHIPEL_01" in conformance.filled(text)


def test_every_status_that_a_service_answers_is_listed_under_it() -> None:
    """Statuses of sub-operations (move.py, get.py) are counted, not answered."""
    listed = {service: set(found) for service, found in conformance.SERVICES.items()}
    assert listed["C-ECHO"] == statuses_in("echo")
    assert listed["C-FIND"] == statuses_in("find", "identifiers") | {find.LIMIT_REACHED}
    assert listed["C-MOVE and C-GET"] == statuses_in("retrieve", "suboperations", "identifiers")
    assert listed["N-ACTION"] | listed["N-EVENT-REPORT, failure reason of an instance"] == statuses_in("commitment")
    assert listed["any other operation"] == statuses_in("door")


def test_every_claim_names_a_test_that_is_there() -> None:
    found = REFERENCE.findall(conformance.PAGE.read_text())
    assert len(found) > 40
    missing = []
    for file, name in found:
        path = TESTS / file
        if not path.exists() or (name and f"def {name}(" not in path.read_text()):
            missing.append(f"{file}::{name}")
    assert missing == []
