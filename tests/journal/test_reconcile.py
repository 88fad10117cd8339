"""Resolved by hand: one intent, one row or one record, reconciled with what lies in the store."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.intents import Intent, IntentKind
from storage_app.journal.reconcile import reconcile_bucket, reconcile_file
from tests.support.core import ALICE, SERVICE, Core, a_bucket, a_file, open_core


@pytest.fixture
def core(tmp_path: Path) -> Iterator[Core]:
    with open_core(tmp_path / "store") as core:
        core.bucket()
        core.put("old.txt", b"old")
        yield core


@pytest.fixture
def intent(core: Core) -> Intent:
    """An intent of a dead process, for old.txt."""
    return core.intent(IntentKind.WRITE, "old.txt", "blob-that-never-came", process="dead")


def test_putting_right_twice_or_for_nothing_changes_nothing(core: Core, intent: Intent) -> None:
    before = core.file("old.txt")
    for _ in range(2):
        core.recovery.resolve(intent)
    assert core.file("old.txt") == before
    core.check()


def test_noted_bytes_become_a_memory_only_where_no_sidecar_names_them(core: Core, intent: Intent) -> None:
    file = core.file("old.txt")
    assert file is not None
    named = core.intent(IntentKind.WRITE, "old.txt", file.blob, process="dead")
    for each in (intent, named):
        core.recovery.resolve(each)
    pending_deletions = core.index.pending_deletions(file.updated_at.replace(year=9999), after=0, limit=10)
    assert [deletion.blob for deletion in pending_deletions] == ["blob-that-never-came"]


def test_note_without_key_or_of_a_deleted_bucket_is_only_struck(core: Core) -> None:
    intents = [
        Intent("dead", IntentKind.WRITE, "no-such-uid", "a", "blob"),
        Intent("dead", IntentKind.WRITE, core.buckets.get(ALICE, "photos")[0].uid, None),
        Intent("dead", IntentKind.BUCKET, "no-such-uid", "no-such-bucket"),
    ]
    for each in intents:
        with core.index.write() as transaction:
            transaction.add_intent(each)
        core.recovery.resolve(each)
    core.check()


def test_row_is_made_to_agree_with_its_sidecar(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "photos")[0]
    file = core.file("old.txt")
    assert file is not None
    with core.index.write() as transaction:
        transaction.put_file(a_file("ghost", bucket_uid=bucket.uid, size=50), None)
        transaction.drop_file(file)
        assert reconcile_file(transaction, core.store, bucket, "ghost") is None
        assert reconcile_file(transaction, core.store, bucket, "old.txt") == file
        transaction.put_file(a_file("old.txt", bucket_uid=bucket.uid, size=99), file)
        assert reconcile_file(transaction, core.store, bucket, "old.txt") == file
    assert core.totals() == Totals(1, 3)
    core.check()


def test_bucket_row_is_made_to_agree_with_its_record(core: Core) -> None:
    bucket, totals = core.buckets.get(ALICE, "photos")
    with core.index.write() as transaction:
        transaction.put_bucket(a_bucket("ghost"))
        assert reconcile_bucket(transaction, core.store, "ghost") is None
        transaction.put_bucket(a_bucket("photos", uid=bucket.uid, owner_id="mallory", is_public=True))
        assert reconcile_bucket(transaction, core.store, "photos") == (bucket, totals)
    assert core.buckets.get(SERVICE, "photos") == (bucket, totals)
    core.check()
