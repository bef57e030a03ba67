"""What nobody foresaw leaves in the one error shape."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.servers import Backend
from tests.web.door import running


def test_an_unforeseen_failure_has_the_one_error_shape(backend: Backend, tmp_path: Path) -> None:
    def broken(_: Any) -> Any:
        raise RuntimeError("DURAND^Zoe")

    with running(tmp_path, backend, echo=broken) as door:
        answer = door.client("administrator").post("/devices/CT_NORTH/echo")
        assert answer.status_code == 500
        error = answer.json()["error"]
        assert set(error) == {"kind", "code", "public", "field", "http_request_id"}
        assert (error["kind"], error["code"]) == ("error", "internal")
        assert error["http_request_id"] and error["http_request_id"] in error["public"]
        assert "DURAND" not in answer.text
        assert answer.headers["cache-control"] == "no-store"
        assert door.client("administrator").get("/devices").status_code == 200
