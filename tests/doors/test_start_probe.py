"""What the platform makes sure of before it opens a door."""

from __future__ import annotations

from pathlib import Path

from tests import make
from tests.platform import Platform
from tests.servers import free_port


def test_an_object_store_that_does_not_answer_is_said_before_anything_is_taken(tmp_path: Path) -> None:
    store = {"URL": f"s3+http://127.0.0.1:{free_port()}/archipel", "ACCESS_KEY": "key", "SECRET_KEY": "secret"}
    platform = Platform(tmp_path, {f"ARCHIPEL_BLOBS__{name}": value for name, value in store.items()})
    (tmp_path / "one.dcm").write_bytes(make.part10(make.instance("1.2.840.10008.5.1.4.1.1.2", "CT")))
    done = platform.command("import", str(tmp_path / "one.dcm"), check=False)
    assert done.returncode == 1
    assert "object store" in done.stderr
    assert "refused" not in done.stderr
