"""Fixtures of every test: where data, back ends and peers are."""

from __future__ import annotations

import signal
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import psycopg
import pytest

from tests import servers
from tests.platform import Platform


@pytest.fixture(scope="session")
def repository() -> Path:
    """The root of this checkout."""
    return servers.REPOSITORY


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Real objects of many makers, laid beside the checkout; tests that read them are skipped without."""
    folder = servers.REPOSITORY.parent / "shared" / "data"
    if not (folder / "dicom" / "index.csv").exists():
        pytest.skip("no ../shared/data beside this checkout")
    return folder


@pytest.fixture(scope="session")
def run_id(request: pytest.FixtureRequest) -> str:
    """One name for all workers of a test run."""
    worker = getattr(request.config, "workerinput", None)
    return str(worker["testrunuid"])[:12] if worker else uuid.uuid4().hex[:12]


@pytest.fixture(scope="session")
def postgres_server(run_id: str) -> Iterator[str]:
    """The address of a real, private PostgreSQL cluster, without a database name."""
    servers.need_postgres()
    yield servers.join("postgres", run_id)["url"]
    servers.leave("postgres", run_id)


@pytest.fixture
def postgres_url(postgres_server: str) -> Iterator[str]:
    """An empty database of its own for the test."""
    name = f"t{uuid.uuid4().hex[:16]}"
    admin = postgres_server.replace("+psycopg", "") + "/postgres"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name}")  # type: ignore[arg-type]
    yield f"{postgres_server}/{name}"
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute(f"DROP DATABASE {name} WITH (FORCE)")  # type: ignore[arg-type]


@pytest.fixture(scope="session")
def s3_server(run_id: str) -> Iterator[dict[str, str]]:
    """A real S3 server: endpoint and keys."""
    servers.need_s3()
    yield servers.join("s3", run_id)
    servers.leave("s3", run_id)


@pytest.fixture
def s3(s3_server: dict[str, str]) -> servers.Bucket:
    """An empty bucket of its own for the test."""
    bucket = servers.Bucket(name=f"t{uuid.uuid4().hex[:16]}", **s3_server)
    servers.make_bucket(bucket)
    return bucket


@pytest.fixture(params=["sqlite-files", "postgres-s3"])
def backend(request: pytest.FixtureRequest, tmp_path: Path) -> servers.Backend:
    """Both back ends of the platform, one after the other: a test that asks for this runs on each."""
    if request.param == "sqlite-files":
        return servers.Backend("sqlite-files", f"sqlite:///{tmp_path / 'archipel.db'}", f"file://{tmp_path / 'blobs'}")
    url: str = request.getfixturevalue("postgres_url")
    bucket: servers.Bucket = request.getfixturevalue("s3")
    return servers.Backend("postgres-s3", url, bucket.url, bucket.access_key, bucket.secret_key, bucket.region)


@pytest.fixture(scope="module")
def orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Orthanc]:
    """A running Orthanc with an empty store, one per module."""
    peer = servers.Orthanc(tmp_path_factory.mktemp("orthanc"))
    peer.start()
    yield peer
    peer.stop()


@pytest.fixture(scope="session")
def dcmtk() -> servers.Dcmtk:
    """DCMTK's command-line tools."""
    servers.program("echoscu", peer="dcmtk")
    return servers.Dcmtk()


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[Platform]:
    """The platform on its embedded default, not yet started: ``platform.start()``."""
    made = Platform(tmp_path)
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@pytest.fixture
def platform_on(backend: servers.Backend, tmp_path: Path) -> Iterator[Platform]:
    """The same on each back end in turn."""
    made = Platform(tmp_path, backend.environment)
    yield made
    if made.process is not None:
        made.stop(signal.SIGKILL)


@dataclass(frozen=True)
class DemoServer:
    """A running training region and its administrator."""

    url: str
    login: str
    password: str


@pytest.fixture(scope="session")
def demo_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[DemoServer]:
    """The platform with the small demo region, one per worker."""
    made = Platform(tmp_path_factory.mktemp("demo"))
    made.command("demo", "--small", seconds=200)
    made.start()
    yield DemoServer(made.url, "demo-admin", "archipel-demo")
    made.stop(signal.SIGKILL)
