"""The command line: ``archipel serve | import | account | token | device | site | demo | verify | replay | backup | restore``.

Every command works on a folder that has never been used and while the server runs, exits 0 on success, and writes errors to
standard error.
"""

from __future__ import annotations

import sys

import typer

from archipel.cli import backup, care, hl7, people, people_sheets, serve, trail
from archipel.kit.errors import ArchipelError
from archipel.kit.logs import configure_logs

app = typer.Typer(
    name="archipel", no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False, help="The imaging platform of a region."
)
serve.register(app)
people.register(app)
people_sheets.register(app)
hl7.register(app)
care.register(app)
backup.register(app)
trail.register(app)


def main() -> None:
    """The installed command."""
    configure_logs(level="WARNING")
    try:
        app()
    except ArchipelError as error:
        print(f"archipel: {error}", file=sys.stderr)
        sys.exit(1)
