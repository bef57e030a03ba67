"""Health, readiness and metrics before every door, on a real socket."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
import uvicorn
from prometheus_client.parser import text_string_to_metric_families
from starlette.responses import PlainTextResponse

from archipel.kit import health
from archipel.kit.errors import Unavailable
from archipel.kit.gate import Gate, operation_of
from archipel.kit.health import Health, Readiness
from archipel.kit.metrics import Metrics
from tests.servers import free_port, wait_until

LOCAL = "127.0.0.1"


@contextmanager
def served(gate: Gate, host: str = LOCAL, **options: Any) -> Iterator[httpx.Client]:
    """The gate behind uvicorn, as the command runs it."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(gate, host=host, port=port, log_config=None, lifespan="off", **options))
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    wait_until(lambda: server.started)
    with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=20) as client:
        yield client
    server.should_exit = True
    thread.join(10)


def gate_of(checks: dict[str, Callable[[], bool]] | None = None, *, token: str = "", ready: bool = True) -> tuple[Gate, Health, Metrics]:
    state, metrics = Health(ready=ready), Metrics()
    gate = Gate(PlainTextResponse("inside"), state, Readiness(state, checks or {}), metrics, metrics_token=token)
    return gate, state, metrics


def test_readiness_names_what_is_missing_and_nothing_more() -> None:
    works = {"database": True, "objects": True, "disk": True}

    def check(name: str) -> Callable[[], bool]:
        def act() -> bool:
            if not works[name]:
                raise Unavailable("secret host does not answer", code="database", detail="db.internal:5432")
            return True

        return act

    gate, state, _ = gate_of({name: check(name) for name in works}, ready=False)
    with served(gate) as client:
        assert client.get("/readyz").json() == {"status": "not ready", "reasons": ["starting"]}
        assert client.get("/healthz").status_code == 503
        state.ready = True
        assert (client.get("/readyz").status_code, client.get("/readyz").json()) == (200, {"status": "ok", "reasons": []})
        for name in works:
            works[name] = False
            time.sleep(health.KEPT_S + 0.1)
            answer = client.get("/readyz")
            assert answer.status_code == 503 and answer.json() == {"status": "not ready", "reasons": [name]}
            assert client.get("/healthz").status_code == 200, "it lives, though it cannot serve"
            works[name] = True
            time.sleep(health.KEPT_S + 0.1)
        state.draining = True
        assert client.get("/readyz").json()["reasons"] == ["draining"] and client.get("/healthz").status_code == 503
        refused = client.get("/dicom-web/studies")
        assert refused.status_code == 503 and refused.headers["connection"] == "close"


def test_a_check_that_hangs_is_a_reason_and_holds_nobody_up() -> None:
    hanging = threading.Event()
    gate, _, _ = gate_of({"objects": hanging.wait, "disk": lambda: True})
    with served(gate) as client:
        begun = time.monotonic()
        assert client.get("/readyz").json()["reasons"] == ["objects"]
        assert client.get("/readyz").json()["reasons"] == ["objects"]
        assert time.monotonic() - begun < 2 * health.WAIT_S + 2
        assert sum(thread.name == "ready-objects" for thread in threading.enumerate()) == 1, "no second one behind the first"
        hanging.set()
        wait_until(lambda: client.get("/readyz").status_code == 200, seconds=10)


def test_metrics_answer_this_machine_alone() -> None:
    gate, _, _ = gate_of()
    with served(gate) as client:
        assert client.get("/metrics").status_code == 200
        for name in ("Forwarded", "X-Forwarded-For", "X-Real-IP", "Via"):  # a proxy on this machine brings others
            assert client.get("/metrics", headers={name: "203.0.113.7"}).status_code == 403
        assert client.post("/metrics").status_code == 405
    with served(gate, proxy_headers=True, forwarded_allow_ips="127.0.0.1") as client:
        assert client.get("/metrics", headers={"X-Forwarded-For": "203.0.113.7"}).status_code == 403
        assert client.get("/metrics", headers={"X-Forwarded-For": "127.0.0.1"}).status_code == 403


def test_metrics_answer_a_token_where_one_is_set() -> None:
    gate, _, _ = gate_of(token="scrape-me")
    with served(gate) as client:
        assert client.get("/metrics").status_code == 403
        assert client.get("/metrics", headers={"Authorization": "Bearer other"}).status_code == 403
        assert client.get("/metrics", headers={"Authorization": "Bearer scrape-mé".encode()}).status_code == 403
        assert client.get("/metrics", headers={"Authorization": "Bearer scrape-me", "X-Forwarded-For": "203.0.113.7"}).status_code == 200


def test_requests_are_measured_by_operation() -> None:
    gate, _, metrics = gate_of()
    with served(gate) as client:
        for _ in range(3):
            client.get("/dicom-web/studies?PatientName=SECRET")
        client.post("/dicom-web/studies/1.2.3")
        client.get("/dicom-web/studies/1.2.3/metadata")
        text = client.get("/metrics").text
    families = {family.name: family for family in text_string_to_metric_families(text)}
    counts = {
        (s.labels["door"], s.labels["operation"]): s.value
        for s in families["archipel_operation_seconds"].samples
        if s.name.endswith("_count")
    }
    assert counts == {("dicomweb", "QIDO"): 3, ("dicomweb", "STOW"): 1, ("dicomweb", "WADO metadata"): 1}
    assert "SECRET" not in text and "1.2.3" not in text
    assert families["process_resident_memory_bytes"].samples[0].value > 10 << 20 and families["process_open_fds"].samples[0].value > 3
    assert metrics.process_figures()["resident_bytes"] > 10 << 20


@pytest.mark.parametrize(
    ("method", "path", "operation"),
    [
        ("GET", "/dicom-web/studies", "QIDO"),
        ("GET", "/dicom-web/studies/1.2/series", "QIDO"),
        ("GET", "/dicom-web/studies/1.2/series/3.4/instances", "QIDO"),
        ("GET", "/dicom-web/instances", "QIDO"),
        ("GET", "/dicom-web/studies/1.2", "WADO"),
        ("GET", "/dicom-web/studies/1.2/series/3.4/instances/5.6", "WADO"),
        ("GET", "/dicom-web/studies/1.2/series/3.4/instances/5.6/frames/1,2", "WADO frames"),
        ("GET", "/dicom-web/studies/1.2/series/3.4/instances/5.6/frames/1/rendered", "WADO rendered"),
        ("GET", "/dicom-web/studies/1.2/thumbnail", "WADO rendered"),
        ("GET", "/dicom-web/wado", "WADO-URI"),
        ("POST", "/dicom-web/studies", "STOW"),
        ("POST", "/api/v1/uploads", "upload"),
        ("GET", "/api/v1/exams/1.2/archive.zip", "download"),
        ("GET", "/api/v1/exams", "read"),
        ("POST", "/api/v1/session", "change"),
        ("GET", "/api/v1/live", None),
        ("GET", "/exams", None),
        ("GET", "/assets/app.js", None),
    ],
)
def test_operations_have_names(method: str, path: str, operation: str | None) -> None:
    found = operation_of(method, path)
    assert (found[1] if found else None) == operation
