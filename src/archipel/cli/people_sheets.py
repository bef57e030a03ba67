"""Commands about the directory's sheets, and the controls of devices."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from archipel import directory
from archipel.cli.options import OPERATOR, Config, Data, opened


class Kind(StrEnum):
    """What a sheet is of."""

    PROFESSIONALS = "professionals"
    STRUCTURES = "structures"


Of = Annotated[Kind, typer.Option("--kind", help="What the sheet is of.")]


def register(app: typer.Typer) -> None:
    """Add these commands to the command line."""
    room = typer.Typer(no_args_is_help=True)
    app.add_typer(room, name="directory", help="Professionals and structures, from and to CSV.")
    room.command("import")(sheet_import)
    room.command("export")(sheet_export)


def sheet_import(
    file: Annotated[Path, typer.Argument(help="A CSV file with a header; UTF-8 or Windows-1252; separated by ; , or |.", dir_okay=False)],
    kind: Of,
    data: Data = Path("var"),
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done, and write nothing.")] = False,
    partial: Annotated[bool, typer.Option("--partial", help="Take the good lines although others are refused.")] = False,
    config: Config = None,
) -> None:
    """Bring professionals or structures up to date; prints line, fate, number and reason. Exits 1 when a line is refused."""
    with opened(data, config) as (_, database):
        contents = file.read_bytes()
        report = database.transact(
            lambda tx: directory.sheets.take_sheet(tx, OPERATOR, kind.value, contents, dry_run=dry_run, partial=partial)
        )
    for line in report.lines:
        print(line.number, line.fate, line.key or "-", line.why, sep="\t")
    counts = report.counts
    what = "written" if report.written else "dry run: nothing was written" if dry_run else "nothing was written"
    print(", ".join(f"{count} {fate}" for fate, count in counts.items()) + f"; {what}", file=sys.stderr)
    if counts["refused"]:
        raise typer.Exit(1)


def sheet_export(
    file: Annotated[Path, typer.Argument(help="The CSV file to write.", dir_okay=False)],
    kind: Of,
    data: Data = Path("var"),
    config: Config = None,
) -> None:
    """Write all professionals or structures as CSV (UTF-8, semicolons), as the import takes it."""
    with opened(data, config) as (_, database), database.read() as tx:
        contents = directory.sheets.sheet(tx, kind.value)
    file.write_bytes(contents)
