"""What a database says when it refuses, without what it was given: errors are logged and stored, and values name people."""

from __future__ import annotations

import re
import sqlite3

from sqlalchemy.engine import Dialect, ExceptionContext
from sqlalchemy.exc import DataError, DBAPIError, StatementError

_LENGTH_MAX = 500
_QUOTED = re.compile(r"\"[^\"]*(?:\"|$)|'[^']*(?:'|$)|«[^»]*(?:»|$)")
# What PostgreSQL says about a row beside its message: names of the schema, never values.
_NAMES = ("schema_name", "table_name", "column_name", "datatype_name", "constraint_name")
# The driver's own word about a connection that failed: an address, a user, never a row.
_OF_CONNECTION = ("OperationalError", "InterfaceError", "ConnectionTimeout")


def describe(failure: BaseException) -> str:
    """The failure for logs, details and stored texts: its class, the database's code, its message without values and details.

    For what is no failure of a database, its class and message.
    """
    orig = _original(failure)
    name = type(orig).__name__
    code = getattr(orig, "sqlstate", None) or getattr(orig, "sqlite_errorname", None)
    return f"{name}{f' [{code}]' if code else ''}: {_message(orig)}"[:_LENGTH_MAX]


def scrub(context: ExceptionContext) -> BaseException | None:
    """Listener of SQLAlchemy's ``handle_error``: no exception leaves the engine with values in its text.

    A value that the driver cannot even send becomes a ``DataError``, as one that the database does not take.
    """
    orig, said = context.original_exception, context.sqlalchemy_exception
    if isinstance(orig, (UnicodeError, OverflowError)):
        clean = DataError(context.statement, None, ValueError(describe(orig)), hide_parameters=True)
        orig.args = (_message(orig),)
        return clean
    if isinstance(said, DBAPIError):
        said.args = (describe(orig),)
        orig.args = (_message(orig),)
    return None


def refused(statement: str, orig: Exception, base: type[Exception], dialect: Dialect) -> BaseException:
    """What SQLAlchemy would raise for the driver's error, as ``scrub`` lets it leave, for a statement that was run without it."""
    text = _message(orig)
    if not isinstance(orig, base):
        clean = DataError(statement, None, ValueError(describe(orig)), hide_parameters=True)
        orig.args = (text,)
        return clean
    said = DBAPIError.instance(statement, None, orig, base, hide_parameters=True, dialect=dialect)
    said.args = (describe(orig),)
    orig.args = (text,)
    return said


def _original(failure: BaseException) -> BaseException:
    return failure.orig if isinstance(failure, StatementError) and failure.orig is not None else failure


def _message(orig: BaseException) -> str:
    """The message without values; whole where it is of a connection, or of no database at all."""
    if isinstance(orig, UnicodeError):  # its representation holds the whole text
        return "text that cannot be encoded"
    diag = getattr(orig, "diag", None)
    if diag is not None and diag.message_primary is not None:
        return _without_quoted(diag.message_primary, {getattr(diag, one) for one in _NAMES} - {None})
    if isinstance(orig, sqlite3.Error) or (diag is not None and type(orig).__name__ not in _OF_CONNECTION):
        return _without_quoted((str(orig).splitlines() or [""])[0])
    return " ".join(str(orig).split())


def _without_quoted(text: str, names: set[str] | frozenset[str] = frozenset()) -> str:
    return _QUOTED.sub(lambda found: found[0] if found[0][1:-1] in names else "(value)", text)
