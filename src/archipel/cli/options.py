"""Options that several commands share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer

from archipel import app as composition
from archipel.kit.actor import Actor
from archipel.kit.database import Database
from archipel.kit.settings import Settings, load_settings

Data = Annotated[Path, typer.Option("--data", help="The data folder.", file_okay=False)]
Config = Annotated[Path | None, typer.Option("--config", help="The configuration file; archipel.toml in the data folder by default.")]
Site = Annotated[str, typer.Option("--site", help="The site's id.")]

# Who acts when a person works at the machine itself; the audit trail says so.
OPERATOR = Actor.system("command_line")


@contextmanager
def opened(data: Path, config: Path | None = None) -> Iterator[tuple[Settings, Database]]:
    """The settings and the database of a data folder."""
    settings = load_settings(data, config)
    database = composition.open_database(settings)
    try:
        yield settings, database
    finally:
        database.close()
