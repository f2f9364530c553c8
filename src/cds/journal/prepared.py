"""A query that every answer waits for: compiled once, and run by the database's driver as a prepared statement."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import Select
from sqlalchemy.engine import Dialect
from sqlalchemy.exc import DBAPIError

Processor = Callable[[Any], Any] | None


@dataclass(frozen=True, slots=True)
class CompiledQuery:
    """A query in the words of one kind of database: its text, its parameters in order, and how values are written."""

    text: str
    values: Mapping[str, Any]
    write: Mapping[str, Processor]
    read: tuple[Processor, ...]
    positions: Sequence[str] | None

    def parameters(self, given: Mapping[str, Any]) -> Any:
        """What the driver is given: by place where it takes places, else by name."""
        written = dict(self.values)
        for name, value in given.items():
            process = self.write[name]
            written[name] = value if process is None else process(value)
        return written if self.positions is None else tuple(written[name] for name in self.positions)

    def row(self, found: Sequence[Any]) -> tuple[Any, ...]:
        """A row as its columns mean it."""
        return tuple(
            value if process is None else process(value) for value, process in zip(found, self.read, strict=True)
        )


class PreparedQuery:
    """
    A query with named parameters.

    SQLAlchemy takes over a millisecond of the processor for each run of such a query, the driver some microseconds.
    """

    def __init__(self, query: Select[Any]) -> None:
        self._query = query
        self._compiled: dict[str, CompiledQuery] = {}

    def run(self, connection: Any, dialect: Dialect, given: Mapping[str, Any]) -> list[tuple[Any, ...]]:
        """
        The rows there are, over a connection of the driver.

        Raises:
            DBAPIError: What the driver raised, as SQLAlchemy has it.
        """
        compiled = self._compiled.get(dialect.name) or self._compile(dialect)
        # psycopg prepares what it is told to, sqlite3 each text it has not prepared before.
        options = {"prepare": True} if compiled.positions is None else {}
        try:
            found = connection.execute(compiled.text, compiled.parameters(given), **options).fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(compiled.text, None, error, Exception, hide_parameters=True) from None
        return [compiled.row(row) for row in found]

    def _compile(self, dialect: Dialect) -> CompiledQuery:
        compiled = self._query.compile(dialect=dialect)
        types = {name: bind.type for name, bind in compiled.binds.items()}
        write = {name: type_.dialect_impl(dialect).bind_processor(dialect) for name, type_ in types.items()}
        columns = [column.type.dialect_impl(dialect) for column in self._query.selected_columns]
        made = CompiledQuery(
            str(compiled),
            {name: bind.value for name, bind in compiled.binds.items()},
            write,
            tuple(type_.result_processor(dialect, None) for type_ in columns),
            compiled.positiontup,
        )
        self._compiled[dialect.name] = made
        return made
