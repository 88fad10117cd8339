"""Many files are deleted at once: which, by whom, and what is left when it does not go well."""

from pathlib import Path

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.principals import ANONYMOUS, Principal
from storage_app.errors import BucketNotFound, Forbidden, InsufficientStorage
from storage_app.services import bulk
from storage_app.services.bulk import BulkResult, Failure
from tests.support.core import ALICE, BOB, CAROL, SERVICE, Core, blobs, open_core
from tests.support.disk import syncs


def keys(core: Core, bucket: str = "photos") -> list[str]:
    found = core.index.bucket(bucket)
    assert found is not None
    return [file.key for file in core.index.files_by_key(found[0].uid, prefix="", start="", after=False, limit=9999)]


def delete(core: Core, *chosen: str, by: Principal = ALICE) -> BulkResult:
    return core.deletions.by_keys(by, "photos", chosen)


def delete_prefix(core: Core, prefix: str, *, by: Principal = ALICE) -> BulkResult:
    return core.deletions.by_prefix(by, "photos", prefix)


def done(count: int, *failed: str) -> BulkResult:
    return BulkResult(count, [Failure(key, "forbidden") for key in failed], complete=True)


def test_keys_are_deleted_and_others_stay(core: Core) -> None:
    for key in ("a", "b", "c/d"):
        core.put(key)
    assert delete(core, "c/d", "a", "a") == done(2)
    assert keys(core) == ["b"]
    assert core.totals() == Totals(1, 3)
    core.check()


def test_key_without_a_file_counts_as_deleted(core: Core) -> None:
    core.put("a")
    assert delete(core, "none", "a") == done(2)
    assert delete(core, "none", "a") == done(2)
    core.check()


def test_prefix_is_deleted_whatever_its_number_of_batches(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bulk, "MAX_BATCH", 3)
    for key in ["2025/z", *(f"2026/{number}" for number in range(10)), "2026", "20260"]:
        core.put(key)
    assert delete_prefix(core, "2026/") == done(10)
    assert keys(core) == ["2025/z", "2026", "20260"]
    assert delete_prefix(core, "2026/") == done(0)
    core.check()


def test_each_touched_directory_is_synced_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_core(tmp_path / "store", DURABILITY="fsync") as core:
        core.bucket()
        for number in range(40):
            core.put(f"a/{number}")
        touched = {path.parent for path in core.root.glob("photos/??/*.json")}
        with syncs(monkeypatch) as synced:
            delete_prefix(core, "a/")
    assert sorted(synced) == sorted(touched)
    assert len(touched) < 40


# Bob owns "bob", and nothing else.
@pytest.mark.parametrize(
    ("principal", "grant", "failed"),
    [
        (ALICE, None, []),
        (SERVICE, None, []),
        (BOB, None, ["a", "none"]),
        (BOB, Grant.READ, ["a", "none"]),
        (BOB, Grant.WRITE, []),
        (CAROL, None, ["a", "bob", "none"]),
        (ANONYMOUS, None, ["a", "bob", "none"]),
    ],
)
def test_file_that_the_principal_may_not_delete_fails_alone(
    empty: Core, principal: Principal, grant: Grant | None, failed: list[str]
) -> None:
    empty.bucket("photos", is_public=True)
    empty.put("a")
    empty.put("bob", by=BOB)
    if grant is not None:
        empty.buckets.change(ALICE, "photos", {"grants": {"bob": grant}})
    assert delete(empty, "a", "bob", "none", by=principal) == done(3 - len(failed), *failed)
    assert keys(empty) == [key for key in failed if key != "none"]
    empty.check()


def test_prefix_needs_the_right_to_list_because_the_failed_are_named(empty: Core) -> None:
    empty.bucket("photos", grants={"bob": Grant.WRITE})
    empty.put("bob", by=BOB)
    empty.buckets.change(ALICE, "photos", {"grants": {}})
    with pytest.raises(Forbidden):
        delete_prefix(empty, "b", by=BOB)
    empty.buckets.change(ALICE, "photos", {"is_public": True})
    empty.put("a")
    assert delete_prefix(empty, "a", by=BOB) == done(0, "a")
    assert delete_prefix(empty, "b", by=BOB) == done(1)


def test_missing_bucket_is_not_found(core: Core) -> None:
    with pytest.raises(BucketNotFound):
        core.deletions.by_keys(ALICE, "missing", ["a"])
    with pytest.raises(BucketNotFound):
        core.deletions.by_prefix(ALICE, "missing", "a")


def test_file_whose_sidecar_cannot_be_read_fails_alone(core: Core) -> None:
    for key in ("a", "b", "c"):
        core.put(key)
    damaged = next(path for path in core.root.glob("photos/??/*.json") if '"key": "b"' in path.read_text())
    whole = damaged.read_text()
    damaged.write_text("{")
    assert delete_prefix(core, "") == BulkResult(2, [Failure("b", "damaged_file")], complete=True)
    damaged.write_text(whole)
    assert keys(core) == ["b"]
    core.check()


def test_quota_does_not_keep_files_from_being_deleted(empty: Core) -> None:
    empty.bucket("photos", quota=6)
    for key in ("a", "b"):
        empty.put(key)
    assert delete(empty, "a", "b") == done(2)
    assert empty.totals() == Totals(0, 0)
    empty.check()


def test_disk_that_stays_full_refuses_it_and_leaves_each_file_whole_or_gone(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    for key in ("a", "b", "c"):
        core.put(key)
    real, calls = core.store.remove, iter(range(9))

    def remove(*arguments: object) -> None:
        if next(calls) % 2:
            raise InsufficientStorage("The disk is full.")
        real(*arguments)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(core.store, "remove", remove)
        with pytest.raises(InsufficientStorage):
            delete(core, "a", "b", "c")
    assert keys(core) == ["c"]
    core.check()
    assert delete_prefix(core, "c") == done(1)


def test_bytes_stay_for_a_minute_as_those_of_any_deleted_file(core: Core) -> None:
    core.put("a")
    core.put("b")
    delete_prefix(core, "")
    assert len(blobs(core.root)) == 2
    core.check()
    assert blobs(core.root) == []
