"""The real servers that tests talk to: PostgreSQL, S3, Orthanc, DCMTK's tools, and the platform itself as a process.

Nothing here stands in for anything. Servers listen on loopback, on ports of their own, and end with the process that uses them, killed
or not. Where a peer is missing a test is skipped with the reason; where ``CI`` is set that is a failure.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NoReturn

import pytest

from tests.keeper import REPOSITORY, dies_with_parent, free_port, locked, postgres_bin, wait_for_port

KEEPER_START_S = 150
DCMTK_ENVIRONMENT = {"TCP_NODELAY": "1"}  # Debian's build waits 40 ms per message without it


def missing(peer: str) -> NoReturn:
    """Skip the test for want of a peer; fail it where ``CI`` is set."""
    reason = f"{peer} is not installed (make debian, as root)"
    if os.environ.get("CI"):
        pytest.fail(reason, pytrace=False)
    pytest.skip(reason)


def program(name: str, *, peer: str = "") -> str:
    """The path of a program, /usr/sbin included."""
    path = shutil.which(name) or shutil.which(name, path="/usr/sbin:/usr/local/sbin:/sbin")
    return path or missing(peer or name)


# --- servers that the workers of one test run share -------------------------------------------------------------------------------


def join(kind: str, run_id: str) -> dict[str, str]:
    """Use the shared server of a test run, starting it when nobody has; what it answers says how to reach it."""
    folder = Path(tempfile.gettempdir()) / f"archipel-{run_id}-{kind}"
    with locked(folder):
        (folder / "users").mkdir(parents=True, exist_ok=True)
        folder.chmod(0o755)  # PostgreSQL's user passes through
        (folder / "users" / str(os.getpid())).touch()
        ready, failed = folder / "ready.json", folder / "failed"
        if not ready.exists() and not failed.exists():
            with (folder / "keeper.log").open("ab") as log:
                argv = [sys.executable, str(REPOSITORY / "tests/keeper.py"), kind, str(folder)]
                keeper = subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
            until = time.monotonic() + KEEPER_START_S
            while not ready.exists() and keeper.poll() is None and time.monotonic() < until:
                time.sleep(0.1)
        if not ready.exists():
            reason = failed.read_text() if failed.exists() else (folder / "keeper.log").read_text()
            pytest.fail(f"the {kind} server did not start: {reason}", pytrace=False)
        return dict(json.loads(ready.read_text()))


def leave(kind: str, run_id: str) -> None:
    """Say that this process needs the server no longer; the last to leave has it stopped."""
    folder = Path(tempfile.gettempdir()) / f"archipel-{run_id}-{kind}"
    (folder / "users" / str(os.getpid())).unlink(missing_ok=True)


def need_postgres() -> None:
    """Skip or fail where PostgreSQL's server is not installed."""
    if postgres_bin() is None:
        missing("postgresql")


def need_s3() -> None:
    """Skip or fail where Ceph is not installed."""
    for name in ("radosgw", "ceph-mon", "ceph-osd", "ceph", "radosgw-admin"):
        program(name, peer="radosgw")


# --- S3 ---------------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Bucket:
    """A bucket of a real S3 server, empty when a test gets it."""

    endpoint: str
    access_key: str
    secret_key: str
    name: str
    region: str = "us-east-1"

    @property
    def url(self) -> str:
        """The address as the platform's settings take it."""
        return f"s3+{self.endpoint}/{self.name}"


