"""How a commit begins: the keys are locked in one order, with the whole bucket if that has a quota."""

import threading
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import pytest
import sqlalchemy as sa

from storage_app.domain.buckets import Bucket, Totals
from storage_app.errors import QuotaExceeded
from storage_app.index import Index
from storage_app.services.upload_rules import check_quota
from tests.support.commits import contents, replace_all, writing
from tests.support.core import ALICE, Core
from tests.support.disruptions import wait_until


def test_threads_that_name_the_same_keys_in_opposite_order_do_not_deadlock(core: Core, bucket: Bucket) -> None:
    together = Barrier(2)

    def write_rounds(keys: tuple[str, str], name: bytes) -> None:
        for _ in range(25):
            together.wait(30)
            replace_all(core, bucket, dict.fromkeys(keys, name))

    with ThreadPoolExecutor(2) as pool:
        threads = [pool.submit(write_rounds, ("a", "b"), b"one"), pool.submit(write_rounds, ("b", "a"), b"two")]
        for thread in threads:
            thread.result(60)
    assert contents(core, "a", "b") in ([b"one"] * 2, [b"two"] * 2)
    core.check()


# In PostgreSQL a key has a lock of its own; in SQLite there is one for everything.
ON_POSTGRESQL = pytest.mark.parametrize("index_url", ["postgresql"], indirect=True)


def somebody_waits(core: Core) -> bool:
    query = sa.text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted")
    with core.index._engine.connect() as connection:
        return bool(connection.execute(query).scalar_one())


@ON_POSTGRESQL
def test_key_that_comes_later_is_free_while_an_earlier_one_is_waited_for(core: Core, bucket: Bucket) -> None:
    """The order is that of the names, not that of the call."""
    with ThreadPoolExecutor(1) as pool:
        with core.index.write() as holder:
            holder.lock_keys([("photos", "a")])
            waiting = pool.submit(replace_all, core, bucket, {"b": b"new", "a": b"new"})
            wait_until(lambda: somebody_waits(core))
            core.put("b", b"at once")
            assert not waiting.done()
        waiting.result(30)
    assert contents(core, "a", "b") == [b"new"] * 2
    core.check()


def lock(index: Index, key: str, entered: threading.Event) -> None:
    with index.write() as transaction:
        transaction.lock_keys([("photos", key)])
        entered.set()


@ON_POSTGRESQL
@pytest.mark.parametrize("quota", [None, 8], ids=["no quota", "quota"])
def test_bucket_that_got_a_quota_meanwhile_is_locked_whole(core: Core, bucket: Bucket, quota: int | None) -> None:
    """The bucket as it was looked up has none, and then every other key of it would be free."""
    core.buckets.change(ALICE, "photos", {"quota": quota})
    entered = threading.Event()
    with ThreadPoolExecutor(1) as pool:
        with writing(core, bucket, {"a": b"new"}) as (commit, ((sidecar, blob),)):
            assert commit.only.bucket.quota == quota
            other = pool.submit(lock, core.index, "another key", entered)
            if quota is None:
                assert entered.wait(30)
            else:
                wait_until(lambda: somebody_waits(core))
                assert not entered.is_set()
            commit.replace(commit.only, sidecar, blob)
        other.result(30)
    core.check()


@pytest.mark.parametrize(("size", "fits"), [(5, True), (6, False)])
def test_write_is_judged_by_the_quota_that_came_meanwhile(core: Core, bucket: Bucket, size: int, fits: bool) -> None:
    core.put("old", b"old")
    core.buckets.change(ALICE, "photos", {"quota": 8})

    def write() -> None:
        with writing(core, bucket, {"new": bytes(size)}) as (commit, ((sidecar, blob),)):
            check_quota(commit.only.bucket, commit.only.totals, size)
            commit.replace(commit.only, sidecar, blob)

    if fits:
        write()
    else:
        with pytest.raises(QuotaExceeded):
            write()
    assert core.totals() == (Totals(2, 3 + size) if fits else Totals(1, 3))
    core.check()
