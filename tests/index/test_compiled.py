"""Compiled statements: the driver gets them as SQLAlchemy would send them, on every database."""

from typing import Any

import pytest
import sqlalchemy as sa

from storage_app.index import Index
from storage_app.index.compiled import Compiled
from storage_app.index.schema import intents

ADD = Compiled(sa.insert(intents))
# `kind` is set by the statement itself, and `size` by its caller.
FIND = Compiled(
    sa.select(intents.c.id, intents.c.kind)
    .where(intents.c.kind == "write", intents.c.size >= sa.bindparam("least"))
    .order_by(intents.c.id)
)
GROW = Compiled(sa.update(intents).where(intents.c.id == sa.bindparam("of")).values(size=sa.bindparam("size")))
DROP = Compiled(sa.delete(intents).where(intents.c.id == sa.bindparam("of")))


def row(name: str, kind: str, size: int) -> dict[str, Any]:
    return {
        "id": name,
        "process": "p",
        "kind": kind,
        "bucket_uid": "u",
        "key": "it's 50% :of",
        "blob": None,
        "size": size,
    }


def test_statements_write_and_read_rows(index: Index) -> None:
    with index.write() as transaction:
        assert list(transaction._run(ADD, **row("a", "write", 1))) == []
        transaction._run(ADD, **row("b", "write", 2))
        transaction._run(ADD, **row("c", "delete", 3))
        assert [tuple(each) for each in transaction._run(FIND, least=1)] == [("a", "write"), ("b", "write")]
        assert [tuple(each) for each in transaction._run(FIND, least=2)] == [("b", "write")]
        transaction._run(GROW, of="a", size=9)
        assert [each[0] for each in transaction._run(FIND, least=9)] == ["a"]
        transaction._run(DROP, of="a")
        assert [each[0] for each in transaction._run(FIND, least=0)] == ["b"]


def test_value_stays_a_value_whatever_it_says(index: Index) -> None:
    with index.write() as transaction:
        transaction._run(ADD, **row("'; DROP TABLE intents; --", "write", 1))
        assert [each[0] for each in transaction._run(FIND, least=1)] == ["'; DROP TABLE intents; --"]
        (intent,) = transaction.intents()
        assert intent.key == "it's 50% :of"


def test_value_that_is_missing_is_the_drivers_error(index: Index) -> None:
    errors = index._engine.dialect.loaded_dbapi.Error
    with index.write() as transaction, pytest.raises(errors):
        transaction._run(FIND)


def test_statement_is_compiled_once_for_a_dialect(index: Index) -> None:
    statement = Compiled(sa.select(intents.c.id).where(intents.c.size == sa.bindparam("size")))
    with index.write() as transaction:
        transaction._run(statement, size=1)
        ((dialect, made),) = statement._compiled.items()
        transaction._run(statement, size=2)
        assert dialect == index._engine.dialect.name
        assert statement._compiled[dialect] is made
