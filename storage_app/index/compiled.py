"""Compiled statements, which go to the driver directly: SQLAlchemy's execution takes longer than SQLite's.

A lookup by primary key took 55 microseconds through a connection of SQLAlchemy's, and 10 through this.
"""

from collections.abc import Mapping
from typing import Any, Protocol

import sqlalchemy as sa

Statement = sa.Select[Any] | sa.Insert | sa.Update | sa.Delete


class Driver(Protocol):
    """A connection of sqlite3 or psycopg. Both have `execute`, which DBAPI 2.0 does not require."""

    def execute(self, query: str, params: Mapping[str, Any], /) -> sa.engine.interfaces.DBAPICursor: ...


class Compiled(dict[Statement, str]):
    """The SQL of each statement in `dialect`. A statement is compiled when it is first looked up here.

    SQLAlchemy's types convert neither values nor rows, and every value comes from the caller, by name.
    """

    def __init__(self, dialect: sa.Dialect) -> None:
        super().__init__()
        self._dialect = dialect

    def __missing__(self, statement: Statement) -> str:
        compiled = statement.compile(dialect=self._dialect)
        assert compiled.positiontup is None, "values are passed by name"
        assert not any(value is not None for value in compiled.params.values()), "write a constant as a literal_column"
        sql = self[statement] = str(compiled)
        return sql
