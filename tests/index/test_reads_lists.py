"""The reads of lists on each database: names, and positions that are any number of entries later."""

from datetime import timedelta
from typing import Any

import pytest

from storage_app.auth.permissions import BucketFilter
from storage_app.domain.pages import Name
from storage_app.index import Index
from storage_app.index.rows import to_microseconds
from tests.support.core import A_TIME, a_bucket, a_file

UID = "uid-of-photos"
KEYS = ["a", "a/b", "a0", "B", "é", "\U0010ffff"]
FILES = {
    key: a_file(key, filename=f"{key}.TXT", created_at=A_TIME + timedelta(microseconds=number // 2))
    for number, key in enumerate(KEYS)
}
BY_KEY = sorted(KEYS)
NEWEST_FIRST = sorted(KEYS, key=lambda key: (FILES[key].created_at, key), reverse=True)


@pytest.fixture
def full(index: Index) -> Index:
    with index.write() as transaction:
        for name in ("a-1", "b-1", "c-1"):
            transaction.put_bucket(a_bucket(name))
        transaction.add_files(UID, list(FILES.values()))
        transaction.add_files("uid-of-other", [a_file("a", bucket_uid="uid-of-other")])
    return index


def name_of(key: str) -> Name:
    return Name(key, f"{key}.TXT", to_microseconds(FILES[key].created_at))


def test_names_are_those_of_the_files(full: Index) -> None:
    for prefix in ("", "a", "none"):
        found = full.names_by_key(UID, prefix=prefix, start="", after=True, limit=10)
        assert found == [name_of(key) for key in BY_KEY if key.startswith(prefix)]
        assert full.names_by_key(UID, prefix=prefix, start="", after=True, limit=1) == found[:1]
    newest_first = full.names_by_creation(UID, before=None, limit=10)
    assert newest_first == [name_of(key) for key in NEWEST_FIRST]
    before = newest_first[1].created_at, newest_first[1].key
    assert full.names_by_creation(UID, before=before, limit=2) == newest_first[2:4]


def test_position_is_found_behind_any_number_of_files(full: Index) -> None:
    for skip in range(1, len(KEYS) + 2):
        last = BY_KEY[skip - 1] if skip <= len(KEYS) else None
        assert full.key_after(UID, prefix="", start="", after=False, skip=skip) == last
        creation = full.creation_after(UID, before=None, skip=skip)
        assert (creation and creation[1]) == (NEWEST_FIRST[skip - 1] if skip <= len(KEYS) else None)
    assert full.key_after(UID, prefix="a", start="a", after=True, skip=2) == "a0"
    assert full.key_after(UID, prefix="a", start="a", after=True, skip=3) is None


@pytest.mark.parametrize(("after", "skip", "names"), [(None, 1, ["b-1", "c-1"]), ("a-1", 1, ["c-1"]), (None, 3, [])])
def test_buckets_may_be_skipped(full: Index, after: str | None, skip: int, names: list[str]) -> None:
    found = full.buckets(BucketFilter(every=True), after=after, limit=10, skip=skip)
    assert [bucket.name for bucket, _ in found] == names


@pytest.mark.parametrize("delimiter", ["/", "a", "\U0010ffff"])
def test_entries_are_files_and_folders(index: Index, delimiter: str) -> None:
    keys = ["a", "a/", "a/b", "a/b/c", "a0", "b/d", "b/\U0010ffff", "B/x", "é/é", "\U0010ffff", "\U0010ffff/x"]
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.add_files(UID, [a_file(key) for key in keys])
        transaction.add_files("uid-of-other", [a_file("c/x", bucket_uid="uid-of-other")])
    for prefix in ("", "a", "a/", "b/", "\U0010ffff", "none"):
        for start, after in (("", False), ("a/b", False), ("a/b", True)):
            expected = first_keys(sorted(keys), prefix, delimiter, start, after=after)
            place: Any = {"prefix": prefix, "delimiter": delimiter, "start": start, "after": after}
            for limit in (1, 2, 100):
                found = index.entries_by_key(UID, **place, limit=limit)
                assert [file.key for file in found] == expected[:limit]
            for skip in range(1, len(expected) + 2):
                assert index.entry_after(UID, **place, skip=skip) == dict(enumerate(expected, start=1)).get(skip)


def first_keys(keys: list[str], prefix: str, delimiter: str, start: str, *, after: bool) -> list[str]:
    entries: dict[str, str] = {}
    for key in keys:
        if key.startswith(prefix) and (key > start if after else key >= start):
            head, cut, _ = key[len(prefix) :].partition(delimiter)
            entries.setdefault(head + cut, key)
    return list(entries.values())
