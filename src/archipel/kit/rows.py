"""The kit's own tables, and the metadata on which every room defines its tables."""

from __future__ import annotations

from typing import Any, Protocol

from sqlalchemy import BigInteger, Column, Index, Integer, MetaData, String, Table, Text
from sqlalchemy.dialects import postgresql, sqlite

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# SQLite gives a growing rowid only to INTEGER keys; PostgreSQL gets a 64-bit sequence.
Sequence64 = BigInteger().with_variant(Integer, "sqlite")

change = Table(
    "kit_change",
    metadata,
    Column("position", Sequence64, primary_key=True, autoincrement=True),
    Column("name", String(80), nullable=False),
    Column("payload", Text, nullable=False),
    Column("at", String(27), nullable=False),
    sqlite_autoincrement=True,
)

follower = Table(
    "kit_follower",
    metadata,
    Column("name", String(80), primary_key=True),
    Column("position", BigInteger, nullable=False),
    Column("updated_at", String(27), nullable=False),
)

parked = Table(
    "kit_parked",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("follower", String(80), nullable=False),
    Column("position", BigInteger, nullable=False),
    Column("name", String(80), nullable=False),
    Column("payload", Text, nullable=False),
    Column("error", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("parked_at", String(27), nullable=False),
    Column("retry_at", String(27), nullable=False),
    Index(None, "follower", "retry_at"),
)

job = Table(
    "kit_job",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String(80), nullable=False),
    Column("arguments", Text, nullable=False),
    Column("dedup_key", String(200), nullable=True, unique=True),
    Column("state", String(10), nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("attempts_max", Integer, nullable=False),
    Column("run_at", String(27), nullable=False),
    Column("deadline_at", String(27), nullable=False),
    Column("leased_until", String(27), nullable=True),
    Column("lease", String(32), nullable=True),
    Column("error", Text, nullable=False, default=""),
    Column("created_at", String(27), nullable=False),
    Column("ended_at", String(27), nullable=True),
    Index(None, "state", "run_at"),
)


process = Table(
    "kit_process",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("machine", String(64), nullable=False),
    Column("host", String(255), nullable=False),
    Column("pid", Integer, nullable=False),
    Column("doors", String(80), nullable=False),
    Column("objects", String(300), nullable=False),
    Column("draining", Integer, nullable=False),
    Column("figures", Text, nullable=False),
    Column("started_at", String(27), nullable=False),
    Column("seen_at", String(27), nullable=False),
)

minute = Table(
    "kit_minute",
    metadata,
    Column("process_id", String(32), primary_key=True),
    Column("at", String(27), primary_key=True),
    Column("figures", Text, nullable=False),
    Index(None, "at"),
)


class Executes(Protocol):
    """What a transaction is to this module, which stands below it."""

    dialect: str

    def execute(self, statement: Any, parameters: Any = None) -> Any: ...


def insert_new(tx: Executes, table: Table, values: list[dict[str, Any]]) -> None:
    """Insert rows; those whose key is taken, by another transaction perhaps, are left out without an error."""
    if not values:
        return
    kind = postgresql.insert(table) if tx.dialect == "postgresql" else sqlite.insert(table)
    tx.execute(kind.on_conflict_do_nothing(), values)
