"""Schemathesis on the running platform's own description: /api and /dicom-web never answer with a failure of ours."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings

from tests import fuzzing, make
from tests.faults.watch import Served, dataset, part10, related
from tests.platform import Platform

# Streams without end, and what would end the session that asks.
LEFT_OUT = ("/api/v1/live", "/api/v1/session")
OURS = (503,)  # said on purpose, when asked for more than there is


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, Any]]]:
    """The platform with one exam, and its description."""
    platform = Platform(tmp_path_factory.mktemp("schemathesis"))
    platform.start()
    try:
        running = Served(platform)
        study = make.ct_study(instances=2, StudyInstanceUID="1.2.3")
        body = related(part10(dataset(ds), sop_instance_uid=ds.SOPInstanceUID) for ds in study)
        with running.client() as client:
            assert (
                client.post(
                    "/dicom-web/studies",
                    content=body,
                    headers={"Content-Type": 'multipart/related; type="application/dicom"; boundary=part'},
                ).status_code
                == 200
            )
            description = client.get("/api/openapi.json").json()
        description["x-real"] = {
            "study": "1.2.3",
            "series": str(study[0].SeriesInstanceUID),
            "instance": str(study[0].SOPInstanceUID),
            "study_uid": "1.2.3",
            "frames": "1",
            "uid": "1.2.3",
        }
        yield running, description
    finally:
        platform.stop(signal.SIGKILL)


@fuzzing.short_and_long(0)
@pytest.mark.parametrize("prefix", ["/dicom-web", "/api"])
@pytest.mark.timeout(fuzzing.FUZZ_SECONDS + 300)
def test_no_failure_of_ours(served: tuple[Served, dict[str, Any]], prefix: str, seconds: float) -> None:
    running, description = served
    real = description["x-real"]
    kept = {path: ops for path, ops in description["paths"].items() if path.startswith(prefix) and path not in LEFT_OUT}
    operations = [found.ok() for found in schemathesis.openapi.from_dict({**description, "paths": kept}).get_all_operations()]
    assert len(operations) >= 15
    examples = 8 if not seconds else max(20, int(seconds * 15 / len(operations)))
    token = running.platform.token("schemathesis", "archive_operator" if prefix == "/dicom-web" else "administrator")
    answers: dict[int, int] = {}
    pid, start = running.pid, running.log_size()
    with httpx.Client(base_url=running.platform.url, headers={"Authorization": f"Bearer {token}"}, timeout=60) as client:
        for operation in operations:
            assert operation is not None

            @settings(
                max_examples=examples, deadline=None, database=None, derandomize=not seconds, phases=(Phase.explicit, Phase.generate),
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(case=operation.as_strategy())
            def ask(case: Any) -> None:
                if sum(answers.values()) % 2:  # every other request is about an exam that is there
                    case.path_parameters = {name: real.get(name, value) for name, value in (case.path_parameters or {}).items()}
                answer = case.call(base_url=running.platform.url, headers={"Authorization": f"Bearer {token}"})
                answers[answer.status_code] = answers.get(answer.status_code, 0) + 1
                assert answer.status_code < 500 or answer.status_code in OURS, (
                    case.method,
                    case.formatted_path,
                    answer.status_code,
                    answer.text[:500],
                )

            ask()
        assert client.get("/healthz").status_code == 200
    print(f"{prefix}: {len(operations)} operations, answers {dict(sorted(answers.items()))}")
    assert sum(answers.values()) > 100 and running.pid == pid
    failed = [event for event in running.logged(start) if "Traceback" in str(event)]
    assert not failed, failed[:2]
    assert running.status("VmHWM") < 400 << 20
