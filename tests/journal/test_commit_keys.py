"""Commits over several keys: all of them change or none does."""

import pytest

from storage_app.domain.buckets import Bucket, Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.errors import BucketNotFound, FileExists
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
