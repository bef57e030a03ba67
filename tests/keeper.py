"""Keeps one server alive for as long as a process uses it: ``python tests/keeper.py postgres|s3 FOLDER``.

Test workers share a server through its folder. A user registers its process id as a file in ``users``; the keeper starts the server, writes
``ready.json`` and stops it once every user has gone, killed ones included. If the keeper itself is killed the kernel stops the server.
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

REPOSITORY = Path(__file__).resolve().parents[1]
START_S = 90
KEEP_S_MAX = 4 * 3600


def free_port() -> int:
    """A TCP port of loopback that nothing listens on at this moment."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def postgres_bin() -> Path | None:
    """The folder of the newest PostgreSQL server programs (Debian keeps them out of PATH)."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda p: float(p.parts[-3]))
    if found:
        return found[-1].parent
    anywhere = shutil.which("initdb")
    return Path(anywhere).resolve().parent if anywhere else None


@contextmanager
def locked(folder: Path) -> Iterator[None]:
    """Hold the folder's lock, which lies beside it: one process at a time starts the server, joins it or stops it."""
    path = folder.with_name(folder.name + ".lock")
    while True:
        with path.open("w") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            if not path.exists() or path.stat().st_ino != os.fstat(file.fileno()).st_ino:
                continue  # the keeper that had it removed it
            yield
            return


def dies_with_parent(argv: list[str], *, by: str = "KILL", user: str | None = None) -> list[str]:
    """The command line, under a death signal and another user where one is named (PostgreSQL refuses to run as root)."""
    identity = [f"--reuid={user}", f"--regid={user}", "--init-groups"] if user else []
    return ["setpriv", *identity, "--pdeathsig", by, "--", *argv]


def start_postgres(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """A private cluster with its own port and socket, synced as in production."""
    programs = postgres_bin()
    if programs is None:
        raise RuntimeError("PostgreSQL's server programs are not installed")
    user = "postgres" if os.geteuid() == 0 else None
    data = folder / "data"
    data.mkdir(mode=0o700)
    if user:
        shutil.chown(data, user, user)
    log = (folder / "server.log").open("wb")
    initdb = [str(programs / "initdb"), "-D", str(data), "-U", "archipel", "--auth=trust", "-E", "UTF8", "--locale=C.UTF-8"]
    subprocess.run(
        dies_with_parent(initdb, user=user), stdin=subprocess.DEVNULL, stdout=log, stderr=log, check=True, timeout=START_S, cwd="/"
    )
    port = free_port()
    options = {
        "listen_addresses": "127.0.0.1", "port": str(port), "unix_socket_directories": str(data), "fsync": "on", "synchronous_commit": "on",
        "max_connections": "200", "shared_buffers": "64MB",
    }  # fmt: skip
    argv = [str(programs / "postgres"), "-D", str(data), *(word for item in options.items() for word in ("-c", "=".join(item)))]
    server = subprocess.Popen(dies_with_parent(argv, by="INT", user=user), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")
    wait_for_port(server, port)
    while subprocess.run([programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)], timeout=10).returncode:
        time.sleep(0.1)
    return server, {"url": f"postgresql+psycopg://archipel@127.0.0.1:{port}"}


def start_s3(folder: Path) -> tuple[subprocess.Popen[bytes], dict[str, str]]:
    """Ceph's RADOS gateway, by the script that people use too."""
    port = free_port()
    log = (folder / "server.log").open("wb")
    argv = [str(REPOSITORY / "tools/s3_server.sh"), str(folder / "ceph"), str(port)]
    server = subprocess.Popen(dies_with_parent(argv, by="TERM"), stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    wait_for_port(server, port)
    return server, {"endpoint": f"http://127.0.0.1:{port}", "access_key": "archipel", "secret_key": "archipel-secret"}


STARTERS = {"postgres": (start_postgres, signal.SIGINT), "s3": (start_s3, signal.SIGTERM)}


def wait_for_port(server: subprocess.Popen[bytes], port: int, seconds: float = START_S) -> None:
    """Return once the server listens; RuntimeError when it ends or the time does."""
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        if server.poll() is not None:
            raise RuntimeError(f"{server.args!r} ended with {server.returncode}")
        with socket.socket() as probe:
            probe.settimeout(1)
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        time.sleep(0.1)
    raise RuntimeError(f"{server.args!r} does not listen on port {port} after {seconds:.0f} s")


def users_alive(folder: Path) -> bool:
    """Whether a registered process still exists; those that are gone are struck off."""
    for entry in list((folder / "users").iterdir()):
        if not Path("/proc", entry.name).exists():
            entry.unlink(missing_ok=True)
    return any((folder / "users").iterdir())


def stop(server: subprocess.Popen[bytes], by: signal.Signals) -> None:
    """End the server, by force after 20 s."""
    server.send_signal(by)
    try:
        server.wait(20)
    except subprocess.TimeoutExpired:
        server.kill()


def keep(kind: str, folder: Path) -> None:
    """Start the server, say so, and stop it when its last user has gone."""
    start, stop_signal = STARTERS[kind]
    try:
        server, facts = start(folder)
    except (RuntimeError, subprocess.SubprocessError, OSError) as error:
        (folder / "failed").write_text(f"{error}\n{(folder / 'server.log').read_text(errors='replace')[-4000:]}")
        return
    (folder / "ready.part").write_text(json.dumps(facts))
    (folder / "ready.part").rename(folder / "ready.json")
    until = time.monotonic() + KEEP_S_MAX
    while True:
        time.sleep(0.5)
        with locked(folder):
            if server.poll() is None and users_alive(folder) and time.monotonic() < until:
                continue
            stop(server, stop_signal)
            shutil.rmtree(folder, ignore_errors=True)
            folder.with_name(folder.name + ".lock").unlink()
            return


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    keep(sys.argv[1], Path(sys.argv[2]))
