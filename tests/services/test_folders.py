"""Folders that are copied and moved: file by file, each whole or among the failed, and asked again it goes on."""

from typing import Any

import pytest

from storage_app.domain.buckets import Grant
from storage_app.domain.copies import CopyRequest, Place
from storage_app.errors import BucketNotFound, Forbidden
from storage_app.services import bulk
from storage_app.services.bulk import BulkResult, Failure
from tests.support.core import ALICE, BOB, Core

KEYS = ["2026/a", "2026/b/c", "2026/b/d", "2027/a", "other"]


@pytest.fixture
def core(empty: Core) -> Core:
    """Two buckets of Alice's, of which the first holds `KEYS`."""
    empty.bucket()
    empty.bucket("other")
    for key in KEYS:
        empty.put(key, key.encode())
    return empty


def asked(prefix: str, to: str, *, bucket: str = "photos", **fields: Any) -> CopyRequest:
    return CopyRequest(Place("photos", prefix), Place(bucket, to), **fields)


def held(core: Core, bucket: str = "photos") -> dict[str, str]:
    """The files of a bucket by key, and what is in them, which is the key that they had at first."""
    uid = core.buckets.get(ALICE, bucket)[0].uid
    files = core.index.files_by_key(uid, prefix="", start="", after=False, limit=1000)
    return {file.key: core.read(file, bucket=bucket).decode() for file in files}


def test_every_file_with_the_prefix_is_moved(core: Core) -> None:
    assert core.services.folders.move(ALICE, asked("2026/", "old/2026/")) == BulkResult(3, [], complete=True)
    moved = {"old/2026/a": "2026/a", "old/2026/b/c": "2026/b/c", "old/2026/b/d": "2026/b/d"}
    assert held(core) == moved | {"2027/a": "2027/a", "other": "other"}
    core.check()


def test_every_file_with_the_prefix_is_copied_to_another_bucket(core: Core) -> None:
    assert core.services.folders.copy(ALICE, asked("2026/b/", "", bucket="other")) == BulkResult(2, [], complete=True)
    assert held(core, "other") == {"c": "2026/b/c", "d": "2026/b/d"}
    assert list(held(core)) == KEYS
    core.check()


def test_whole_bucket_is_copied_with_an_empty_prefix(core: Core) -> None:
    assert core.services.folders.copy(ALICE, asked("", "all/", bucket="other")).done == len(KEYS)
    assert list(held(core, "other")) == [f"all/{key}" for key in KEYS]


@pytest.mark.parametrize("action", ["copy", "move"])
def test_file_that_would_be_taken_again_stays(core: Core, action: str) -> None:
    core.put("a/a/b", b"a/a/b")
    core.put("a/c", b"a/c")
    act = getattr(core.services.folders, action)
    for done in (1, 0 if action == "move" else 1):  # asked again, nothing more happens
        assert act(ALICE, asked("a/", "")) == BulkResult(done, [Failure("a/a/b", "conflict")], complete=True)
    assert held(core).items() >= {"a/a/b": "a/a/b", "c": "a/c"}.items()
    assert ("a/c" in held(core)) is (action == "copy")
    core.check()


def test_file_that_is_in_the_way_is_among_the_failed(core: Core) -> None:
    core.put("new/b/c", b"first")
    result = core.services.folders.move(ALICE, asked("2026/", "new/"))
    assert result == BulkResult(2, [Failure("2026/b/c", "file_exists")], complete=True)
    assert (held(core)["new/b/c"], held(core)["2026/b/c"]) == ("first", "2026/b/c")
    assert core.services.folders.move(ALICE, asked("2026/", "new/", overwrite=True)).done == 1
    assert held(core)["new/b/c"] == "2026/b/c"
    core.check()


def test_key_that_would_be_too_long_is_among_the_failed(core: Core) -> None:
    result = core.services.folders.copy(ALICE, asked("2026/a", "x" * 1024 + "/"))
    assert result == BulkResult(0, [Failure("2026/a", "invalid_name")], complete=True)


def test_copy_that_is_asked_for_again_goes_on(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_SECONDS", 0)
    assert core.services.folders.copy(ALICE, asked("2026/", "new/")) == BulkResult(0, [], complete=False)
    monkeypatch.undo()
    assert core.services.folders.copy(ALICE, asked("2026/", "new/")).done == 3
    copied = core.file("new/a")
    assert core.services.folders.copy(ALICE, asked("2026/", "new/")) == BulkResult(3, [], complete=True)
    assert core.file("new/a") == copied
    core.check()


def test_each_file_needs_its_rights(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    core.put("2026/bobs", b"2026/bobs", by=BOB)
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.READ}})
    core.buckets.change(ALICE, "other", {"grants": {"bob": Grant.WRITE}})
    result = core.services.folders.move(BOB, asked("2026/b", "", bucket="other"))
    assert result.failed == [Failure("2026/b/c", "forbidden"), Failure("2026/b/d", "forbidden")]
    assert held(core, "other") == {"obs": "2026/bobs"}
    core.check()


@pytest.mark.parametrize(
    ("request_", "raised"),
    [
        (CopyRequest(Place("none", "a"), Place("photos", "b")), BucketNotFound),
        (CopyRequest(Place("photos", "a"), Place("none", "b")), BucketNotFound),
    ],
)
def test_missing_bucket_refuses_the_whole(core: Core, request_: CopyRequest, raised: type[Exception]) -> None:
    for act in (core.services.folders.copy, core.services.folders.move):
        with pytest.raises(raised):
            act(ALICE, request_)


def test_folder_needs_the_right_to_list_it(core: Core) -> None:
    with pytest.raises(Forbidden):
        core.services.folders.copy(BOB, asked("2026/", "x/", bucket="other"))
