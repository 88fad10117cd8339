"""Nouns and rows: a field is found by the name of its column, wherever the column is."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

from storage_app.domain.buckets import Bucket, Grant, Totals
from storage_app.domain.files import File
from storage_app.domain.intents import Intent, IntentKind
from storage_app.domain.text import JsonObject
from storage_app.index import rows, schema
from storage_app.index.rows import Conversion, Rows
from tests.support.core import a_bucket, a_file


@dataclass(frozen=True)
class Shelf:
    name: str
    books: tuple[str, ...]


BOOKS = Conversion(",".join, lambda text: tuple(text.split(",")))
SHELF = Shelf("top", ("Emma", "Ulysses"))


def table(*columns: str) -> sa.Table:
    return sa.Table("shelves", sa.MetaData(), *(sa.Column(name, sa.Text) for name in columns))


@pytest.mark.parametrize(
    ("columns", "row"),
    [
        (["name", "books"], ["top", "Emma,Ulysses"]),
        (["books", "name"], ["Emma,Ulysses", "top"]),
        (["number", "books", "room", "name"], [7, "Emma,Ulysses", None, "top"]),
    ],
)
def test_order_of_columns_does_not_matter(columns: list[str], row: Sequence[Any]) -> None:
    shelves = Rows(Shelf, table(*columns), {"books": BOOKS})
    assert shelves.from_row(row) == SHELF
    assert shelves.to_row(SHELF) == {"name": "top", "books": "Emma,Ulysses"}


def test_table_is_found_among_those_selected() -> None:
    first, second = table("books", "name"), table("name", "books")
    beside = Rows(Shelf, second, {"books": BOOKS}, selected=(first, second))
    assert beside.from_row(["", "bottom", "top", "Emma,Ulysses"]) == SHELF


def test_field_without_a_column_is_refused() -> None:
    with pytest.raises(KeyError, match="books"):
        Rows(Shelf, table("name"))


def row_of(table: sa.Table, **values: Any) -> list[Any]:
    """Return `values` as a driver returns a row of `table`."""
    assert set(values) == set(table.columns.keys())
    return [values[column.name] for column in table.columns]


def bucket_row(bucket: Bucket) -> list[Any]:
    return row_of(schema.buckets, **rows.BUCKETS.to_row(bucket), file_count=2, total_size=7)


def file_row(file: File) -> list[Any]:
    return row_of(schema.files, **rows.FILES.to_row(file))


def test_bucket_and_file_come_from_one_row() -> None:
    bucket, file = a_bucket(quota=9), a_file(metadata={"k": [1]})
    assert rows.bucket_from(bucket_row(bucket)) == (bucket, Totals(2, 7))
    assert rows.bucket_and_file_from(bucket_row(bucket) + file_row(file)) == (bucket, Totals(2, 7), file)


def test_metadata_is_kept_as_lists_show_it() -> None:
    file = a_file(metadata={"k": [1, "é"], "a": {"z": None, "b": 2}})
    found = rows.FILES.from_row(file_row(file))
    assert found == file
    assert isinstance(found.metadata, JsonObject)
    assert found.metadata.text == '{"a":{"b":2,"z":null},"k":[1,"\\u00e9"]}'
    assert file_row(found) == file_row(file)


def test_nulls_in_the_place_of_a_file_are_no_file() -> None:
    row = bucket_row(a_bucket()) + [None] * len(schema.files.columns)
    assert rows.bucket_and_file_from(row) == (a_bucket(), Totals(2, 7), None)


@pytest.mark.parametrize("kind", IntentKind)
def test_intent_keeps_its_kind(kind: IntentKind) -> None:
    intent = Intent("process", kind, "uid", "key", "blob", 7)
    written = rows.INTENTS.to_row(intent)
    assert type(written["kind"]) is str
    assert rows.INTENTS.from_row(row_of(schema.intents, **written)) == intent


@pytest.mark.parametrize(("grants", "is_kept"), [(10, True), (5000, False)])
def test_bucket_is_kept_in_memory_unless_it_has_many_grants(grants: int, is_kept: bool) -> None:
    bucket = a_bucket(grants={f"user-{number}": Grant.READ for number in range(grants)})
    row = row_of(schema.buckets, **rows.BUCKETS.to_row(bucket), file_count=0, total_size=0)
    first, again = rows.bucket_from(row)[0], rows.bucket_from(row)[0]
    assert first == again == bucket
    assert (first is again) is is_kept
