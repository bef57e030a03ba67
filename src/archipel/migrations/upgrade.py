"""Bring a database to the tables that this version needs."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import text

from archipel.kit.database import Database
from archipel.kit.errors import Invalid

# Several processes may start at once; one migrates, the others wait.
MIGRATION_LOCK = 0x4152434D


def _config() -> Config:
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    return config


def head_revision() -> str:
    """The revision that this version of the platform needs."""
    return str(ScriptDirectory.from_config(_config()).get_current_head())


def current_revision(database: Database) -> str | None:
    """The revision that the database is at; None for an empty one."""
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision()


def upgrade(database: Database) -> None:
    """Run what is missing, in one transaction; does nothing when the database is up to date. Invalid when it is of a newer version."""
    current = current_revision(database)
    if current == head_revision():
        return
    config = _config()
    if current not in (None, *(script.revision for script in ScriptDirectory.from_config(config).walk_revisions())):
        raise Invalid(
            f"The database is at revision {current}, which a newer version has made; this one knows up to {head_revision()}. "
            "Start the newer version.", code="newer-database",
        )  # fmt: skip
    with database.engine.connect() as connection:
        connection = connection.execution_options(archipel_write=True)
        with connection.begin():
            if database.dialect == "postgresql":
                connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": MIGRATION_LOCK})
            config.attributes["connection"] = connection
            command.upgrade(config, "head")
