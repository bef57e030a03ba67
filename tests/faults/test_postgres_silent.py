"""The machine of the database goes silent, without a word to anybody: connections are given up in time, not when TCP is tired of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator

import pytest
from sqlalchemy import text
from sqlalchemy.engine import make_url

from archipel.kit.database import SILENT_S, Database
from archipel.kit.errors import Unavailable
from tests.servers import free_port, program, wait_until

pytestmark = [pytest.mark.faults_long, pytest.mark.timeout(300)]
ADDRESSES = ("10.213.77.1", "10.213.77.2")
# Carries bytes from the other machine's address to this machine's PostgreSQL; sockets of a file system are seen in both.
FORWARDER = """
import socket, sys, threading
listener = socket.create_server((sys.argv[1], int(sys.argv[2])))
def carry(a, b):
    while data := a.recv(65536):
        b.sendall(data)
while True:
    one, _ = listener.accept()
    other = socket.socket(socket.AF_UNIX)
    other.connect(sys.argv[3])
    for pair in ((one, other), (other, one)):
        threading.Thread(target=carry, args=pair, daemon=True).start()
"""


class Machine:
    """Another machine, as far as the network goes: a network of its own behind a cable."""

    def __init__(self, url: str) -> None:
        self.name, self.port = f"ar{uuid.uuid4().hex[:8]}", free_port()
        here, there = f"{self.name}h", f"{self.name}t"
        for words in (
            f"netns add {self.name}", f"link add {here} type veth peer name {there}", f"link set {there} netns {self.name}",
            f"addr add {ADDRESSES[0]}/30 dev {here}", f"link set {here} up", f"-n {self.name} addr add {ADDRESSES[1]}/30 dev {there}",
            f"-n {self.name} link set {there} up",
        ):  # fmt: skip
            self.ip(words)
        self._there = there
        database = Database(url)
        with database.read() as tx:
            folder = tx.execute(text("SHOW unix_socket_directories")).scalar_one()
        database.close()
        at = make_url(url)
        argv = [
            "ip",
            "netns",
            "exec",
            self.name,
            sys.executable,
            "-c",
            FORWARDER,
            ADDRESSES[1],
            str(self.port),
            f"{folder}/.s.PGSQL.{at.port}",
        ]
        self._forwarder = subprocess.Popen(argv, stdin=subprocess.DEVNULL)
        self.url = at.set(host=ADDRESSES[1], port=self.port).render_as_string(hide_password=False)

    def ip(self, words: str) -> None:
        if subprocess.run([program("ip", peer="iproute2"), *words.split()], capture_output=True).returncode:
            pytest.skip("networks of their own are not permitted here")

    def cable(self, state: str) -> None:
        """Pull it out (down), put it in again (up)."""
        self.ip(f"-n {self.name} link set {self._there} {state}")

    def close(self) -> None:
        self._forwarder.kill()
        self._forwarder.wait()
        subprocess.run(["ip", "netns", "delete", self.name], check=False)


@pytest.fixture
def machine(postgres_url: str) -> Iterator[Machine]:
    if os.geteuid():
        pytest.skip("a network of its own needs root")
    made = Machine(postgres_url)
    yield made
    made.close()


def test_a_database_machine_that_goes_silent_is_given_up(machine: Machine) -> None:
    database = Database(machine.url)

    def answers() -> bool:
        """the database answers"""
        try:
            with database.read() as tx:
                return bool(tx.execute(text("SELECT 1")).scalar_one())
        except Unavailable:
            return False

    wait_until(answers, seconds=20)
    begun = time.monotonic()
    with pytest.raises(Unavailable), database.write() as tx:
        tx.execute(text("CREATE TABLE t (n integer)"))
        machine.cable("down")
        tx.execute(text("SELECT 1"))
    assert SILENT_S / 2 < time.monotonic() - begun < 2 * SILENT_S
    machine.cable("up")
    wait_until(answers, seconds=30)
    begun = time.monotonic()
    with pytest.raises(Unavailable), database.write() as tx:  # waiting for an answer that will not come
        tx.execute(text("SELECT set_config('archipel.cut', 'now', true)"))
        machine.cable("down")
        tx.execute(text("SELECT pg_sleep(120)"))
    assert time.monotonic() - begun < 2 * SILENT_S
    machine.cable("up")
    wait_until(answers, seconds=30)
    database.close()
