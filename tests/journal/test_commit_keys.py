"""Commits over several keys: all of them change or none does."""

from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from storage_app.domain.buckets import Bucket, Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import BucketNotFound, FileExists, Unavailable
from storage_app.journal.commit import Commit
from tests.support.commits import contents, replace_all, writing
from tests.support.core import ALICE, Core


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


@contextmanager
def deleting(core: Core, bucket: Bucket, *keys: str) -> Iterator[Commit]:
    intents = [Intent(core.commits.process, IntentKind.DELETE, bucket.uid, key) for key in keys]
    with core.commits.recorded_all(intents), core.commits.keys([(intent, bucket) for intent in intents]) as commit:
        yield commit


def test_many_are_deleted_at_once(core: Core, bucket: Bucket) -> None:
    for key in ("a", "b", "c"):
        core.put(key)
    with deleting(core, bucket, "c", "a") as commit:
        assert [locked.key for locked in commit.keys] == ["c", "a"]
        commit.delete_all(bucket, commit.keys)
    assert (contents(core, "a", "b", "c"), core.totals()) == ([b"none", b"abc", b"none"], Totals(1, 3))
    core.check()


def test_many_of_which_none_is_deleted_leave_no_intent(core: Core, bucket: Bucket) -> None:
    core.put("a")
    with deleting(core, bucket, "a", "b") as commit:
        commit.delete_all(bucket, [])
    assert contents(core, "a", "b") == [b"abc", b"none"]
    core.check()


def test_many_of_which_one_fails_are_each_there_or_gone(core: Core, bucket: Bucket) -> None:
    for key in ("a", "b"):
        core.put(key)

    def delete_one_and_fail() -> None:
        with deleting(core, bucket, "a", "b") as commit:
            commit.delete_all(bucket, commit.keys[:1])
            raise OSError("The disk.")

    with pytest.raises(OSError, match="The disk"):
        delete_one_and_fail()
    assert contents(core, "a", "b") == [b"none", b"abc"]
    core.check()


def test_many_whose_intents_another_process_has_resolved_are_refused(core: Core, bucket: Bucket) -> None:
    core.put("a")
    intents = [Intent(core.commits.process, IntentKind.DELETE, bucket.uid, key) for key in ("a", "b")]

    def commit_without_intent() -> None:
        with core.commits.recorded_all(intents):
            with core.index.write() as transaction:
                transaction.clear_intent(intents[1])
            with core.commits.keys([(intent, bucket) for intent in intents]) as commit:
                commit.delete_all(bucket, commit.keys[:1])

    with pytest.raises(Unavailable, match="declared dead"):
        commit_without_intent()
    assert contents(core, "a") == [b"abc"]
    core.check()