def make_bucket(bucket: Bucket) -> None:
    """Create the bucket: one request, signed with AWS Signature Version 4."""
    host = bucket.endpoint.removeprefix("http://")
    now = datetime.now(UTC)
    stamp, day = now.strftime("%Y%m%dT%H%M%SZ"), now.strftime("%Y%m%d")
    empty = hashlib.sha256(b"").hexdigest()
    names = "host;x-amz-content-sha256;x-amz-date"
    canonical = f"PUT\n/{bucket.name}\n\nhost:{host}\nx-amz-content-sha256:{empty}\nx-amz-date:{stamp}\n\n{names}\n{empty}"
    scope = f"{day}/{bucket.region}/s3/aws4_request"
    to_sign = f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n{hashlib.sha256(canonical.encode()).hexdigest()}"
    key = f"AWS4{bucket.secret_key}".encode()
    for part in (day, bucket.region, "s3", "aws4_request"):
        key = hmac.digest(key, part.encode(), "sha256")
    signature = hmac.digest(key, to_sign.encode(), "sha256").hex()
    credential = f"AWS4-HMAC-SHA256 Credential={bucket.access_key}/{scope}, SignedHeaders={names}, Signature={signature}"
    headers = {"Authorization": credential, "x-amz-date": stamp, "x-amz-content-sha256": empty}
    request = urllib.request.Request(f"{bucket.endpoint}/{bucket.name}", method="PUT", headers=headers)
    with urllib.request.urlopen(request, timeout=30):
        pass


# --- back ends of the platform ----------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Backend:
    """A database and an object store, both empty: what the contract tests of the platform run on."""

    name: str
    database_url: str
    blobs_url: str
    access_key: str = ""
    secret_key: str = ""
    region: str = ""

    @property
    def blobs(self) -> dict[str, str]:
        """The table ``[blobs]`` of the settings."""
        return {"url": self.blobs_url, "access_key": self.access_key, "secret_key": self.secret_key, "region": self.region}

    @property
    def environment(self) -> dict[str, str]:
        """The same as environment variables, for a platform in its own process."""
        options = {"DATABASE__URL": self.database_url} | {f"BLOBS__{key.upper()}": value for key, value in self.blobs.items() if value}
        return {f"ARCHIPEL_{key}": value for key, value in options.items()}


# --- processes --------------------------------------------------------------------------------------------------------------------


@dataclass
class Process:
    """A server of one test or module, in a process group of its own, with its output in a file."""

    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    popen: subprocess.Popen[bytes] | None = None

    def start(self, port: int, seconds: float = 60) -> None:
        """Start it and return once it listens on the port; the test fails with its log when it does not."""
        with self.log.open("ab") as output:
            argv = dies_with_parent(list(self.argv))
            environment = os.environ | self.environment
            self.popen = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True, env=environment
            )
        try:
            wait_for_port(self.popen, port, seconds)
        except RuntimeError as error:
            self.stop(signal.SIGKILL)
            pytest.fail(f"{error}\n{self.text()[-4000:]}", pytrace=False)

    def stop(self, by: signal.Signals = signal.SIGTERM, seconds: float = 20) -> int:
        """End the process group and return the exit status (negative: the signal)."""
        assert self.popen is not None
        if self.popen.poll() is None:
            os.killpg(self.popen.pid, by)
        try:
            return self.popen.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(self.popen.pid, signal.SIGKILL)
            return self.popen.wait(10)

    def text(self) -> str:
        """What it has written so far."""
        return self.log.read_text(errors="replace") if self.log.exists() else ""


def fetch(url: str, *, data: Any = None, method: str | None = None, headers: Mapping[str, str] | None = None, seconds: float = 30) -> Any:
    """One HTTP request with JSON both ways; an error status raises ``urllib.error.HTTPError``."""
    body = None if data is None else data if isinstance(data, bytes) else json.dumps(data).encode()
    request = urllib.request.Request(url, data=body, method=method, headers=dict(headers or {}))
    with urllib.request.urlopen(request, timeout=seconds) as answer:
        content = answer.read()
    return json.loads(content) if content else None


def wait_until(condition: Any, seconds: float = 30, every_s: float = 0.05) -> Any:
    """The first true value of ``condition()``; the test fails when none came in time."""
    until = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > until:
            pytest.fail(f"not within {seconds} s: {getattr(condition, '__doc__', None) or condition}")
        time.sleep(every_s)
    return value


# --- peers ------------------------------------------------------------------------------------------------------------------------


