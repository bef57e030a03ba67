"""Prepared: a statement that is compiled once for each kind of database and then handed to the driver as it is.

SQLAlchemy takes 20 to 100 microseconds for each execution, the driver 1 to 5: it matters where one group of instances runs ten of them.
What is run is still written in SQLAlchemy, for both databases at once.
"""

from __future__ import annotations

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sqlalchemy import JSON, ColumnElement, Dialect, String, any_, bindparam, func, select
from sqlalchemy.dialects.postgresql import ARRAY

from archipel.kit.failures import refused

if TYPE_CHECKING:
    from archipel.kit.database import Tx

Processor = Callable[[Any], Any]


def among(dialect: str, column: ColumnElement[Any], name: str) -> ColumnElement[bool]:
    """The condition that a column is one of a list, given as one parameter of this name, however long."""
    if dialect == "postgresql":
        return column == any_(bindparam(name, type_=ARRAY(String if isinstance(column.type, String) else column.type)))
    return column.in_(select(func.json_each(bindparam(name, type_=JSON)).table_valued("value").c.value))


class Prepared:
    """One statement. ``build`` gives it for ``sqlite`` or ``postgresql``; its parameters are named ``bindparam``s without a value."""

    def __init__(self, build: Callable[[str], Any]) -> None:
        self._build = build
        self._forms: dict[str, _Form] = {}

    def all(self, tx: Tx, **values: Any) -> list[Any]:
        """The rows, as named tuples of the statement's columns."""
        return self._form(tx).run(tx, [values])

    def many(self, tx: Tx, values: Sequence[Mapping[str, Any]]) -> None:
        """Run it once for each set of values."""
        if values:
            self._form(tx).run(tx, values)

    def _form(self, tx: Tx) -> _Form:
        form = self._forms.get(tx.dialect)
        if form is None:
            form = self._forms[tx.dialect] = _Form(self._build(tx.dialect), tx.connection.dialect)
        return form


class _Form:
    """The statement in the driver's words."""

    def __init__(self, statement: Any, dialect: Dialect) -> None:
        compiled = statement.compile(dialect=dialect)
        self.dialect = dialect
        self.sql = str(compiled)
        self.order: list[str] | None = compiled.positiontup
        self.constants: dict[str, Any] = {}
        self.binds: list[tuple[str, Processor]] = []
        for name, bind in compiled.binds.items():
            processor = bind.type.dialect_impl(dialect).bind_processor(dialect)
            if not bind.required:
                self.constants[name] = processor(bind.value) if processor else bind.value
            elif processor is not None:
                self.binds.append((name, processor))
        columns = list(statement.exported_columns) if statement.is_select else []
        self.row: Any = namedtuple("Row", [column.key for column in columns]) if columns else None
        processors = [(n, column.type.dialect_impl(dialect).result_processor(dialect, None)) for n, column in enumerate(columns)]
        self.results: list[tuple[int, Processor]] = [(n, processor) for n, processor in processors if processor is not None]

    def run(self, tx: Tx, values: Sequence[Mapping[str, Any]]) -> list[Any]:
        """Execute it for each set of values; the rows of a query."""
        cursor = tx.connection.connection.cursor()
        base: Any = self.dialect.loaded_dbapi.Error
        try:
            sets = [self._bound(one) for one in values]
            if len(sets) == 1:
                cursor.execute(self.sql, sets[0])
            else:
                cursor.executemany(self.sql, sets)
            return [self._row(one) for one in cursor.fetchall()] if self.row is not None else []
        except (base, UnicodeError, OverflowError) as error:
            raise refused(self.sql, error, base, self.dialect) from error
        finally:
            cursor.close()

    def _row(self, found: Any) -> Any:
        if not self.results:
            return self.row._make(found)
        cells = list(found)
        for n, processor in self.results:
            cells[n] = processor(cells[n])
        return self.row._make(cells)

    def _bound(self, values: Mapping[str, Any]) -> Any:
        given = {**self.constants, **values}
        for name, processor in self.binds:
            given[name] = processor(given[name])
        return given if self.order is None else [given[name] for name in self.order]
