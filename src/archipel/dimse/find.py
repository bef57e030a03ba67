"""C-FIND (PS3.4 C.4.1): the archive's one search, answered row by row."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from archipel import archive
from archipel.archive import Level, Query
from archipel.dicom import sop_classes, status
from archipel.dicom.message import Command
from archipel.dimse import identifiers
from archipel.dimse.association import Association
from archipel.dimse.identifiers import UNIQUE, Identifier
from archipel.dimse.negotiation import Context
from archipel.dimse.parts import Parts
from archipel.kit.errors import Unavailable

log = structlog.get_logger(__name__)

# "Matching reached response limit" of PS3.4 Table KK.2.1-2: query/retrieve has no code of its own for it.
LIMIT_REACHED = 0xB001
_CANCEL_EVERY_ROWS = 32


@dataclass(frozen=True)
class _Page:
    """Rows as (what tells one from another, identifier bytes)."""

    rows: list[tuple[str, bytes]]
    more: bool
    unsupported: bool
    next: tuple[str | int, ...]


async def answer(parts: Parts, assoc: Association, context: Context, command: Command) -> None:
    """Answer a query: pending responses, then the final one."""
    data = await assoc.whole_dataset()
    if assoc.refuses_work:
        raise Unavailable("The archive is stopping; ask again later", code="stopping")
    model = context.abstract_syntax
    if model not in sop_classes.FIND:
        await assoc.answer(context, command, status.CLASS_NOT_SUPPORTED, "This presentation context does not query")
        return
    agreed = assoc.query(model)
    try:
        asked = identifiers.read(data, context.transfer_syntax, model, relational=agreed.relational)
        if not agreed.relational:
            identifiers.check_hierarchy(asked, model)
    except identifiers.Mismatch as error:
        await assoc.answer(context, command, error.status, error.public)
        return
    await asyncio.get_running_loop().run_in_executor(parts.threads, _record, parts, assoc, asked.level)
    final, comment = await _answer_rows(parts, assoc, context, command, asked, fuzzy=agreed.fuzzy)
    await assoc.answer(context, command, final, comment)


def _record(parts: Parts, assoc: Association, level: Level) -> None:
    """A query in the audit trail (PS3.15 A.5.3.10): its level, never its keys, which may name a person; blocks.

    Not durable (decision 0014): a power cut may take the records of the last second's searches, and of nothing else.
    """
    parts.database.transact(
        lambda tx: parts.audit(tx, actor=assoc.actor, action="archive.query", object_id=assoc.id, door="dimse", level=level.value),
        durable=False,
    )


async def _answer_rows(
    parts: Parts, assoc: Association, context: Context, command: Command, asked: Identifier, *, fuzzy: bool
) -> tuple[int, str]:
    """Send every row; the status and comment of the final response."""
    loop = asyncio.get_running_loop()
    unsupported = identifiers.unsupported(asked)
    sent: set[str] = set()  # rows that arrive while we page push others along: each is sent once
    offset, after = 0, tuple[str | int, ...]()
    while True:
        if assoc.is_cancelled(command):
            return status.CANCEL, "Cancelled by the requestor"
        query = _query(parts, asked, offset, after, fuzzy)
        page = await loop.run_in_executor(parts.threads, _page, parts, assoc, asked, query, context.transfer_syntax)
        unsupported = unsupported or page.unsupported
        pending = status.PENDING_UNSUPPORTED_KEYS if unsupported else status.PENDING
        for number, (key, identifier) in enumerate(page.rows):
            if number % _CANCEL_EVERY_ROWS == _CANCEL_EVERY_ROWS - 1 and assoc.is_cancelled(command):
                return status.CANCEL, "Cancelled by the requestor"
            if key in sent:
                continue
            if len(sent) >= parts.settings.find_rows_max:
                return LIMIT_REACHED, f"Only the first {len(sent)} matches were sent; narrow the query"
            sent.add(key)
            await assoc.answer_with(context, command, pending, identifier)
        if not page.more:
            return status.SUCCESS, ""
        offset, after = offset + len(page.rows), page.next


def _query(parts: Parts, asked: Identifier, offset: int, after: tuple[str | int, ...], fuzzy: bool) -> Query:
    above = [level for level in UNIQUE if level is not Level.PATIENT and list(Level).index(level) <= list(Level).index(asked.level)]
    include = asked.wanted | {UNIQUE[asked.level]} | {UNIQUE[level] for level in above}
    return Query(
        asked.level, asked.match, frozenset(include), fuzzy=fuzzy, limit=parts.settings.find_page_rows, offset=offset, after=after
    )  # fmt: skip


def _page(parts: Parts, assoc: Association, asked: Identifier, query: Query, transfer_syntax_uid: str) -> _Page:
    """One page, encoded here in the thread so that a long answer does not hold up the other associations."""
    page = parts.read(lambda tx: archive.find(tx, parts.scope_for(tx, assoc.actor), query))
    rows = [(_key(row, asked.level), identifiers.answer_bytes(row, asked, parts.ae_title, transfer_syntax_uid)) for row in page.rows]
    return _Page(rows, page.more, bool(page.unsupported), page.next)


def _key(row: dict[str, object], level: Level) -> str:
    """What tells one row from another; patients of different issuers may share an id."""
    paths = (UNIQUE[level], identifiers.ISSUER) if level is Level.PATIENT else (UNIQUE[level],)
    return repr([row.get(path) for path in paths])
