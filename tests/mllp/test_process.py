"""The listener as it is run: the installed command, its peers, its queue, the API, an orderly end."""

from __future__ import annotations

import json
import signal
import urllib.error
import urllib.request
from typing import Any

import pytest

from archipel.hl7.mllp import frame
from tests.mllp.listening import Wire, adt_message
from tests.platform import Platform
from tests.servers import free_port


def ask(platform: Platform, token: str, path: str, body: Any = None, method: str = "GET") -> Any:
    """The answer of the API; its status when it is an error."""
    data = None if body is None else json.dumps(body).encode()
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    try:
        with urllib.request.urlopen(urllib.request.Request(platform.url + path, data, headers, method=method), timeout=20) as answer:
            content = answer.read()
            return json.loads(content) if content else answer.status
    except urllib.error.HTTPError as error:
        return error.code


def test_a_hospital_joins_sends_and_is_looked_after(platform_on: Platform) -> None:
    platform, port = platform_on, free_port()
    platform.command("site", "add", "hop-a", "Hospital A", "--issuer", "HOP-A")
    platform.command("hl7", "peer", "add", "GAM", "127.0.0.1", "2575", "--site", "hop-a")
    assert platform.command("hl7", "peer", "list").stdout == "GAM\t127.0.0.1\t2575\thop-a\tactive\tmllp\n"
    assert "no site" in platform.command("hl7", "peer", "add", "X", "127.0.0.1", "1", "--site", "nowhere", check=False).stderr
    platform.start("--mllp-port", str(port))
    assert f"HL7: 127.0.0.1:{port}" in platform.log
    with Wire(port) as wire:
        assert wire.send(adt_message("1", family="SECRETNAME")).code == "AA"
        assert wire.send(adt_message("2", "A99")).code == "AR"

        listed = [line.split("\t") for line in platform.command("hl7", "queue", "list").stdout.splitlines()]
        assert [(line[2], line[4], line[5], line[6], line[7]) for line in listed] == [
            ("GAM", "ADT^A99", "2", "refused", "AR"), ("GAM", "ADT^A28", "1", "applied", "AA"),
        ]  # fmt: skip
        assert platform.command("hl7", "queue", "show", listed[1][0]).stdout.encode().replace(b"\n", b"\r") == adt_message(
            "1", family="SECRETNAME"
        )
        again = platform.command("hl7", "queue", "replay", listed[0][0], check=False)
        assert (again.returncode, again.stdout.split("\t")[:2]) == (1, ["refused", "AR"])

        token = platform.token("admin2", "administrator")
        messages = ask(platform, token, "/api/v1/hl7/messages?state=refused&limit=1")
        assert [(one["control_id"], one["state"], one["site_id"]) for one in messages["items"]] == [("2", "refused", "hop-a")]
        assert (messages["counts"]["applied"], messages["counts"]["refused"], messages["total"]) == (1, 1, 1)
        everything = ask(platform, token, "/api/v1/hl7/messages")
        assert len(everything["items"]) == 2 and "SECRETNAME" not in json.dumps(everything)
        assert ask(platform, token, f"/api/v1/hl7/messages/{listed[0][0]}/replay", {}, "POST")["attempts"] == 3
        assert ask(platform, token, f"/api/v1/hl7/messages/{listed[1][0]}/replay", {}, "POST") == 409
        assert ask(platform, platform.token("tech", "technician"), "/api/v1/hl7/messages") == 403

        made = ask(platform, token, "/api/v1/hl7/peers", {"name": "RIS", "host": "192.0.2.1", "port": 2575, "site_id": "hop-a"}, "POST")
        assert (made["name"], made["tls"], made["certificate"]) == ("RIS", False, None)
        assert ask(platform, token, "/api/v1/hl7/peers", {"name": "RIS", "host": "h", "port": 1}, "POST") == 409
        assert ask(platform, token, "/api/v1/hl7/peers/RIS", {"active": False}, "PATCH")["active"] is False
        assert ask(platform, token, "/api/v1/hl7/peers/RIS", method="DELETE") == 204
        assert [one["name"] for one in ask(platform, token, "/api/v1/hl7/peers")["items"]] == ["GAM"]
        own = platform.token("local", "site_administrator")
        assert ask(platform, own, "/api/v1/hl7/peers")["items"] == []
        assert ask(platform, own, "/api/v1/hl7/peers/GAM", {"active": False}, "PATCH") == 404

        metrics = urllib.request.urlopen(platform.url + "/metrics", timeout=10).read().decode()
        assert 'archipel_hl7_messages_total{code="AA",event="ADT^A28"} 1.0' in metrics
        assert "archipel_hl7_connections_open 1.0" in metrics
    assert "SECRETNAME" not in platform.log


def test_it_is_off_when_no_port_is_given(platform: Platform) -> None:
    platform.start()
    assert "HL7" not in platform.log and "mllp.listening" not in platform.log


@pytest.mark.parametrize("by", [signal.SIGTERM, signal.SIGKILL])
def test_what_was_answered_is_there_whatever_ends_it(platform: Platform, by: signal.Signals) -> None:
    port = free_port()
    platform.command("hl7", "peer", "add", "GAM", "127.0.0.1", "2575")
    platform.start("--mllp-port", str(port))
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
    listed = [line.split("\t") for line in platform.command("hl7", "queue", "list", "--limit", "1000").stdout.splitlines()]
    states = {line[5]: line[6] for line in listed}
    assert all(states[control_id] == "applied" for control_id in answered)
    assert len(listed) <= len(answered) + 1, "one message may have been kept, and its answer lost"
    if by is signal.SIGTERM:
        assert len(listed) == len(answered)
    platform.start("--mllp-port", str(port))
    with Wire(port) as wire:
        assert [wire.send(adt_message(str(n), number=str(n))).code for n in range(30)] == ["AA"] * 30
