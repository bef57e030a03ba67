"""A table of our own for tests of transactions, and a change that nobody else follows."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Column, Integer, MetaData, Table, func, insert, select

from archipel.kit.database import Database, Tx
from archipel.kit.feed import Change

own = MetaData()
numbers = Table("test_number", own, Column("id", Integer, primary_key=True, autoincrement=False), Column("value", Integer, nullable=False))


@dataclass(frozen=True)
class Counted(Change):
    """Somebody counted."""

    writer: int
    number: int


def make(database: Database) -> None:
    """Create the table."""
    own.create_all(database.engine)


def add(tx: Tx, number: int, value: int = 0) -> None:
    """Insert a row."""
    tx.execute(insert(numbers).values(id=number, value=value))


def count(database: Database) -> int:
    """Number of rows."""
    with database.read() as tx:
        return int(tx.execute(select(func.count()).select_from(numbers)).scalar_one())
