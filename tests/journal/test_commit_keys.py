"""Commits over several keys: all of them change or none does, and they are locked in one order."""

import hashlib
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from threading import Barrier

import pytest
import sqlalchemy as sa

from storage_app.blobstore import StagedBlob, StagedSidecar, new_blob_name
from storage_app.domain.buckets import Bucket, Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import BucketNotFound, FileExists, QuotaExceeded
from storage_app.index import Index
from storage_app.journal.commit import Commit
from storage_app.services.upload_rules import check_quota
from tests.support.core import ALICE, Core, a_file
from tests.support.disruptions import wait_until

Staged = tuple[StagedSidecar, StagedBlob]


@contextmanager
def writing(core: Core, bucket: Bucket, data: dict[str, bytes]) -> Iterator[tuple[Commit, list[Staged]]]:
    """Stage `data` by key, and begin one commit over its keys in their order in `data`."""
    intents = [Intent(core.commits.process, IntentKind.WRITE, bucket.uid, key) for key in data]
    with ExitStack() as stack:
        for intent in intents:
            stack.enter_context(core.commits.recorded(intent))
        staged = [stage(core, stack, bucket, key, content) for key, content in data.items()]
        commit = stack.enter_context(core.commits.keys([(intent, bucket) for intent in intents]))
        yield commit, staged


def stage(core: Core, stack: ExitStack, bucket: Bucket, key: str, content: bytes) -> Staged:
    blob = stack.enter_context(core.store.stage(bucket))
    blob.write(content)
    file = a_file(
        key,
        bucket_uid=bucket.uid,
        blob=new_blob_name(key),
        size=len(content),
        sha256=hashlib.sha256(content).hexdigest(),
    )
    return stack.enter_context(core.store.stage_sidecar(bucket, file, blob)), blob


def replace_all(core: Core, bucket: Bucket, data: dict[str, bytes]) -> None:
    with writing(core, bucket, data) as (commit, staged):
        for locked, (sidecar, blob) in zip(commit.keys, staged, strict=True):
            commit.replace(locked, sidecar, blob)


def contents(core: Core, *keys: str) -> list[bytes]:
    found = [core.file(key) for key in keys]
    return [b"none" if file is None else core.read(file) for file in found]


@pytest.fixture
def bucket(core: Core) -> Bucket:
    return core.buckets.get(ALICE, "photos")[0]


def test_both_keys_are_replaced(core: Core, bucket: Bucket) -> None:
    core.put("b", b"old")
    replace_all(core, bucket, {"b": b"newer", "a": b"first"})
    assert contents(core, "a", "b") == [b"first", b"newer"]
    assert core.totals() == Totals(2, 10)
    core.check()


def test_one_key_is_replaced_and_the_other_deleted(core: Core, bucket: Bucket) -> None:
    for key in ("from", "to"):
        core.put(key, key.encode())
    with writing(core, bucket, {"from": b"", "to": b"moved"}) as (commit, (_, (sidecar, blob))):
        source, target = commit.keys
        commit.replace(target, sidecar, blob)
        commit.delete(source)
    assert contents(core, "from", "to") == [b"none", b"moved"]
    assert core.totals() == Totals(1, 5)
    core.check()


def test_keys_come_as_they_were_named_with_what_is_there(core: Core, bucket: Bucket) -> None:
    file, _ = core.put("a")
    with writing(core, bucket, {"b": b"", "a": b""}) as (commit, _):
        assert [(locked.key, locked.current) for locked in commit.keys] == [("b", None), ("a", file)]
        assert [locked.totals for locked in commit.keys] == [Totals(1, 3)] * 2
        with pytest.raises(ValueError, match="too many values"):
            _ = commit.only


def test_refusal_leaves_both_as_they_were(core: Core, bucket: Bucket) -> None:
    core.put("a", b"old")
    with pytest.raises(FileExists), writing(core, bucket, {"a": b"new", "b": b"new"}):
        raise FileExists("There is a file 'a' already.")
    assert contents(core, "a", "b") == [b"old", b"none"]
    core.check()


@pytest.mark.parametrize("error", [FileExists("It comes too late."), BucketNotFound("photos"), OSError("The disk.")])
def test_failure_after_the_first_change_leaves_each_key_as_its_sidecar_says(
    core: Core, bucket: Bucket, error: Exception
) -> None:
    core.put("a", b"old")
    core.put("b", b"old")

    def replace_one_and_fail() -> None:
        with writing(core, bucket, {"a": b"new", "b": b"new"}) as (commit, staged):
            commit.replace(commit.keys[1], *staged[1])
            raise error

    with pytest.raises(type(error)):
        replace_one_and_fail()
    assert contents(core, "a", "b") == [b"old", b"new"]
    core.check()


def test_bucket_that_was_deleted_refuses_the_commit_whole(core: Core, bucket: Bucket) -> None:
    other = core.bucket("other")
    core.buckets.delete(ALICE, "other", force=True)
    intents = [Intent(core.commits.process, IntentKind.WRITE, each.uid, "a") for each in (bucket, other)]
    with (
        pytest.raises(BucketNotFound, match="'other'"),
        core.commits.recorded(intents[0]),
        core.commits.recorded(intents[1]),
        core.commits.keys([(intents[0], bucket), (intents[1], other)]),
    ):
        pytest.fail("it began")
    core.check()


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
