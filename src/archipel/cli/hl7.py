"""Commands about HL7 v2: the peers that we know, and the messages that came from them."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from archipel import app as composition
from archipel import directory, mllp
from archipel.cli.options import OPERATOR, Config, Data, Site, opened
from archipel.directory import DEFAULT_SITE, Hl7Peer


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    hl7, peer, queue = (typer.Typer(no_args_is_help=True) for _ in range(3))
    app.add_typer(hl7, name="hl7", help="HL7 v2 peers and their messages.")
    hl7.add_typer(peer, name="peer", help="Applications that send HL7 v2 messages, and where ours to them go.")
    peer.command("add")(peer_add)
    peer.command("list")(peer_list)
    peer.command("remove")(peer_remove)
    hl7.add_typer(queue, name="queue", help="The messages that came, as they are kept.")
    queue.command("list")(queue_list)
    queue.command("show")(queue_show)
    queue.command("replay")(queue_replay)


def peer_add(
    name: Annotated[str, typer.Argument(help="What it calls itself in MSH-3 or MSH-4.")],
    host: Annotated[str, typer.Argument(help="The host or address that it sends from, and is called at.")],
    port: Annotated[int, typer.Argument(help="The port at which it is called.")],
    data: Data = Path("var"),
    site: Site = DEFAULT_SITE,
    tls: Annotated[bool, typer.Option("--tls", help="It is called, and heard, over TLS alone.")] = False,
    certificate: Annotated[
        str, typer.Option("--certificate", help="Subject of its certificate, or the common name alone; it is known by it then.")
    ] = "",
    config: Config = None,
) -> None:
    """Make an HL7 peer known; again, to change it."""
    with opened(data, config) as (_, database):
        peer = Hl7Peer(name, host, port, site, tls=tls or bool(certificate), certificate=certificate)
        database.transact(lambda tx: directory.add_hl7_peer(tx, OPERATOR, peer))


def peer_list(data: Data = Path("var"), config: Config = None) -> None:
    """List HL7 peers: name, host, port, site, state, mllp or mllps."""
    with opened(data, config) as (_, database), database.read() as tx:
        for p in directory.hl7_peers(tx):
            print(p.name, p.host, p.port, p.site_id, "active" if p.active else "disabled", "mllps" if p.tls else "mllp", sep="\t")


def peer_remove(name: str, data: Data = Path("var"), config: Config = None) -> None:
    """Forget an HL7 peer; what it sent stays."""
    with opened(data, config) as (_, database):
        database.transact(lambda tx: directory.remove_hl7_peer(tx, OPERATOR, name))


def queue_list(
    data: Data = Path("var"),
    state: Annotated[
        list[str] | None, typer.Option("--state", help="Only these: taken, applied, failed, refused, duplicate; may be repeated.")
    ] = None,
    peer: Annotated[list[str] | None, typer.Option("--peer", help="Only of these peers; may be repeated.")] = None,
    limit: Annotated[int, typer.Option("--limit", min=1, max=100_000, help="The newest so many.")] = 100,
    config: Config = None,
) -> None:
    """List messages, newest first: id, instant, peer, site, event, control id, state, code, reason. No patient is named."""
    with opened(data, config) as (_, database), database.read() as tx:
        for m in mllp.messages(tx, states=state or (), peers=peer or (), limit=limit):
            print(m.id, m.received_at, m.peer, m.site_id, m.event or "-", m.control_id or "-", m.state, m.code or "-", m.text, sep="\t")


def queue_show(message_id: str, data: Data = Path("var"), config: Config = None) -> None:
    """Write a message as it came to standard output; it names a person, so that this is in the audit trail."""
    with opened(data, config) as (settings, database):
        contents = mllp.contents(composition.hl7_queue(settings, database), OPERATOR, message_id)
    sys.stdout.buffer.write(contents.replace(b"\r\n", b"\n").replace(b"\r", b"\n") if sys.stdout.isatty() else contents)
    sys.stdout.buffer.flush()


def queue_replay(message_id: str, data: Data = Path("var"), config: Config = None) -> None:
    """Apply a message again that failed or was refused; prints its state and code, and exits 1 when it fails again."""
    with opened(data, config) as (settings, database):
        outcome = mllp.replay(composition.hl7_queue(settings, database), OPERATOR, message_id)
        with database.read() as tx:
            kept = mllp.message_of(tx, message_id)
    print(outcome.state.value, outcome.code, kept.text, sep="\t")
    if outcome.state is not mllp.State.APPLIED:
        raise typer.Exit(1)
