"""Compiled statements: the driver gets them as SQLAlchemy would send them, on every database."""

from typing import Any

import pytest
import sqlalchemy as sa

from storage_app.index import Index
from storage_app.index.compiled import Compiled
from storage_app.index.schema import intents

ADD = sa.insert(intents)
# `kind` is set by the statement itself, and `size` by its caller.
FIND = (
    sa.select(intents.c.id, intents.c.kind)
    .where(intents.c.kind == sa.literal_column("'write'"), intents.c.size >= sa.bindparam("least"))
    .order_by(intents.c.id)
)
GROW = sa.update(intents).where(intents.c.id == sa.bindparam("of")).values(size=sa.bindparam("size"))
DROP = sa.delete(intents).where(intents.c.id == sa.bindparam("of"))


def row(name: str, kind: str, size: int) -> dict[str, Any]:
    return {
        "id": name,
        "process": "p",
        "kind": kind,
        "bucket_uid": "u",
        "key": "it's 50% :of",
        "blob": None,
        "size": size,
        "source_uid": None,
        "source_key": None,
        "source_blob": None,
        "notify": None,
    }


def test_statements_write_and_read_rows(index: Index) -> None:
    with index.write() as transaction:
        transaction._run(ADD, **row("a", "write", 1))
        transaction._run(ADD, **row("b", "write", 2))
        transaction._run(ADD, **row("c", "delete", 3))
        assert [tuple(each) for each in transaction._all(FIND, least=1)] == [("a", "write"), ("b", "write")]
        assert [tuple(each) for each in transaction._all(FIND, least=2)] == [("b", "write")]
        transaction._run(GROW, of="a", size=9)
        assert [each[0] for each in transaction._all(FIND, least=9)] == ["a"]
        transaction._run(DROP, of="a")
        assert [each[0] for each in transaction._all(FIND, least=0)] == ["b"]


def test_value_stays_a_value_whatever_it_says(index: Index) -> None:
    with index.write() as transaction:
        transaction._run(ADD, **row("'; DROP TABLE intents; --", "write", 1))
        assert [each[0] for each in transaction._all(FIND, least=1)] == ["'; DROP TABLE intents; --"]
        (intent,) = transaction.intents()
        assert intent.key == "it's 50% :of"


def test_value_that_is_missing_is_the_drivers_error(index: Index) -> None:
    errors = index._engine.dialect.loaded_dbapi.Error
    with index.write() as transaction, pytest.raises(errors):
        transaction._all(FIND)


def test_statement_is_compiled_once(index: Index) -> None:
    statement = sa.select(intents.c.id).where(intents.c.size == sa.bindparam("size"))
    compiled = Compiled(index._engine.dialect)
    assert compiled[statement] is compiled[statement]
    assert list(compiled) == [statement]


def test_constant_that_no_caller_would_pass_is_refused(index: Index) -> None:
    with pytest.raises(AssertionError, match="literal_column"):
        Compiled(index._engine.dialect)[sa.select(intents.c.id).where(intents.c.size == 0)]
