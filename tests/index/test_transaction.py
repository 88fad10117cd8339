"""Write transactions on every database: totals, intents, pending deletions, and what a failed one leaves."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_app.auth.permissions import BucketFilter
from storage_app.domain.buckets import Grant, Totals
from storage_app.index import Index, Transaction
from tests.support.core import a_bucket, a_file


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


def test_many_files_are_found_and_dropped_at_once(index: Index) -> None:
    kept = a_file("kept", size=7)
    with index.write() as transaction:
        transaction.put_bucket(a_bucket())
        transaction.add_files("uid-of-photos", [kept, *(a_file(key, size=2) for key in ("a", "b"))])
    with index.write() as transaction:
        found = transaction.files("uid-of-photos", ["a", "b", "none"])
        assert list(found) == ["a", "b"]
        transaction.drop_files("uid-of-photos", list(found.values()))
    assert index.bucket("photos") == (a_bucket(), Totals(1, 7))
    assert index.files("uid-of-photos", ["a", "b", "kept"]) == {"kept": kept}


def test_many_keys_are_locked_in_one_order(index: Index) -> None:
    """Two that name them in opposite order do not deadlock."""
    keys = [("photos", str(number)) for number in range(50)]

    def lock(named: list[tuple[str, str]]) -> None:
        for _ in range(10):
            with index.write() as transaction:
                transaction.lock_keys(named)

    with ThreadPoolExecutor(2) as pool:
        for done in [pool.submit(lock, keys), pool.submit(lock, keys[::-1])]:
            done.result(timeout=60)
