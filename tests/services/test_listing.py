"""Lists: folders as a plain model has them, pages that add up to the whole, and what a folder costs."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import event

from storage_app.domain.files import Folder
from storage_app.domain.pages import Listed, Position
from storage_app.index import Index
from storage_app.services.listing import MAX_BATCH, MAX_SKIPPED, list_by_creation, list_by_key
from tests.support.core import A_TIME, a_bucket, a_file

BUCKET = a_bucket()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Index]:
    made = Index(tmp_path_factory.mktemp("listing") / "index.sqlite3")
    made.create()
    yield made
    made.close()


def fill(index: Index, keys: list[str]) -> None:
    """Make `keys` the bucket's only files, two of each moment."""
    files = [a_file(key, created_at=A_TIME + timedelta(seconds=number // 2)) for number, key in enumerate(keys)]
    with index.write() as transaction:
        transaction.clear()
        transaction.put_bucket(BUCKET)
        transaction.add_files(BUCKET.uid, files)
        # A bucket on each side, which no list of this one may run into.
        for uid in ("uid-of-photo", "uid-of-photos0"):
            transaction.add_files(uid, [a_file("a/b", bucket_uid=uid), a_file("z", bucket_uid=uid)])


def names(listed: list[Listed]) -> list[str]:
    entries = [entry for entry, _ in listed if entry is not None]
    return [f"folder {entry.id}" if isinstance(entry, Folder) else f"file {entry.key}" for entry in entries]


def model(keys: list[str], prefix: str, delimiter: str | None) -> list[str]:
    """What S3 says of a list with a delimiter: keys that share what comes before it, once."""
    found: dict[str, str] = {}
    for key in keys:
        if key.startswith(prefix):
            head, cut, _ = key[len(prefix) :].partition(delimiter) if delimiter else (key, "", "")
            folder = prefix + head + cut
            found.setdefault(*((folder, f"folder {folder}") if cut else (key, f"file {key}")))
    return [found[name] for name in sorted(found)]


def whole(index: Index, prefix: str, delimiter: str | None, limit: int) -> list[str]:
    """Read `limit` entries at a time, each time from the position after the last one."""
    entries: list[str] = []
    position: Position | None = None
    while True:
        page = list(list_by_key(index, BUCKET, prefix=prefix, delimiter=delimiter, position=position, limit=limit))
        assert len(page) <= limit
        assert not set(names(page)) & set(entries), "the pages do not end"
        entries += names(page)
        position = page[-1].following if len(page) == limit else None
        if position is None:
            return entries


# Few characters, so that keys share beginnings; '.' and '0' stand on both sides of '/'.
KEYS = st.lists(st.text("ab/.0\ud7ff\U0010ffff", min_size=1, max_size=6), unique=True, max_size=24)
PREFIXES = st.text("ab/.0\ud7ff\U0010ffff", max_size=3)


@settings(max_examples=60, deadline=None)
@given(keys=KEYS, prefix=PREFIXES, delimiter=st.sampled_from([None, "/", "/", "a", "ab", "\U0010ffff"]))
def test_list_is_what_the_model_says_for_every_limit(
    index: Index, keys: list[str], prefix: str, delimiter: str | None
) -> None:
    fill(index, keys)
    expected = model(keys, prefix, delimiter)
    for limit in {1, 2, 3, max(len(expected), 1), len(expected) + 1, 1000}:
        assert whole(index, prefix, delimiter, limit) == expected


@pytest.mark.parametrize(
    ("prefix", "delimiter", "expected"),
    [
        ("", None, ["file a", "file a/b", "file a/b/c", "file a0", "file b/d"]),
        ("", "/", ["file a", "folder a/", "file a0", "folder b/"]),
        ("a", "/", ["file a", "folder a/", "file a0"]),
        ("a/", "/", ["file a/b", "folder a/b/"]),
        ("a/b", "/", ["file a/b", "folder a/b/"]),
        ("a/b/", "/", ["file a/b/c"]),
        ("a/b/", None, ["file a/b/c"]),
        ("b", "/", ["folder b/"]),
        ("c", "/", []),
        ("A", None, []),
        ("%", None, []),
    ],
)
def test_folders_stand_in_key_order_among_the_files(
    index: Index, prefix: str, delimiter: str | None, expected: list[str]
) -> None:
    keys = ["b/d", "a0", "a/b/c", "a/b", "a"]
    fill(index, keys)
    assert model(keys, prefix, delimiter) == expected
    for limit in range(1, 7):
        assert whole(index, prefix, delimiter, limit) == expected


def test_pages_by_creation_add_up_newest_first(index: Index) -> None:
    keys = ["a1", "b1", "a3", "a2", "b2", "a4", "c"]
    fill(index, keys)
    newest_first = sorted(keys, key=lambda key: (keys.index(key) // 2, key), reverse=True)
    for limit in range(1, 9):
        entries: list[str] = []
        position: Position | None = None
        page: list[Listed] | None = None
        while page is None or len(page) == limit:
            page = list(list_by_creation(index, BUCKET, position=position, limit=limit))
            entries += names(page)
            assert len(entries) <= len(keys)
            position = page[-1].following if page else None
        assert entries == [f"file {key}" for key in newest_first]


@pytest.mark.parametrize("delimiter", [None, "/"])
@pytest.mark.parametrize("prefix", ["", "a", "a/", "none"])
def test_offset_leaves_out_as_many_entries(index: Index, prefix: str, delimiter: str | None) -> None:
    keys = ["a", "a/b", "a/b/c", "a/d", "a0", "b/d"]
    fill(index, keys)
    expected = model(keys, prefix, delimiter)
    for skip in range(8):
        position = Position(prefix, after=False, skip=skip)
        page = list_by_key(index, BUCKET, prefix=prefix, delimiter=delimiter, position=position, limit=10)
        assert names(list(page)) == expected[skip:]


def test_offset_by_creation_leaves_out_as_many_files(index: Index) -> None:
    fill(index, ["c", "a", "b", "d"])
    for skip in range(6):
        page = list_by_creation(index, BUCKET, position=Position("", after=False, skip=skip), limit=10)
        assert names(list(page)) == ["file d", "file b", "file c", "file a"][skip:]


def test_offset_without_folders_costs_one_query_more(index: Index) -> None:
    fill(index, [f"{number:04}" for number in range(3 * MAX_SKIPPED)])
    position = Position("", after=False, skip=2 * MAX_SKIPPED)
    for listed in (
        list_by_key(index, BUCKET, prefix="", delimiter=None, position=position, limit=1),
        list_by_creation(index, BUCKET, position=position, limit=1),
    ):
        with counted(index) as queries:
            assert len(list(listed)) == 1
        assert len(queries) == 2
        assert "COVERING INDEX" in explained(index, queries[0])


def test_offset_over_many_folders_goes_on_in_the_next_page(index: Index) -> None:
    fill(index, [f"{number:04}/x" for number in range(MAX_SKIPPED + 5)])
    position = Position("", after=False, skip=MAX_SKIPPED + 3)
    first = list(list_by_key(index, BUCKET, prefix="", delimiter="/", position=position, limit=10))
    assert [(entry, following and following.skip) for entry, following in first] == [(None, 3)]
    second = list_by_key(index, BUCKET, prefix="", delimiter="/", position=first[0].following, limit=10)
    assert names(list(second)) == [f"folder {number:04}/" for number in (MAX_SKIPPED + 3, MAX_SKIPPED + 4)]


@contextmanager
def counted(index: Index) -> Iterator[list[str]]:
    """Collect the queries that reach the database."""
    queries: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        queries.append(statement)

    event.listen(index._engine, "before_cursor_execute", note)
    try:
        yield queries
    finally:
        event.remove(index._engine, "before_cursor_execute", note)


def cost(index: Index, keys: list[str], limit: int = 100) -> tuple[int, list[str]]:
    """Return the steps that SQLite takes for a page with folders, and its entries."""
    fill(index, keys)
    with counted_steps(index) as steps:
        page = list(list_by_key(index, BUCKET, prefix="", delimiter="/", position=None, limit=limit))
    return sum(steps), names(page)


@contextmanager
def counted_steps(index: Index) -> Iterator[list[int]]:
    """Count the steps of SQLite's virtual machine on the connection that reads use next."""
    steps = [0]

    def note() -> None:
        steps[0] += 1

    with index._engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    driver.set_progress_handler(note, 1)
    try:
        yield steps
    finally:
        driver.set_progress_handler(None, 0)
    assert steps[0], "another connection was used"


def test_folder_costs_the_same_however_many_files_are_in_it(index: Index) -> None:
    small = cost(index, [f"{folder}/{file:04}" for folder in "abc" for file in range(2)] + ["d"])
    large = cost(index, [f"{folder}/{file:04}" for folder in "abc" for file in range(2000)] + ["d"])
    assert small == large
    assert small[1] == ["folder a/", "folder b/", "folder c/", "file d"]


def test_page_of_folders_costs_about_as_much_as_one_of_files(index: Index) -> None:
    of_files = cost(index, [f"{number:04}" for number in range(1500)], 1000)
    of_folders = cost(index, [f"{number:04}/x" for number in range(1500)], 1000)
    assert len(of_files[1]) == len(of_folders[1]) == 1000
    assert of_folders[0] < 1.5 * of_files[0]


def test_page_of_one_entry_does_not_look_at_the_others(index: Index) -> None:
    few, _ = cost(index, [f"{number:04}/x" for number in range(2)], 1)
    many, _ = cost(index, [f"{number:04}/x" for number in range(1500)], 1)
    assert many == few


@pytest.mark.parametrize("name", ["{:04}", "{:04}/x"])
def test_page_with_folders_costs_few_queries(index: Index, name: str) -> None:
    fill(index, [name.format(number) for number in range(1500)])
    queries: list[str] = []
    with index._engine.connect() as connection:
        driver: Any = connection.connection.dbapi_connection
    driver.set_trace_callback(queries.append)
    page = list(list_by_key(index, BUCKET, prefix="", delimiter="/", position=None, limit=1000))
    driver.set_trace_callback(None)
    assert len(page) == 1000
    assert len(queries) == 1000 // MAX_BATCH


@pytest.mark.parametrize("order", ["key", "created_at"])
def test_rows_are_read_as_they_are_taken(index: Index, order: str) -> None:
    """A page may end after few entries, if they are large."""
    fill(index, [f"{number:04}" for number in range(3 * MAX_BATCH)])
    with counted(index) as queries:
        listed = listed_in(index, order, limit=1000)
        assert queries == []
        next(listed)
        assert len(queries) == 1
        assert sum(1 for _ in listed) == 3 * MAX_BATCH - 1
    assert len(queries) == 4


def listed_in(index: Index, order: str, *, limit: int) -> Iterator[Listed]:
    if order == "key":
        return list_by_key(index, BUCKET, prefix="0", delimiter=None, position=Position("", after=False), limit=limit)
    return list_by_creation(index, BUCKET, position=None, limit=limit)


def test_list_without_delimiter_costs_one_query(index: Index) -> None:
    fill(index, [f"{number // 7}/{number}" for number in range(200)])
    with counted(index) as queries:
        list(list_by_key(index, BUCKET, prefix="", delimiter=None, position=None, limit=100))
    assert len(queries) == 1


@pytest.mark.parametrize("order", ["key", "created_at"])
def test_page_is_read_from_an_index_without_sorting(index: Index, order: str) -> None:
    """So a page costs the same wherever in the bucket it is."""
    fill(index, [f"{number:03}" for number in range(50)])
    with counted(index) as queries:
        if order == "key":
            position = Position("020")
            next(list_by_key(index, BUCKET, prefix="0", delimiter=None, position=position, limit=10))
        else:
            position = Position("020", created_at=0)
            next(list_by_creation(index, BUCKET, position=position, limit=10), None)
    plan = explained(index, queries[0])
    assert "USING INDEX" in plan
    assert "SCAN" not in plan
    assert "TEMP B-TREE" not in plan


def explained(index: Index, query: str) -> str:
    with index._engine.connect() as connection:
        values = dict.fromkeys(re.findall(r":(\w+)", query), "0")
        rows = connection.exec_driver_sql("EXPLAIN QUERY PLAN " + query, values).all()
    return " ".join(str(row[-1]) for row in rows)


def test_position_of_another_prefix_is_harmless(index: Index) -> None:
    fill(index, ["a/1", "b/1", "c/1"])
    for key, expected in (("a", ["file b/1"]), ("c", [])):
        page = list_by_key(index, BUCKET, prefix="b/", delimiter=None, position=Position(key), limit=10)
        assert names(list(page)) == expected
