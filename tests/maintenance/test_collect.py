"""Collection: what was replaced or deleted is removed when its time has come, and nothing else ever is."""

import time
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import pytest

from storage_app.domain.buckets import Bucket
from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.times import now
from storage_app.errors import Unavailable
from storage_app.index import Index
from storage_app.maintenance import collect as collection
from storage_app.maintenance.collect import GRACE, collect, correct_times
from tests.support.core import ALICE, Core, a_file, blobs, open_core
from tests.support.disk import syncs


def scheduled(core: Core) -> int:
    return len(core.index.pending_deletions(now() + timedelta(days=1), after=0, limit=1000))


def test_replaced_and_deleted_bytes_stay_for_a_minute(core: Core) -> None:
    assert GRACE.total_seconds() == 60
    replaced, _ = core.put("a.txt", b"old")
    kept, _ = core.put("a.txt", b"new")
    deleted, _ = core.put("b.txt", b"dead")
    core.files.delete(ALICE, "photos", "b.txt", conditions=UNCONDITIONAL)
    assert collect(core.index, core.store, until=now() - GRACE) == 0
    assert blobs(core.root) == sorted([replaced.blob, kept.blob, deleted.blob])
    assert collect(core.index, core.store, until=now()) == 2
    assert blobs(core.root) == [kept.blob]
    assert collect(core.index, core.store, until=now()) == 0
    core.check()


