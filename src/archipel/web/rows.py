"""SQL of the door: answers that are kept for requests that are sent again."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Index, String, Table, Text, delete, select, update

from archipel.kit.database import Tx
from archipel.kit.rows import insert_new, metadata

answer = Table(
    "web_answer",
    metadata,
    Column("login", String(64), primary_key=True),
    Column("key_digest", String(64), primary_key=True),
    Column("request_digest", String(64), nullable=False),
    Column("id", String(32), nullable=False),
    Column("body", Text, nullable=False),
    Column("at", String(27), nullable=False),
    Index(None, "at"),
)


def take(tx: Tx, **values: Any) -> Any | None:
    """Take a key of an account. None: it was free, and others wait until this transaction ends; else the row that has it."""
    insert_new(tx, answer, [{"body": "", **values}])
    a = answer.c
    row = tx.execute(select(answer).where(a.login == values["login"], a.key_digest == values["key_digest"])).one()
    return None if row.id == values["id"] else row


def keep(tx: Tx, answer_id: str, body: str) -> None:
    """Keep the answer that was given under a key."""
    tx.execute(update(answer).where(answer.c.id == answer_id).values(body=body))


def forget(tx: Tx, before: str) -> None:
    """Remove what was kept before an instant."""
    tx.execute(delete(answer).where(answer.c.at < before))