class Dcmtk:
    """DCMTK's command-line tools."""

    def command(self, tool: str, *arguments: str | Path | int) -> list[str]:
        """The command line of a tool that is there."""
        return [program(tool, peer="dcmtk"), *map(str, arguments)]

    def run(self, tool: str, *arguments: str | Path | int, seconds: float = 60, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run a tool to its end; its output is in ``stdout``, its log in ``stderr``."""
        done = subprocess.run(
            self.command(tool, *arguments), stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace",
            timeout=seconds, env=os.environ | DCMTK_ENVIRONMENT,
        )  # fmt: skip
        if check and done.returncode:
            pytest.fail(f"{tool} ended with {done.returncode}\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}", pytrace=False)
        return done


class Orthanc:
    """Debian's Orthanc with its DICOMweb plugin and storage commitment. Other devices and web servers are made known while it runs."""

    aet = "ORTHANC"

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.http_port, self.dicom_port = free_port(), free_port()
        self.url = f"http://127.0.0.1:{self.http_port}"
        self._process = Process(
            [program("Orthanc", peer="orthanc"), str(folder / "orthanc.json")], folder / "orthanc.log", DCMTK_ENVIRONMENT
        )

    def start(self) -> None:
        """Start it with an empty store; returns when it answers."""
        plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
        if not plugin.exists():
            missing("orthanc-dicomweb")
        options = {
            "Name": "peer", "StorageDirectory": str(self.folder / "store"), "IndexDirectory": str(self.folder / "index"),
            "HttpPort": self.http_port, "RemoteAccessAllowed": False, "AuthenticationEnabled": False,
            "DicomAet": self.aet, "DicomPort": self.dicom_port, "DicomCheckCalledAet": False, "DicomCheckModalityHost": False,
            "DicomAlwaysAllowEcho": True, "DicomAlwaysAllowStore": True, "DicomAlwaysAllowFind": True, "DicomAlwaysAllowGet": True,
            "DicomScuTimeout": 20, "DicomScpTimeout": 30, "SynchronousCMove": True, "StableAge": 1,
            "DicomModalitiesInDatabase": False, "Plugins": [str(plugin)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        }  # fmt: skip
        (self.folder / "orthanc.json").write_text(json.dumps(options))
        self._process.start(self.http_port)
        wait_until(lambda: self.get("/system"), seconds=30)

    def stop(self) -> None:
        """Stop it."""
        self._process.stop()

    def get(self, path: str) -> Any:
        """GET of its REST interface."""
        return fetch(self.url + path)

    def post(self, path: str, data: Any) -> Any:
        """POST of its REST interface; bytes go as they are, anything else as JSON."""
        return fetch(self.url + path, data=data, method="POST")

    def know_device(self, name: str, aet: str, port: int, host: str = "127.0.0.1") -> None:
        """Add a DICOM peer, all services allowed."""
        options = {"AET": aet, "Host": host, "Port": port, "AllowStorageCommitment": True, "AllowMove": True, "AllowGet": True}
        fetch(f"{self.url}/modalities/{name}", data=options, method="PUT")

    def know_web(self, name: str, url: str, headers: Mapping[str, str] | None = None) -> None:
        """Add a DICOMweb server, with the headers to send it (a bearer token)."""
        options: dict[str, Any] = {"Url": url, "HttpHeaders": dict(headers or {}), "HasDelete": False, "ChunkedTransfers": True}
        fetch(f"{self.url}/dicom-web/servers/{name}", data=options, method="PUT")

    def instances(self) -> set[str]:
        """The SOP Instance UIDs that it holds."""
        return {item["MainDicomTags"]["SOPInstanceUID"] for item in self.get("/instances?expand")}


__all__ = [
    "Backend", "Bucket", "Dcmtk", "Orthanc", "Process", "fetch", "free_port", "join", "leave", "make_bucket", "missing", "need_postgres",
    "need_s3", "program", "wait_until",
]  # fmt: skip
