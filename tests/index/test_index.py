"""The index: rows to nouns and back, pages, totals, notes, memories, and its one write lock."""

import multiprocessing
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest

from storage_app.access import BucketFilter
from storage_app.domain import Grant, Totals
from storage_app.errors import InsufficientStorage, StoreUnusable, Unavailable
from storage_app.index import Index, Note, NoteKind, Transaction
from tests.support.core import A_TIME, a_bucket, a_file


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "index.sqlite3"


@pytest.fixture
def index(path: Path) -> Iterator[Index]:
    made = Index(path)
    made.create()
    with made.write() as transaction:
        transaction.complete()
    yield made
    made.close()


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
    note = Note("process", NoteKind.FILE, "uid", None)
    with index.write() as transaction:
        noted = transaction.add_note(note)
        assert noted.id
        assert transaction.note(noted.id) == noted
        changed = Note("process", NoteKind.FILE, "uid", "key", "blob", 7, noted.id)
        transaction.change_note(changed)
        other = transaction.add_note(Note("other", NoteKind.BUCKET, "uid-2", "name", size=100))
    with index.write() as transaction:
        assert sorted(transaction.notes(), key=lambda each: each.size) == [changed, other]
        assert transaction.reserved("uid") == 7
        transaction.drop_note(changed)
        assert transaction.note(noted.id) is None
        assert transaction.notes() == [other]
        assert transaction.reserved("uid") == 0


def test_memories_come_when_they_are_due_in_the_order_they_were_made(index: Index) -> None:
    with index.write() as transaction:
        transaction.remember_blob("uid", "key", "young", A_TIME + timedelta(microseconds=1))
        transaction.remember_bucket("uid", A_TIME)
        transaction.remember_blob("uid", "key", "old", A_TIME - timedelta(seconds=1))
    with index.write() as transaction:
        due = transaction.memories(A_TIME, limit=9)
        assert [(memory.kind, memory.key, memory.blob) for memory in due] == [
            (NoteKind.BUCKET, None, None),
            (NoteKind.FILE, "key", "old"),
        ]
        assert transaction.memories(A_TIME, limit=1) == due[:1]
        assert transaction.memories(A_TIME, after=due[0].id, limit=9) == due[1:]
        transaction.forget(due[0])
        assert transaction.memories(A_TIME, limit=9) == due[1:]


def test_index_is_ready_only_when_complete(path: Path) -> None:
    index = Index(path)
    assert index.version() is None
    index.create()
    assert not index.is_ready()
    with index.write() as transaction:
        transaction.complete()
        transaction.complete()
    assert index.is_ready()
    with index.write() as transaction:
        transaction.clear()
    assert not index.is_ready()
    index.close()


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_that_is_no_database_is_said_to_be_none(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    index = Index(path)
    with pytest.raises(StoreUnusable, match=r"not a database|cannot be opened"):
        index.version()
    with pytest.raises(Unavailable):
        index.probe()
    index.close()


def test_writers_of_several_threads_wait_for_each_other(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())

    def add(number: int) -> None:
        with index.write() as transaction:
            transaction.put_file(a_file(str(number), size=1), None)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(add, range(64)))
    assert index.bucket("photos") == (a_bucket(), Totals(64, 64))


def add_many(path: Path, name: str, both: Barrier) -> None:
    index = Index(path)
    index.probe()
    both.wait(30)
    for number in range(20):
        with index.write() as transaction:
            transaction.put_file(a_file(f"{name}-{number}", size=1), None)
    index.close()


def test_writers_of_several_processes_wait_for_each_other(index: Index, path: Path) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
    spawn = multiprocessing.get_context("spawn")
    both = spawn.Barrier(2)
    child = spawn.Process(target=add_many, args=(path, "there", both))
    child.start()
    add_many(path, "here", both)
    child.join(30)
    assert child.exitcode == 0
    assert index.bucket("photos") == (a_bucket(), Totals(40, 40))


def test_readers_do_not_wait_for_a_writer_nor_see_its_half(index: Index) -> None:
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        with ThreadPoolExecutor(1) as pool:
            assert pool.submit(index.bucket, "photos").result(10) is None
    assert index.bucket("photos") is not None


def test_lock_that_cannot_be_had_is_unavailable(path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage_app.index.database._LOCK_WAIT_SECONDS", 0)
    impatient = Index(path)
    with index.write():
        with pytest.raises(Unavailable) as refused, impatient.write():
            pass
        assert refused.value.headers == {"Retry-After": "1"}
    with impatient.write():
        pass
    impatient.close()


def test_lock_is_held_from_the_beginning_of_a_transaction(index: Index) -> None:
    """Not from its first write on: what was read inside must still be so then."""
    inside, entered = threading.Event(), threading.Event()

    def second() -> None:
        inside.wait(10)
        with index.write():
            entered.set()

    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(second)
        with index.write() as transaction:
            inside.set()
            transaction.bucket("uid")
            other = sqlite3.connect(index._engine.url.database or "", timeout=0, isolation_level=None)
            with pytest.raises(sqlite3.OperationalError, match="locked"):
                other.execute("BEGIN IMMEDIATE")
            other.close()
            assert not entered.is_set()
        waiting.result(10)


def test_full_database_is_insufficient_storage(index: Index) -> None:
    with index.write() as transaction:
        transaction._connection.exec_driver_sql("PRAGMA max_page_count = 1")  # as many as there are, then
    with pytest.raises(InsufficientStorage, match="disk is full"), index.write() as transaction:
        transaction.put_bucket(a_bucket(description="x" * 100_000))
    assert index.bucket("photos") is None
