"""The statements of most requests: they name every column, and find rows by an index of the database."""

from dataclasses import fields, replace
from datetime import timedelta
from typing import Any

import pytest
import sqlalchemy as sa

from storage_app.domain.files import File
from storage_app.domain.intents import Intent, IntentKind
from storage_app.index import Index, statements
from storage_app.index.compiled import Compiled, Statement
from tests.support.core import A_TIME, a_bucket, a_file

STATEMENTS = {
    name: value for name, value in vars(statements).items() if isinstance(value, Statement) and not name.startswith("_")
}


def changed(noun: Any, but: set[str], values: dict[str, Any]) -> Any:
    """Return `noun` with another value in every field, except those in `but`."""
    assert {field.name for field in fields(noun)} == but | set(values), "name every field here"
    assert all(getattr(noun, name) != value for name, value in values.items())
    return replace(noun, **values)


def test_switched_row_has_nothing_of_the_file_before(index: Index) -> None:
    before = a_file(metadata={"old": 1}, cache_control="no-store")
    after: File = changed(
        before,
        {"bucket_uid", "key"},
        {
            "blob": "another",
            "filename": "b",
            "content_type": "b/b",
            "size": 99,
            "sha256": "00",
            "owner_id": "bob",
            "metadata": {},
            "cache_control": None,
            "created_at": A_TIME + timedelta(1),
            "updated_at": A_TIME + timedelta(2),
        },
    )
    other = a_file("other")
    with index.write() as transaction:
        transaction.add_files(before.bucket_uid, [before, other])
        transaction.put_file(after, before)
    assert index.file(before.bucket_uid, before.key) == after
    assert index.file(other.bucket_uid, other.key) == other


def test_changed_intent_has_nothing_of_what_it_said_before(index: Index) -> None:
    before = Intent("process", IntentKind.WRITE, "uid", None)
    after = changed(
        before,
        {"id"},
        {"process": "p2", "kind": IntentKind.MOVE, "bucket_uid": "uid-2", "key": "k", "blob": "b", "size": 7}
        | {"source_uid": "uid-3", "source_key": "s", "source_blob": "c", "notify": "n"},
    )
    other = Intent("process", IntentKind.WRITE, "uid", None)
    with index.write() as transaction:
        for intent in (before, other):
            transaction.add_intent(intent)
        transaction.change_intent(after)
        assert transaction.intent(before.id) == after
        assert transaction.intent(other.id) == other


def test_every_statement_is_passed_its_values_by_name(index: Index) -> None:
    assert len(STATEMENTS) > 10
    compiled = Compiled(index._engine.dialect)
    for statement in STATEMENTS.values():
        assert compiled[statement]  # asserted where it is compiled


# Whatever grows with the number of files is found by an index.
@pytest.mark.parametrize("where", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    ("name", "found_by"),
    [
        ("BUCKET_NAMED", "name=?"),
        ("BUCKET_WITH", "uid=?"),
        ("FILE", "bucket_uid=? AND key=?"),
        ("BUCKET_NAMED_AND_FILE", "bucket_uid=? AND key=?"),
        ("BUCKET_WITH_AND_FILE", "bucket_uid=? AND key=?"),
        ("SWITCH_FILE", "bucket_uid=? AND key=?"),
        ("DROP_FILE", "bucket_uid=? AND key=?"),
        ("COUNT", "uid=?"),
        ("INTENT", "id=?"),
        ("CLEAR_INTENT", "id=?"),
    ],
)
def test_row_is_found_by_an_index(index: Index, name: str, found_by: str) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        text = transaction._sql[STATEMENTS[name]]
        names = set(sa.text(text).compile().params)
        plan = transaction._driver.execute(f"EXPLAIN QUERY PLAN {text}", dict.fromkeys(names, "x")).fetchall()
    steps = [str(step[3]) for step in plan]
    assert any(found_by in step for step in steps), steps
    assert not any(step.startswith("SCAN") for step in steps), steps
