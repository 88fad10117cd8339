"""What only the index in a SQLite file does: one write lock for everything, and damage."""

import multiprocessing
import os
import sqlite3
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from multiprocessing.synchronize import Barrier
from pathlib import Path

import pytest
import sqlalchemy as sa

from storage_app.domain.buckets import Totals
from storage_app.errors import InsufficientStorage, StoreUnusable, Unavailable
from storage_app.index import Index, sqlite
from storage_app.index.sqlite import Sqlite
from tests.support.core import a_bucket, a_file
from tests.support.disk import failing_closes


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


def test_lock_file_is_closed_once_even_if_that_fails(path: Path, index: Index) -> None:
    with failing_closes(path.parent) as closed:
        index.close()
        index.close()
    assert closed == [str(path.with_name("index.lock"))]


@pytest.mark.parametrize("content", [b"garbage" * 1000, b"SQLite format 3\0" + b"\xff" * 5000])
def test_file_that_is_no_database_is_said_to_be_none(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    index = Index(path)
    with pytest.raises(StoreUnusable, match=r"not a database|cannot be opened"):
        index.version()
    with pytest.raises(Unavailable):
        index.probe()
    index.close()


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


def test_lock_that_cannot_be_had_is_unavailable(path: Path, index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("storage_app.index.sqlite._LOCK_WAIT_SECONDS", 0)
    impatient = Index(path)
    with index.write():
        with pytest.raises(Unavailable) as refused, impatient.write():
            pass
        assert refused.value.headers == {"Retry-After": "1"}
    with impatient.write():
        pass
    impatient.close()


def test_checkpoint_does_not_wait_long_for_another_program(
    path: Path, index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("storage_app.index.sqlite._CHECKPOINT_WAIT_SECONDS", 0)
    with closing(sqlite3.connect(path, isolation_level=None)) as other, ThreadPoolExecutor(1) as pool:
        other.execute("BEGIN")
        other.execute("SELECT count(*) FROM files").fetchone()
        with index.write() as transaction:
            transaction.put_bucket(a_bucket())
        with pytest.raises(Unavailable, match="in use by another program"):
            pool.submit(index.checkpoint).result(10)
    index.checkpoint()


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


def test_full_database_is_insufficient_storage_to_who_shares_a_transaction(index: Index) -> None:
    with index.write() as transaction:
        transaction._connection.exec_driver_sql("PRAGMA max_page_count = 1")
    with pytest.raises(InsufficientStorage, match="disk is full"):
        index.write_grouped(lambda transaction: transaction.put_bucket(a_bucket(description="x" * 100_000)))
    assert index.bucket("photos") is None


def test_few_connections_stay_open_however_many_there_were_at_once(index: Index) -> None:
    readers = readers_of(index)
    taken = [readers.take() for _ in range(100)]
    assert index.bucket_names(after=None, limit=1) == []
    for record in taken:
        readers.give_back(record)
    assert sum(record.dbapi_connection is not None for record in taken) <= sqlite._MAX_IDLE_READERS
    assert len(readers._idle) == sqlite._MAX_IDLE_READERS
    with index.write():
        pass


def readers_of(index: Index) -> sqlite._Readers:
    assert isinstance(index._database, Sqlite)
    return index._database._readers


def test_lookups_and_pages_use_the_same_connection(index: Index) -> None:
    readers = readers_of(index)
    index.bucket("photos")
    (record,) = readers._idle
    for _ in range(3):
        index.bucket("photos")
        index.bucket_names(after=None, limit=1)
        assert readers._idle == [record]


def test_connection_that_was_opened_for_reading_alone_is_not_used_again(
    index: Index, monkeypatch: pytest.MonkeyPatch
) -> None:
    readers = readers_of(index)
    readers._close_idle()
    with monkeypatch.context() as patched:
        patched.setattr(os, "access", lambda path, mode: False)
        index.bucket("photos")
        index.bucket_names(after=None, limit=1)
        assert readers._idle == []
    index.bucket("photos")
    assert len(readers._idle) == 1


def test_connection_in_use_is_closed_when_it_comes_back(path: Path, index: Index) -> None:
    with index._engine.connect() as connection:
        record = readers_of(index).take()
        index.close()
        connection.exec_driver_sql("SELECT 1 FROM buckets")
        readers_of(index).give_back(record)
    assert readers_of(index)._idle == []
    assert not path.with_name(f"{path.name}-wal").exists()


def test_lookup_that_outlasts_the_index_leaves_no_connection(index: Index, monkeypatch: pytest.MonkeyPatch) -> None:
    """Or what was written would not be brought into the file, which the last connection does."""
    readers = readers_of(index)
    is_good = readers.is_good

    def close_meanwhile(connection: sa.pool.ManagesConnection) -> bool:
        monkeypatch.undo()
        was_good = is_good(connection)
        index.close()
        return was_good

    taken = readers.take()
    monkeypatch.setattr(readers, "is_good", close_meanwhile)
    readers.give_back(taken)
    assert readers._idle == []
    path = Path(index._engine.url.database or "")
    assert path.exists()
    assert not path.with_name(f"{path.name}-wal").exists()
