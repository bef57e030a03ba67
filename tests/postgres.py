"""PostgreSQL clusters that a test owns: stopped in every way, followed by a synchronous standby, promoted."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from tests.keeper import dies_with_parent, free_port, postgres_bin, wait_for_port
from tests.servers import missing, wait_until

NAME = "archipel"
STANDBY = "standby"
# What each way of ending does: PostgreSQL waits for nobody, leaves everything to the next start, or is not asked at all.
ENDS = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT, "killed": signal.SIGKILL}


class Cluster:
    """One server and its data folder; ``start`` and ``stop`` as often as wanted, on the same port unless another is given."""

    def __init__(self, folder: Path) -> None:
        programs = postgres_bin()
        self._programs = programs if programs is not None else missing("postgresql")
        self._user = "postgres" if os.geteuid() == 0 else None
        self.folder, self.data, self.port = folder, folder / "data", free_port()
        self._log = folder / "server.log"
        self._server: subprocess.Popen[bytes] | None = None

    def create(self) -> Cluster:
        """An empty cluster, which others may follow."""
        self._own_folder()
        self.run("initdb", "-D", str(self.data), "-U", NAME, "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8")
        return self

    def start(self, **options: str) -> Cluster:
        """Start it and return once it answers."""
        said = {
            "listen_addresses": "127.0.0.1", "port": str(self.port), "unix_socket_directories": str(self.data), "max_connections": "100",
            "shared_buffers": "32MB", "wal_keep_size": "64MB", "log_error_verbosity": "terse",
        } | options  # fmt: skip
        argv = [str(self._programs / "postgres"), "-D", str(self.data), *(word for item in said.items() for word in ("-c", "=".join(item)))]
        with self._log.open("ab") as log:
            self._server = subprocess.Popen(
                dies_with_parent(argv, by="INT", user=self._user), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                start_new_session=True,
            )  # fmt: skip
        wait_for_port(self._server, self.port)
        wait_until(self.answers, seconds=60)
        return self

    def answers(self) -> bool:
        """the server takes connections"""
        argv = [self._programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(self.port)]
        return subprocess.run(argv, timeout=10).returncode == 0

    def stop(self, how: str = "fast") -> None:
        """End it; ``killed`` takes all its processes at once, as a machine that is switched off."""
        if self._server is None:
            return
        if how == "killed":
            for pid in self.processes():
                os.kill(pid, signal.SIGKILL)
        elif self._server.poll() is None:
            self._server.send_signal(ENDS[how])
        self._server.wait(60)
        self._server = None

    def processes(self) -> list[int]:
        """Process ids of the server and its children, the server first."""
        assert self._server is not None
        children = Path(f"/proc/{self._server.pid}/task/{self._server.pid}/children").read_text().split()
        return [self._server.pid, *map(int, children)]

    def standby(self, folder: Path) -> Cluster:
        """A copy of this one that follows it, not yet started."""
        other = Cluster(folder)
        other._own_folder()
        source = f"host=127.0.0.1 port={self.port} user={NAME} application_name={STANDBY}"
        other.run("pg_basebackup", "-d", source, "-D", str(other.data), "-R", "-X", "stream", "-c", "fast")
        return other

    def promote(self) -> None:
        """Make a standby the primary; returns once it takes writes."""
        self.run("pg_ctl", "promote", "-D", str(self.data))

    def wait_for_standby(self) -> None:
        """Return once a synchronous standby follows."""

        def follows() -> bool:
            """a synchronous standby follows"""
            with self.admin() as connection:
                found = connection.execute("SELECT sync_state FROM pg_stat_replication").fetchall()
            return ("sync",) in found

        wait_until(follows, seconds=30)

    @contextmanager
    def admin(self) -> Iterator[psycopg.Connection[tuple[object, ...]]]:
        """A connection outside any transaction."""
        with psycopg.connect(host="127.0.0.1", port=self.port, user=NAME, dbname="postgres", autocommit=True) as connection:
            yield connection

    def url(self, *others: Cluster) -> str:
        """The address of its database; with others, of whichever of them takes writes."""
        if not others:
            return f"postgresql+psycopg://{NAME}@127.0.0.1:{self.port}/{NAME}"
        hosts = "&".join(f"host=127.0.0.1:{one.port}" for one in (self, *others))
        return f"postgresql+psycopg://{NAME}@/{NAME}?{hosts}&target_session_attrs=read-write"

    def run(self, program: str, *arguments: str) -> None:
        """Run one of PostgreSQL's programs as its user."""
        argv = dies_with_parent([str(self._programs / program), *arguments], user=self._user)
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, cwd="/")
        assert done.returncode == 0, f"{program}: {done.stdout}{done.stderr}"

    @property
    def log(self) -> str:
        """What it has written."""
        return self._log.read_text(errors="replace")

    def _own_folder(self) -> None:
        self.data.mkdir(parents=True, mode=0o700)
        self.folder.chmod(0o755)
        if self._user:
            shutil.chown(self.data, self._user, self._user)


@contextmanager
def clusters() -> Iterator[Path]:
    """A folder for clusters that PostgreSQL's user can reach; removed at the end, when all of them have been stopped."""
    folder = Path(tempfile.mkdtemp(prefix="archipel-postgres-"))
    folder.chmod(0o755)
    try:
        yield folder
    finally:
        for _ in range(20):  # a server that was killed may still be letting go of a file
            shutil.rmtree(folder, ignore_errors=True)
            if not folder.exists():
                break
            time.sleep(0.1)