def test_minute_counts_from_the_replacement(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.put("a.txt", b"old")
    replaced_at = now() + timedelta(hours=1)
    monkeypatch.setattr("storage_app.journal.commit.now", lambda: replaced_at)
    core.put("a.txt", b"new")
    assert collect(core.index, core.store, until=replaced_at - timedelta(microseconds=1)) == 0
    assert collect(core.index, core.store, until=replaced_at) == 1


def test_clock_that_goes_back_keeps_no_bytes_for_longer_than_two_minutes(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as tomorrow:
        tomorrow.setattr("storage_app.journal.commit.now", lambda: now() + timedelta(days=1))
        for content in (b"old", b"new"):
            core.put("a.txt", content)
    core.put("a.txt", b"newest")
    current = now()
    correct_times(core.index, current)
    assert collect(core.index, core.store, until=current - GRACE) == 0
    correct_times(core.index, current + timedelta(seconds=1))  # which changes nothing any more
    assert collect(core.index, core.store, until=current) == 2
    core.check()


def test_bytes_that_a_sidecar_names_are_never_removed(core: Core) -> None:
    file, _ = core.put("a.txt")
    with core.index.write() as transaction:
        transaction.schedule_deletion(file.bucket_uid, "a.txt", file.blob, now())
    core.collect()
    assert blobs(core.root) == [file.blob]
    assert scheduled(core) == 0


def test_sidecar_decides_even_where_the_row_is_wrong(core: Core) -> None:
    file, _ = core.put("a.txt")
    with core.index.write() as transaction:
        transaction.schedule_deletion(file.bucket_uid, "a.txt", file.blob, now())
        transaction.drop_file(file)
    core.collect()
    assert blobs(core.root) == [file.blob]


@pytest.fixture
def deleted(core: Core, monkeypatch: pytest.MonkeyPatch) -> Bucket:
    """A deleted bucket that had five files, whose rows are purged two at a time."""
    monkeypatch.setattr(collection, "_PURGED_ROWS", 2)
    bucket = core.buckets.get(ALICE, "photos")[0]
    for number in range(5):
        core.put(str(number))
    core.buckets.delete(ALICE, "photos", force=True)
    return bucket


def test_deleted_bucket_is_purged_with_its_rows(core: Core, deleted: Bucket) -> None:
    trash = core.layout.system / "trash"
    assert [path.name for path in trash.iterdir()] == [deleted.uid]
    assert collect(core.index, core.store, until=now() - GRACE) == 0
    assert [path.name for path in trash.iterdir()] == [deleted.uid]
    assert core.collect() == 1
    assert list(trash.iterdir()) == []
    assert core.index.files_by_key(deleted.uid, prefix="", start="", after=False, limit=9) == []
    core.check()


def test_purge_that_is_told_to_stop_goes_on_later(core: Core, deleted: Bucket) -> None:
    for count in (3, 1, 0):
        assert collect(core.index, core.store, until=now(), rest=lambda _: True) == 0
        assert len(core.index.files_by_key(deleted.uid, prefix="", start="", after=False, limit=9)) == count
    assert core.collect() == 1
    core.check()


def test_purge_of_a_large_bucket_lets_others_write(core: Core, long: bool) -> None:
    """Another process writes after each batch, and has as long for it as the batch took."""
    count = 100_000 if long else 2_500
    bucket = core.buckets.get(ALICE, "photos")[0]
    files = (a_file(str(number), bucket_uid=bucket.uid) for number in range(count))
    with core.index.write() as transaction:
        transaction.add_files(bucket.uid, list(files))
    for number in range(256):
        (core.root / "photos" / f"{number:02x}").mkdir(exist_ok=True)
    core.buckets.delete(ALICE, "photos", force=True)
    rests: list[float] = []
    worked = began = 0.0

    def rest(seconds: float) -> None:
        nonlocal worked, began
        worked += time.monotonic() - began
        rests.append(seconds)
        with another.write() as transaction:
            transaction.lock_bucket("another")
        began = time.monotonic()

    with closing(Index(core.layout.index)) as another:
        began = time.monotonic()
        assert collect(core.index, core.store, until=now(), rest=rest) == 1
    assert len(rests) >= count // 250 + 256
    assert worked / 2 < sum(rests) <= worked
    core.check()


def test_bucket_made_again_is_not_touched_by_the_sweep_of_the_first(core: Core) -> None:
    core.put("a.txt", b"first")
    core.buckets.delete(ALICE, "photos", force=True)
    core.bucket()
    file, _ = core.put("a.txt", b"second")
    core.collect()
    assert core.read(file) == b"second"
    core.check()


def test_one_that_cannot_be_removed_does_not_keep_the_others(core: Core) -> None:
    damaged, _ = core.put("a.txt", b"old")
    core.put("a.txt", b"new")
    core.put("b.txt", b"old")
    kept, _ = core.put("b.txt", b"new")
    for path in (core.root / "photos").glob(f"*/{damaged.blob[:32]}.json"):
        path.write_bytes(b"")
    assert core.collect() == 1
    assert damaged.blob in blobs(core.root)
    assert [name for name in blobs(core.root) if name.startswith(kept.blob[:32])] == [kept.blob]


def test_what_could_not_be_removed_for_the_moment_is_removed_later(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise Unavailable("the disk is away")

    core.put("a.txt", b"old")
    kept, _ = core.put("a.txt", b"new")
    with monkeypatch.context() as patched:
        patched.setattr(core.store, "delete_blob", refuse)
        core.collect()
    core.collect()
    assert blobs(core.root) == [kept.blob]


def test_directories_are_synced_once_for_all_their_blobs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_core(tmp_path / "store", DURABILITY="fsync") as core:
        core.bucket()
        for number in range(40):
            core.put(str(number))
        touched = {path.parent for path in core.root.glob("photos/??/*.json")}
        core.deletions.by_keys(ALICE, "photos", map(str, range(40)))
        with syncs(monkeypatch) as synced:
            assert core.collect() == 40
        assert sorted(synced) == sorted(touched)
        core.check()


def test_collection_ends_when_it_has_no_more_time_and_goes_on_later(
    core: Core, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(collection, "_BATCH", 2)
    for number in range(5):
        core.put(str(number))
    core.deletions.by_keys(ALICE, "photos", map(str, range(5)))
    assert collect(core.index, core.store, until=now(), rest=lambda _: True) == 2
    assert collect(core.index, core.store, until=now(), rest=lambda _: False) == 3
    core.check()
