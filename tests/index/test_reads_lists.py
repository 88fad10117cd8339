"""The reads of lists on each database: names, and positions that are any number of entries later."""

from datetime import timedelta

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
