"""Backup of a platform that runs, and restore into an unused one: all that was acknowledged before it, as of one instant."""

from __future__ import annotations

import json
import os
import uuid
from collections.abc import Callable
from pathlib import Path

import httpx
import psycopg
import pytest

from tests import make
from tests.platform import Platform
from tests.servers import Bucket, make_bucket

pytestmark = [pytest.mark.faults, pytest.mark.timeout(240)]


@pytest.fixture(params=["sqlite-files", "sqlite-encrypted", "postgres-s3"])
def settings(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[], dict[str, str]]:
    """The environment of an unused platform, another one each time."""
    kind = request.param

    def made() -> dict[str, str]:
        environment = {"ARCHIPEL_ARCHIVE__QUIET_S": "1", "ARCHIPEL_ARCHIVE__FREE_BYTES_MIN": "0"}
        if kind == "sqlite-encrypted":
            keys = tmp_path / "keys"
            keys.write_text("k1 " + bytes(range(32)).hex() + "\n")
            keys.chmod(0o600)
            environment["ARCHIPEL_BLOBS__KEY_FILE"] = str(keys)
        if kind == "postgres-s3":
            server, s3 = request.getfixturevalue("postgres_server"), request.getfixturevalue("s3_server")
            name = f"t{uuid.uuid4().hex[:16]}"
            with psycopg.connect(server.replace("+psycopg", "") + "/postgres", autocommit=True) as connection:
                connection.execute(f"CREATE DATABASE {name}")
            bucket = Bucket(name=f"t{uuid.uuid4().hex[:16]}", **s3)
            make_bucket(bucket)
            environment |= {
                "ARCHIPEL_DATABASE__URL": f"{server}/{name}", "ARCHIPEL_BLOBS__URL": bucket.url, "ARCHIPEL_BLOBS__REGION": bucket.region,
                "ARCHIPEL_BLOBS__ACCESS_KEY": bucket.access_key, "ARCHIPEL_BLOBS__SECRET_KEY": bucket.secret_key,
            }  # fmt: skip
        return environment

    return made


def store(platform: Platform, token: str, *objects: object) -> None:
    body = b"".join(b"--b\r\nContent-Type: application/dicom\r\n\r\n" + make.part10(ds) + b"\r\n" for ds in objects) + b"--b--\r\n"  # type: ignore[arg-type]
    headers = {"Content-Type": 'multipart/related; type="application/dicom"; boundary=b', "Authorization": f"Bearer {token}"}
    assert httpx.post(f"{platform.url}/dicom-web/studies", content=body, headers=headers, timeout=60).status_code == 200


def found(platform: Platform, token: str) -> set[str]:
    answer = httpx.get(f"{platform.url}/dicom-web/instances?limit=1000", headers={"Authorization": f"Bearer {token}"}, timeout=60)
    return {row["00080018"]["Value"][0] for row in answer.json()}


def test_what_was_stored_before_a_backup_is_there_after_its_restore(settings: Callable[[], dict[str, str]], tmp_path: Path) -> None:
    first = Platform(tmp_path / "first", settings())
    target = tmp_path / "backups"
    token = first.token()
    first.start()
    try:
        old, new = make.ct_study(instances=20, size=64), make.mr_study(instances=5)
        store(first, token, *old)
        first.command("backup", "--to", str(target))
        store(first, token, *new)
        second = first.command("backup", "--to", str(target)).stdout
        store(first, token, *make.ct_study(instances=3))  # after it: not in it
    finally:
        first.stop()
    assert " of them new" in second
    backups = sorted(path for path in target.iterdir() if (path / "backup.json").exists())
    assert len(backups) == 2
    records = [json.loads((path / "backup.json").read_text()) for path in backups]
    assert records[1]["copied"] < records[0]["copied"] + records[1]["objects"]
    if "ARCHIPEL_BLOBS__KEY_FILE" in first.environment:
        secret = b"TESTE^ALICE"
        assert not [path for path in target.rglob("*") if path.is_file() and secret in path.read_bytes()]
    for backup, expected in zip(backups, (old, [*old, *new]), strict=True):
        again = Platform(tmp_path / f"restored-{backup.name}", settings())
        said = again.command("restore", "--from", str(backup)).stdout
        assert "restored as of" in said
        assert " 0 damaged" in again.command("verify").stdout
        again.start()
        try:
            assert found(again, token) == {str(ds.SOPInstanceUID) for ds in expected}  # the token came with it
        finally:
            again.stop()
        refused = again.command("restore", "--from", str(backup), check=False)
        assert refused.returncode == 1
        assert "unused" in refused.stderr


def test_what_is_no_whole_backup_is_refused(platform: Platform, tmp_path: Path) -> None:
    platform.token()
    platform.command("backup", "--to", str(tmp_path / "b"))
    (backup,) = (path for path in (tmp_path / "b").iterdir() if path.name != "objects")
    other = Platform(tmp_path / "other")
    (tmp_path / "empty").mkdir()
    assert other.command("restore", "--from", str(tmp_path / "empty"), check=False).returncode == 1
    with (backup / "database").open("rb+") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    done = other.command("restore", "--from", str(backup), check=False)
    assert done.returncode == 1
    assert "damaged" in done.stderr
    assert not (other.data / "archipel.db").exists()
