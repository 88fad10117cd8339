"""The index on every database: rows to nouns and back, totals, intents, pending_deletions, transactions."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import fields, replace
from datetime import timedelta

import pytest

from storage_app.auth.permissions import BucketFilter
from storage_app.domain.buckets import Bucket, Grant, Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.index import Index, Transaction
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


def test_putting_a_bucket_again_keeps_its_totals_and_forgets_old_grants(index: Index) -> None:
    seen = BucketFilter(owner="bob", grantees=("bob",))
    with index.write() as transaction:
        transaction.put_bucket(a_bucket(grants={"bob": Grant.READ}))
        transaction.put_file(a_file(size=7), None)
    assert [bucket.name for bucket, _ in index.buckets(seen, after=None, limit=9)] == ["photos"]
    with index.write() as transaction:
        transaction.put_bucket(a_bucket(description="new"))
    assert index.bucket("photos") == (a_bucket(description="new"), Totals(1, 7))
    assert index.buckets(seen, after=None, limit=9) == []


def test_totals_change_in_the_same_transaction(index: Index) -> None:
    first, second, smaller = a_file("a", size=10), a_file("b", size=5), a_file("a", size=3)
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.put_bucket(a_bucket("other"))

        def totals() -> Totals:
            found = transaction.bucket("uid-of-photos")
            assert found is not None
            return found[1]

        transaction.put_file(first, None)
        assert totals() == Totals(1, 10)
        transaction.put_file(second, None)
        assert totals() == Totals(2, 15)
        transaction.put_file(smaller, first)
        assert totals() == Totals(2, 8)
        transaction.drop_file(smaller)
        assert totals() == Totals(1, 5)
        transaction.add_files("uid-of-photos", [a_file("c"), a_file("d")])
        assert totals() == Totals(3, 11)
        transaction.add_files("uid-of-photos", [])
        assert totals() == Totals(3, 11)
    assert index.bucket("photos") == (a_bucket(), Totals(3, 11))
    assert index.bucket("other") == (a_bucket("other"), Totals(0, 0))


def put_and_fail(transaction: Transaction) -> None:
    transaction.put_file(a_file(), None)
    raise ZeroDivisionError


def test_failed_transaction_changes_nothing(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
    with pytest.raises(ZeroDivisionError), index.write() as transaction:
        put_and_fail(transaction)
    assert index.bucket("photos") == (a_bucket(), Totals(0, 0))
    assert index.file("uid-of-photos", "a.txt") is None
    with index.write():
        pass  # the lock was let go


def test_dropped_bucket_hides_its_files_at_once_and_loses_their_rows_in_steps(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket(grants={"bob": Grant.READ}))
        transaction.add_files("uid-of-photos", [a_file(str(number)) for number in range(5)])
        transaction.drop_bucket("uid-of-photos")
        assert transaction.bucket("uid-of-photos") is None
        assert [transaction.drop_files_of("uid-of-photos", limit=2) for _ in range(4)] == [2, 2, 1, 0]
    assert index.buckets(BucketFilter(owner="bob", grantees=("bob",)), after=None, limit=9) == []


def test_notes_are_kept_changed_and_struck(index: Index) -> None:
    recorded = Intent("process", IntentKind.WRITE, "uid", None)
    changed = replace(recorded, key="key", blob="blob", size=7)
    other = Intent("other", IntentKind.BUCKET, "uid-2", "name", size=100)
    assert recorded.id != other.id
    with index.write() as transaction:
        transaction.add_intent(recorded)
        assert transaction.intent(recorded.id) == recorded
        transaction.change_intent(changed)
        transaction.add_intent(other)
    assert sorted(index.processes_with_intents()) == ["other", "process"]
    assert index.intents_of("other") == [other]
    with index.write() as transaction:
        assert sorted(transaction.intents(), key=lambda each: each.size) == [changed, other]
        assert transaction.reserved("uid") == 7
        assert transaction.reserved("uid", but=changed) == 0
        transaction.clear_intent(changed)
        assert transaction.intent(recorded.id) is None
        assert transaction.intents() == [other]
        assert transaction.reserved("uid") == 0


def test_notes_are_found_by_what_they_are_on(index: Index) -> None:
    on_key = Intent("a", IntentKind.WRITE, "uid", "name")
    deletes = Intent("b", IntentKind.DELETE, "uid", "name")
    elsewhere = [Intent("c", IntentKind.WRITE, "uid-2", "name"), Intent("c", IntentKind.WRITE, "uid", "other")]
    on_bucket = Intent("d", IntentKind.BUCKET, "uid", "name")
    with index.write() as transaction:
        for intent in (on_key, deletes, on_bucket, *elsewhere):
            transaction.add_intent(intent)
        assert {intent.id for intent in transaction.intents_on("uid", "name")} == {on_key.id, deletes.id}
        assert transaction.intents_on_bucket("name") == [on_bucket]


def test_memories_come_when_they_are_due_in_the_order_they_were_made(index: Index) -> None:
    with index.write() as transaction:
        transaction.schedule_deletion("uid", "key", "young", A_TIME + timedelta(microseconds=1))
        transaction.schedule_bucket_deletion("uid", A_TIME)
        transaction.schedule_deletion("uid", "key", "old", A_TIME - timedelta(seconds=1))
    due = index.pending_deletions(A_TIME, after=0, limit=9)
    assert [(deletion.key, deletion.blob) for deletion in due] == [(None, None), ("key", "old")]
    assert index.pending_deletions(A_TIME, after=0, limit=1) == due[:1]
    assert index.pending_deletions(A_TIME, after=due[0].id, limit=9) == due[1:]
    with index.write() as transaction:
        transaction.clear_deletion(due[0])
    assert index.pending_deletions(A_TIME, after=0, limit=9) == due[1:]


def test_totals_can_be_counted_again(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.put_bucket(a_bucket("empty"))
        transaction.add_files("uid-of-photos", [a_file("a", size=2**40), a_file("b", size=5)])
        transaction.drop_file(a_file("none", size=3))  # counted, though there was none
        transaction.recount("uid-of-photos")
        transaction.recount("uid-of-empty")
    assert index.bucket("photos") == (a_bucket(), Totals(2, 2**40 + 5))
    assert index.bucket("empty") == (a_bucket("empty"), Totals(0, 0))


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


def test_index_is_ready_only_when_complete(make_index: Callable[[], Index]) -> None:
    index = make_index()
    assert index.version() is None
    index.create()
    assert not index.is_ready()
    with index.fill() as transaction:
        transaction.complete()
        transaction.complete()
    assert index.is_ready()
    with index.fill() as transaction:
        transaction.clear()
    assert not index.is_ready()


def test_writers_of_several_threads_wait_for_each_other(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())

    def add(number: int) -> None:
        with index.write() as transaction:
            transaction.put_file(a_file(str(number), size=1), None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(64)))
    assert index.bucket("photos") == (a_bucket(), Totals(64, 64))


def test_readers_do_not_wait_for_a_writer_nor_see_its_half(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(index.bucket, "photos").result(10) is None
    assert index.bucket("photos") is not None
