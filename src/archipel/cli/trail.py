"""Commands about the audit trail: verify it, print the key that vouches for it."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

from archipel import audit
from archipel.cli.options import Config, Data, opened
from archipel.kit.errors import NotFound


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    trail = typer.Typer(no_args_is_help=True)
    app.add_typer(trail, name="audit", help="The audit trail.")
    trail.command("verify")(verify)
    trail.command("key")(key)


def verify(
    data: Data = Path("var"),
    public_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--public-key", help="PEM file of a key that may have signed, kept elsewhere; may be repeated. None: the folder's own."
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="The result as one JSON object.")] = False,
    config: Config = None,
) -> None:
    """Compare every audit record with the signed chain; names what was altered, removed, inserted or moved, and then exits 1."""
    with opened(data, config) as (settings, database):
        keys = [audit.read_public_key(path) for path in public_key or ()]
        if not keys:
            own = audit.read_key(audit.key_file(settings.audit, settings.data))
            keys = [audit.read_public_key(Path(path)) for path in settings.audit.former_keys] + ([own.public] if own else [])
        columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.completed}/{task.total}"), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            task = progress.add_task("audit")
            found = audit.verify_chain(database, keys, lambda done, total: progress.update(task, completed=done, total=total))
        database.transact(lambda tx: audit.note_verified(tx, found))
    if as_json:
        print(json.dumps({"whole": found.is_whole, **asdict(found)}, indent=2))
    else:
        for one in found.findings:
            print(one.kind, one.record_id or "-", one.seq or "-", one.text, sep="\t", file=sys.stderr)
        print(
            f"{found.record_count} records, {found.removed_count} removed after their time, {found.waiting_count} waiting for their place; "
            f"chained until {found.at or 'nothing'}, signed until {found.signed_day or 'nothing'}: "
            + ("whole" if found.is_whole else f"{found.finding_count} findings")
        )
    if not found.is_whole:
        raise typer.Exit(1)


def key(data: Data = Path("var"), config: Config = None) -> None:
    """Print the public key of the folder's signatures; keep it elsewhere, to verify with it."""
    with opened(data, config) as (settings, database):
        found = audit.signing_key(database, audit.key_file(settings.audit, settings.data))
    if found is None:
        raise NotFound("The key that signs the audit trail is not on this machine.", code="no-audit-key")
    print(found.public.pem, end="")
