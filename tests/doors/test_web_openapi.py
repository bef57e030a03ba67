"""The API's own description: complete, readable, and true under what schemathesis makes of it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests import make
from tests.web.door import Door, running

EXAMPLES_COUNT = 12
# Streams without end, and what would end the session that asks.
LEFT_OUT = ("/api/v1/live", "/api/v1/session")


@pytest.fixture(scope="module")
def described(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Door, dict[str, Any]]]:
    with running(tmp_path_factory.mktemp("door")) as door:
        door.store(*make.ct_study(instances=2))
        yield door, httpx.get(door.url + "/api/openapi.json").json()


def test_every_operation_is_described(described: tuple[Door, dict[str, Any]]) -> None:
    _, description = described
    assert description["info"]["title"] == "Archipel"
    operations = [(path, method, op) for path, ops in description["paths"].items() for method, op in ops.items()]
    assert len(operations) > 30
    for path, method, operation in operations:
        where = f"{method} {path}"
        assert operation["summary"] and operation["description"] and operation["tags"] and operation["security"], where
        assert operation["responses"]["default"]["content"]["application/json"]["schema"]["$ref"].endswith("/ErrorAnswer"), where
        assert "422" not in operation["responses"], where
        if {"303", "307"} & operation["responses"].keys():
            continue  # the way to a provider and back, the viewer's address: answers without content
        success = next(answer for status, answer in operation["responses"].items() if status.startswith("2"))
        assert "content" in success or "204" in operation["responses"] or method == "head", where


def test_the_reference_is_one_page_of_our_own(described: tuple[Door, dict[str, Any]]) -> None:
    door, description = described
    answer = httpx.get(door.url + "/api/docs")
    assert answer.status_code == 200 and "default-src 'none'" in answer.headers["content-security-policy"]
    for path in description["paths"]:
        assert path in answer.text
    assert "<script" not in answer.text and "//cdn" not in answer.text and "ErrorAnswer" in answer.text


def test_schemathesis_finds_no_500_and_no_answer_outside_the_schema(described: tuple[Door, dict[str, Any]]) -> None:
    door, description = described
    token = door.token("administrator")
    kept = {path: ops for path, ops in description["paths"].items() if path not in LEFT_OUT}
    schema = schemathesis.openapi.from_dict({**description, "paths": kept})
    calls = 0
    for found in schema.get_all_operations():
        operation = found.ok()
        assert operation is not None

        @settings(
            max_examples=EXAMPLES_COUNT, deadline=None, database=None, derandomize=True, phases=(Phase.explicit, Phase.generate),
            suppress_health_check=list(HealthCheck),
        )  # fmt: skip
        def ask(case: Any) -> None:
            nonlocal calls
            calls += 1
            answer = case.call(base_url=door.url, headers={"Authorization": f"Bearer {token}"})
            assert answer.status_code < 500, (case.method, case.formatted_path, answer.status_code, answer.text[:500])
            case.validate_response(answer, checks=(schemathesis.checks.response_schema_conformance,))

        schemathesis_given(operation, ask)
    assert calls > 200


def schemathesis_given(operation: Any, act: Any) -> None:
    """Run ``act`` on the cases of one operation."""
    given(case=operation.as_strategy())(act)()
