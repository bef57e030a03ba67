"""The listener as it is run: the installed command, its peers, its queue, the API, an orderly end and a sudden one."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from archipel import directory, mllp, signin
from archipel.directory import Hl7Peer, Site
from archipel.hl7.mllp import frame
from archipel.kit.database import Database
from tests.mllp.listening import TEST, Wire, adt_message
from tests.platform import Platform
from tests.servers import free_port


@contextmanager
def opened(platform: Platform) -> Iterator[Database]:
    """The database of a platform that has run once."""
    database = Database(f"sqlite:///{platform.data / 'archipel.db'}")
    yield database
    database.close()


def ask(platform: Platform, token: str, path: str, body: Any = None, method: str = "GET") -> Any:
    """The answer of the API; its status when it is an error or empty."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    request = urllib.request.Request(f"{platform.url}/api/v1/hl7{path}", data, headers, method=method)
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            content = answer.read()
            return json.loads(content) if content else answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_the_commands(platform: Platform) -> None:
    port = free_port()
    platform.command("hl7", "peer", "add", "GAM", "127.0.0.1", "2575", "--site", "default")
    platform.start("--mllp-port", str(port))
    assert f"HL7: 127.0.0.1:{port}" in platform.log
    with Wire(port) as wire:
        assert wire.send(adt_message("1", family="SECRETNAME")).code == "AA"
        assert wire.send(adt_message("2", "A99")).code == "AR"
    listed = [line.split("\t") for line in platform.command("hl7", "queue", "list").stdout.splitlines()]
    assert [(line[2], line[4], line[5], line[6], line[7]) for line in listed] == [
        ("GAM", "ADT^A99", "2", "refused", "AR"), ("GAM", "ADT^A28", "1", "applied", "AA"),
    ]  # fmt: skip
    shown = platform.command("hl7", "queue", "show", listed[1][0]).stdout
    assert shown.encode().replace(b"\n", b"\r") == adt_message("1", family="SECRETNAME")
    assert "SECRETNAME" not in platform.log


def test_the_api(platform: Platform) -> None:
    port = free_port()
    platform.start("--mllp-port", str(port))
    with opened(platform) as database, database.write() as tx:
        directory.add_site(tx, TEST, Site("hop-a", "Hospital A", issuer="HOP-A"))
        directory.add_hl7_peer(tx, TEST, Hl7Peer("GAM", "127.0.0.1", 2575, "hop-a"))
        for login, role in (("boss", "administrator"), ("local", "site_administrator")):
            directory.add_account(tx, TEST, login=login, role=role)
        token, local = (signin.issue_token(tx, TEST, login) for login in ("boss", "local"))
    with Wire(port) as wire:
        assert wire.send(adt_message("1", family="SECRETNAME")).code == "AA"
        assert wire.send(adt_message("2", "A99")).code == "AR"
        messages = ask(platform, token, "/messages?state=refused&limit=1")
        assert [(one["control_id"], one["state"], one["site_id"]) for one in messages["items"]] == [("2", "refused", "hop-a")]
        assert (messages["counts"]["applied"], messages["counts"]["refused"], messages["total"]) == (1, 1, 1)
        everything = ask(platform, token, "/messages")
        assert "SECRETNAME" not in json.dumps(everything)
        refused, applied = (one["id"] for one in everything["items"])
        assert ask(platform, token, f"/messages/{refused}/replay", {}, "POST")["attempts"] == 2
        assert ask(platform, token, f"/messages/{applied}/replay", {}, "POST") == 409

        made = ask(platform, token, "/peers", {"name": "RIS", "host": "192.0.2.1", "port": 2575, "site_id": "hop-a"}, "POST")
        assert (made["name"], made["tls"], made["certificate"]) == ("RIS", False, None)
        assert ask(platform, token, "/peers", {"name": "RIS", "host": "h", "port": 1}, "POST") == 409
        assert ask(platform, token, "/peers/RIS", {"active": False}, "PATCH")["active"] is False
        assert ask(platform, token, "/peers/RIS", method="DELETE") == 204
        assert [one["name"] for one in ask(platform, token, "/peers")["items"]] == ["GAM"]
        assert (ask(platform, local, "/peers")["items"], ask(platform, local, "/messages")) == ([], 403)
        assert ask(platform, local, "/peers/GAM", {"active": False}, "PATCH") == 404, "of another site"

        metrics = urllib.request.urlopen(platform.url + "/metrics", timeout=10).read().decode()
        assert 'archipel_hl7_messages_total{code="AA",event="ADT^A28"} 1.0' in metrics
        assert "archipel_hl7_connections_open 1.0" in metrics
    assert "SECRETNAME" not in platform.log


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_answered_is_there_whatever_ends_it(platform: Platform, by: signal.Signals) -> None:
    port = free_port()
    platform.start("--mllp-port", str(port))
    with opened(platform) as database:
        database.transact(lambda tx: directory.add_hl7_peer(tx, TEST, Hl7Peer("GAM", "127.0.0.1", 2575, "default")))
    with Wire(port) as wire:
        wire.put(b"".join(frame(adt_message(str(n), number=str(n))) for n in range(200)))
        answered = [wire.told().control_id for _ in range(20)]
        status = platform.stop(by)
        try:
            while True:
                answered.append(wire.told().control_id)
        except (EOFError, ConnectionResetError):
            pass
    assert status == (0 if by is signal.SIGTERM else -9)
    with opened(platform) as database, database.read() as tx:
        states = {one.control_id: one.state for one in mllp.messages(tx, limit=1000)}
    assert all(states[control_id] == "applied" for control_id in answered)
    kept_only = len(states) - len(answered)
    assert kept_only == 0 if by is signal.SIGTERM else kept_only <= 1, "one may have been kept, and its answer lost"


def test_it_is_off_when_no_port_is_given(platform: Platform) -> None:
    platform.start()
    assert "HL7" not in platform.log and "mllp.listening" not in platform.log
