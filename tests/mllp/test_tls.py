"""HL7 over TLS: certificates on both ends, and senders that are known by theirs."""

from __future__ import annotations

import ssl
from collections.abc import Callable
from pathlib import Path

import pytest

from archipel import mllp
from archipel.hl7.mllp_client import Connection, Limits, Peer
from archipel.kit.errors import Invalid, Unavailable
from archipel.kit.settings import MllpSettings
from tests.authority import Authority
from tests.mllp.listening import Listening, Wire, adt_message
from tests.mllp.test_door import database

__all__ = ["database"]


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path, "region")


@pytest.fixture
def secured(make_listening: Callable[..., Listening], authority: Authority) -> Listening:
    """A door with TLS alone."""
    return make_listening(tls=contexts(authority, "archipel").server)


def contexts(authority: Authority, common: str) -> mllp.TlsContexts:
    certificate, key = authority.sign(common)
    return mllp.tls_contexts(MllpSettings(tls_port=0, tls_certificate=certificate, tls_key=key, tls_client_ca=str(authority.path)))


def client(authority: Authority, common: str) -> ssl.SSLContext:
    context = contexts(authority, common).client
    assert context is not None
    return context


def test_senders_are_known_by_their_certificates(secured: Listening, authority: Authority) -> None:
    secured.site("b", issuer="HOP-B")
    secured.peer("GAM", host="192.0.2.7", tls=True, certificate="gam.hop-a")
    secured.peer("RIS", site="b", host="192.0.2.8", tls=True, certificate="CN=ris.hop-b")
    with secured.wire(client(authority, "gam.hop-a")) as gam, secured.wire(client(authority, "ris.hop-b")) as ris:
        assert [gam.send(adt_message(str(n), sender="WHATEVER")).code for n in range(3)] == ["AA"] * 3
        assert ris.send(adt_message("1", authority="HOP-B")).code == "AA"
        assert ris.send(adt_message("2")).code == "AE", "HOP-A is not its site's authority"
    with secured.wire(client(authority, "nobody")) as nobody:
        assert nobody.send(adt_message("9")).code == "AR", "signed by the authority, and yet no peer"
    assert [kept.peer for kept in secured.kept()] == ["GAM", "GAM", "GAM", "RIS", "RIS"]


def test_without_a_certificate_of_the_authority_nobody_is_heard(secured: Listening, authority: Authority, tmp_path: Path) -> None:
    secured.peer("GAM")
    bare = ssl.create_default_context(cafile=str(authority.path))
    bare.check_hostname = False
    (tmp_path / "foreign").mkdir()
    foreign = client(Authority(tmp_path / "foreign", "foreign"), "gam")
    foreign.load_verify_locations(str(authority.path))
    for context in (bare, foreign):
        with pytest.raises((ssl.SSLError, OSError, EOFError)), Wire(secured.port, context) as wire:
            wire.send(adt_message("1"))
    with pytest.raises((OSError, EOFError)), Wire(secured.port) as plain:
        plain.send(adt_message("1"))
    assert secured.kept() == []
    link = Connection(Peer("127.0.0.1", secured.port, "us", client(authority, "gam"), "archipel"), Limits(connect_s=5, response_s=5))
    with pytest.raises(Unavailable):
        Connection(Peer("127.0.0.1", secured.port, "us", bare, ""), Limits(connect_s=5, response_s=5)).send(adt_message("1"))
    with link:
        assert link.send(adt_message("2")).code == "AA", "our own client; known by its address"


def test_a_peer_of_tls_is_not_heard_in_clear(make_listening: Callable[..., Listening]) -> None:
    listening = make_listening()
    listening.peer("GAM", tls=True)
    assert listening.send(adt_message("1")).code == "AR"


def test_a_listener_without_its_certificates_does_not_start(authority: Authority) -> None:
    with pytest.raises(Invalid):
        mllp.tls_contexts(MllpSettings(tls_port=0))
    with pytest.raises(Invalid):
        mllp.tls_contexts(MllpSettings(tls_certificate="x", tls_key="y", tls_client_ca=str(authority.path)))
    assert mllp.tls_contexts(MllpSettings()) == mllp.TlsContexts()
