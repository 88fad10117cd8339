"""Reads of the index on every database: rows come back as the nouns that they were written from."""

from dataclasses import fields
from datetime import timedelta

from storage_app.domain.buckets import Bucket, Grant, Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.index import Index
from tests.support.core import A_TIME, a_bucket, a_file


def test_bucket_comes_back_as_it_went_in(index: Index) -> None:
    full = a_bucket(
        is_public=True,
        description="Bilder 猫",
        grants={"bob": Grant.READ, "@authenticated": Grant.WRITE},
        max_file_size=2**40,
        quota=2**62,
        allowed_content_types=("image/*",),
        cache_control="no-store",
    )
    unset = {field.name for field in fields(Bucket) if getattr(full, field.name) == getattr(a_bucket(), field.name)}
    assert unset == {"uid", "name", "owner_id", "created_at", "updated_at"}, "set every optional field here"
    for bucket in (full, a_bucket("empty"), a_bucket("nothing", allowed_content_types=(), grants={}, quota=0)):
        with index.write() as transaction:
            transaction.put_bucket(bucket)
            assert transaction.bucket(bucket.uid) == transaction.bucket_named(bucket.name) == (bucket, Totals(0, 0))
        assert index.bucket(bucket.name) == (bucket, Totals(0, 0))


def test_file_comes_back_as_it_went_in(index: Index) -> None:
    file = a_file("a/猫 \U0010ffff'\"%_", size=2**53 + 1, metadata={"k": [1, None, 1.5, "é"]}, cache_control="no-store")
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.put_file(file, None)
        assert transaction.file(file.bucket_uid, file.key) == file
    assert index.file(file.bucket_uid, file.key) == file
    assert index.file("uid-of-another", file.key) is None
    assert index.file(file.bucket_uid, file.key.upper()) is None
    assert index.bucket("none") is None


def test_bucket_and_file_are_found_together(index: Index) -> None:
    bucket, file = a_bucket(grants={"bob": Grant.READ}), a_file("a/b", size=7, metadata={"k": [1]})
    with index.write() as transaction:
        transaction.put_bucket(bucket)
        transaction.put_bucket(a_bucket("other"))
        assert transaction.bucket_and_file(bucket.uid, "a/b") == (bucket, Totals(0, 0), None)
        transaction.put_file(file, None)
        assert transaction.bucket_and_file(bucket.uid, "a/b") == (bucket, Totals(1, 7), file)
        assert transaction.bucket_and_file(bucket.uid, "a") == (bucket, Totals(1, 7), None)
        assert transaction.bucket_and_file(a_bucket("other").uid, "a/b") == (a_bucket("other"), Totals(0, 0), None)
        assert transaction.bucket_and_file("uid-of-none", "a/b") is None
    assert index.bucket_and_file(bucket.name, "a/b") == (bucket, file)
    assert index.bucket_and_file("other", "a/b") == (a_bucket("other"), None)
    assert index.bucket_and_file("none", "a/b") is None


def test_times_keep_their_microseconds(index: Index) -> None:
    file = a_file(created_at=A_TIME + timedelta(microseconds=1), updated_at=A_TIME.replace(year=1969))
    with index.write() as transaction:
        transaction.put_file(file, None)
    assert index.file(file.bucket_uid, file.key) == file


def test_bucket_names_come_in_pages(index: Index) -> None:
    names = ["a", "a-b", "a.b", "a0", "ab", "b"]
    with index.write() as transaction:
        for name in reversed(names):
            transaction.put_bucket(a_bucket(name))
    expected = sorted(names)
    assert index.bucket_names(after=None, limit=2) == expected[:2]
    assert index.bucket_names(after=expected[1], limit=9) == expected[2:]
    assert index.bucket_with("uid-of-ab") == a_bucket("ab")
    assert index.bucket_with("none") is None


def test_largest_buckets_come_first_with_the_totals_of_all(index: Index) -> None:
    assert index.largest_buckets(limit=2) == ([], 0, Totals(0, 0))
    sizes = {"small": [1], "large": [50, 50], "other": [2, 2], "empty": []}
    with index.write() as transaction:
        for name, of_files in sizes.items():
            transaction.put_bucket(a_bucket(name))
            for number, size in enumerate(of_files):
                transaction.put_file(a_file(str(number), bucket_uid=f"uid-of-{name}", size=size), None)

    largest = [("large", Totals(2, 100)), ("other", Totals(2, 4))]
    assert index.largest_buckets(limit=2) == (largest, 4, Totals(5, 105))
    assert len(index.largest_buckets(limit=9)[0]) == 4


def test_intents_and_pending_deletions_are_counted(index: Index) -> None:
    assert (index.count_intents(), index.count_deletions()) == (0, 0)
    with index.write() as transaction:
        for name in ("a", "b"):
            transaction.add_intent(Intent("process", IntentKind.DELETE, "uid", name))
        transaction.schedule_deletion("uid", "key", "blob", A_TIME)
    assert (index.count_intents(), index.count_deletions()) == (2, 1)
