"""Traces: what a collector receives, decoded by the protocol's own definitions."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route
from starlette.testclient import TestClient

from archipel.kit import traces
from archipel.kit.gate import Gate
from archipel.kit.health import Health, Readiness
from archipel.kit.metrics import Metrics
from tests.collector import Collector

TRACE, PARENT = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def collector() -> Iterator[Collector]:
    with Collector() as found:
        yield found
        traces.stop()


def values(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_request_is_a_span_of_its_senders_trace_and_its_work_is_within(collector: Collector) -> None:
    def series(request: Any) -> PlainTextResponse:
        with traces.span("s3 get", {"archipel.object": "sealed/ab/1"}):
            traces.done("group commit", 0.25, {"archipel.instances": 3})
        return PlainTextResponse("ok")

    app = Starlette(routes=[Route("/dicom-web/studies", series)])
    health = Health()
    gate = Gate(app, health, Readiness(health, {}), Metrics())
    traces.start(collector.url, does="dicomweb")
    answer = TestClient(gate).get("/dicom-web/studies?PatientName=DURAND", headers={"traceparent": f"00-{TRACE}-{PARENT}-01"})
    traces.stop()
    assert answer.status_code == 200
    assert collector.sender["service.name"] == "archipel"
    request, stored, group = (collector.spans[name] for name in ("dicomweb QIDO", "s3 get", "group commit"))
    assert {one.trace_id.hex() for one in (request, stored, group)} == {TRACE}
    assert (request.parent_span_id.hex(), stored.parent_span_id, group.parent_span_id) == (PARENT, request.span_id, stored.span_id)
    assert answer.headers["traceparent"] == f"00-{TRACE}-{request.span_id.hex()}-01"
    assert values(request)["http.response.status_code"] == 200
    assert values(group) == {"archipel.instances": 3}
    assert 0.24e9 < group.end_time_unix_nano - group.start_time_unix_nano < 0.26e9
    assert b"DURAND" not in b"".join(one.SerializeToString() for one in collector.spans.values())


def test_what_fails_is_told_by_its_type_and_never_by_its_text(collector: Collector) -> None:
    traces.start(collector.url)
    with pytest.raises(ValueError, match="Durand"), traces.span("job archive.seal"):
        raise ValueError("Durand^Zoe")
    traces.stop()
    failed = collector.spans["job archive.seal"]
    assert (failed.status.code, failed.status.message) == (2, "ValueError")
    assert b"Durand" not in failed.SerializeToString()


def test_without_an_address_nothing_is_made_and_nothing_is_sent(collector: Collector) -> None:
    traces.start("")
    with traces.span("one") as first, traces.span("two") as second:
        traces.done("three", 1, {})
    assert first is second
    assert (traces.is_on(), traces.carried(), collector.spans) == (False, {}, {})
