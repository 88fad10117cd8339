"""Pages of the index: each begins where the one before ended, and together they are the whole."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from storage_app.auth.permissions import BucketFilter
from storage_app.index import Index
from storage_app.index.page_queries import successor
from storage_app.index.rows import to_microseconds
from tests.support.core import A_TIME, a_bucket, a_file

KEYS = ["a", "a/b", "a/b/c", "a0", "B", "b", "é", "\ud7ff", "\ue000", "\U0001f600", "\U0010ffff", "\U0010ffffx"]


LIMITS = range(1, len(KEYS) + 2)


@pytest.fixture
def full(index: Index) -> Index:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        for number, key in enumerate(KEYS):
            # Two files of each moment, so that the key decides too.
            transaction.put_file(a_file(key, created_at=A_TIME + timedelta(microseconds=number // 2)), None)
        transaction.add_files("uid-of-other", [a_file("a", bucket_uid="uid-of-other")])
    return index


@pytest.mark.parametrize("prefix", ["", "a", "a/", "\ud7ff", "\U0010ffff", "none"])
def test_pages_by_key_are_the_whole_in_code_point_order(full: Index, prefix: str) -> None:
    for limit in LIMITS:
        found: list[str] = []
        while page := full.files_by_key(
            "uid-of-photos", prefix=prefix, start=found[-1] if found else "", after=True, limit=limit
        ):
            assert len(page) <= limit
            found += [file.key for file in page]
            assert len(found) <= len(KEYS)
        assert found == sorted(key for key in KEYS if key.startswith(prefix))


def test_page_by_key_may_begin_at_a_key(full: Index) -> None:
    page = full.files_by_key("uid-of-photos", prefix="", start="a/b", after=False, limit=2)
    assert [file.key for file in page] == ["a/b", "a/b/c"]


def test_pages_by_creation_are_the_whole_newest_first(full: Index) -> None:
    newest_first = sorted(KEYS, key=lambda key: (KEYS.index(key) // 2, key), reverse=True)
    for limit in LIMITS:
        found: list[str] = []
        before = None
        while page := full.files_by_creation("uid-of-photos", before=before, limit=limit):
            assert len(page) <= limit
            found += [file.key for file in page]
            assert len(found) <= len(KEYS)
            before = to_microseconds(page[-1].created_at), page[-1].key
        assert found == newest_first


def test_pages_of_buckets_are_by_name(index: Index) -> None:
    names = ["b-1", "a-1", "a.1", "c-1", "a-10"]
    with index.write() as transaction:
        for name in names:
            transaction.put_bucket(a_bucket(name))
    found: list[str] = []
    while page := index.buckets(BucketFilter(every=True), after=found[-1] if found else None, limit=2):
        found += [bucket.name for bucket, _ in page]
        assert len(found) <= len(names)
    assert found == sorted(names)


@pytest.mark.parametrize(
    ("prefix", "following"),
    [
        ("a", "b"),
        ("a/", "a0"),
        ("", None),
        ("\ud7ff", "\ue000"),
        ("a\ud7ff", "a\ue000"),
        ("\U0010ffff", None),
        ("a\U0010ffff", "b"),
        ("\ud7ff\U0010ffff\U0010ffff", "\ue000"),
        ("\uffff", "\U00010000"),
    ],
)
def test_successor(prefix: str, following: str | None) -> None:
    assert successor(prefix) == following


@settings(max_examples=50, deadline=None)
@given(prefix=st.text(min_size=1, max_size=3), key=st.text(max_size=5))
def test_successor_bounds_exactly_what_begins_with_the_prefix(prefix: str, key: str) -> None:
    end = successor(prefix)
    within = prefix.encode() <= key.encode() and (end is None or key.encode() < end.encode())
    assert within is key.startswith(prefix)
