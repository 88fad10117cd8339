"""The index on every database: when it is ready, and readers and writers beside each other."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait

import pytest

from storage_app.domain.buckets import Totals
from storage_app.host.measures import Duration
from storage_app.index import Index
from tests.support.core import a_bucket, a_file
from tests.support.measured import Kept


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
        transaction.make_incomplete()
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


def test_transaction_and_the_wait_for_its_lock_are_told(index: Index, kept: Kept) -> None:
    with ThreadPoolExecutor(1) as pool:
        with index.write() as transaction:
            transaction.lock_bucket("photos")
            waiting = pool.submit(_write_to, index, "photos")
            done, _ = wait([waiting], timeout=0.05)
            assert not done
        waiting.result(10)

    first, _ = kept.seconds(Duration.TRANSACTION)
    assert first >= 0.04
    assert max(kept.seconds(Duration.LOCK_WAIT)) >= 0.01


def test_transaction_that_fails_is_told_too(index: Index, kept: Kept) -> None:
    with pytest.raises(ZeroDivisionError), index.write():
        raise ZeroDivisionError
    assert len(kept.seconds(Duration.TRANSACTION)) == 1


def _write_to(index: Index, bucket: str) -> None:
    with index.write() as transaction:
        transaction.lock_bucket(bucket)
