"""The servers that the other tests rely on are real, empty, apart from each other, and gone afterwards."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from archipel.kit.blobs import open_blobs
from archipel.kit.errors import Conflict
from tests import servers


def test_each_test_has_a_database_of_its_own_on_a_server_that_syncs(postgres_url: str) -> None:
    with psycopg.connect(postgres_url.replace("+psycopg", "")) as connection:
        assert connection.execute("show fsync").fetchone() == ("on",)
        assert connection.execute("select count(*) from pg_tables where schemaname = 'public'").fetchone() == (0,)


def test_the_s3_server_keeps_and_never_replaces(s3: servers.Bucket) -> None:
    blobs = open_blobs(s3.url, access_key=s3.access_key, secret_key=s3.secret_key)
    assert list(blobs.list("")) == []
    blobs.put("a/b", [b"first"])
    with pytest.raises(Conflict):
        blobs.put("a/b", [b"second"])
    assert blobs.read("a/b", 0, 5) == b"first"


def test_dcmtk_reaches_orthanc(orthanc: servers.Orthanc, dcmtk: servers.Dcmtk) -> None:
    dcmtk.run("echoscu", "-aec", orthanc.aet, "127.0.0.1", orthanc.dicom_port)
    assert orthanc.instances() == set()


@pytest.mark.faults
def test_a_shared_server_ends_when_its_users_are_killed(tmp_path: Path) -> None:
    servers.need_postgres()
    script = "import sys, time; from tests import servers; print(servers.join('postgres', sys.argv[1])['url'], flush=True); time.sleep(60)"
    run_id = f"kill{os.getpid()}"
    user = subprocess.Popen([sys.executable, "-c", script, run_id], stdout=subprocess.PIPE, text=True, cwd=servers.REPOSITORY)
    assert user.stdout is not None
    url = user.stdout.readline().strip().replace("+psycopg", "")
    with psycopg.connect(f"{url}/postgres") as connection:
        assert connection.execute("select 1").fetchone() == (1,)
    user.send_signal(signal.SIGKILL)
    user.wait(10)

    def is_gone() -> bool:
        """the cluster stops once nobody uses it"""
        try:
            psycopg.connect(f"{url}/postgres", connect_timeout=2).close()
        except psycopg.OperationalError:
            return True
        return False

    servers.wait_until(is_gone, seconds=20)
