"""The filesystem store on a disk that fails: what it raises, and that it leaves nothing half done."""

import errno
import shutil
from collections.abc import Callable
from dataclasses import replace

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.errors import InsufficientStorage, Unavailable
from tests.support.core import a_bucket, a_file
from tests.support.disk import files_end_at, refuse
from tests.support.stores import BUCKET, content, put, staged


@pytest.mark.parametrize("size", [0, 100_000])
def test_full_disk_is_insufficient_storage_and_leaves_nothing(store: FilesystemStore, size: int) -> None:
    with files_end_at(size), pytest.raises(InsufficientStorage, match="disk is full"):
        put(store, data=bytes(200_000))
    assert staged(store) == []
    assert list(store.files(BUCKET)) == []


@pytest.mark.parametrize("operation", ["stage_sidecar", "create_bucket", "replace_bucket", "probe"])
def test_full_disk_leaves_no_record_behind(store: FilesystemStore, operation: str) -> None:
    call = {
        "stage_sidecar": lambda: store.stage_sidecar(BUCKET, a_file()),
        "create_bucket": lambda: store.create_bucket(a_bucket("new")),
        "replace_bucket": lambda: store.replace_bucket(replace(BUCKET, is_public=True)),
        "probe": store.probe,
    }[operation]
    with files_end_at(3), pytest.raises(InsufficientStorage):
        call()
    assert staged(store) == []
    assert list(store.buckets()) == [BUCKET]


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (errno.ENOSPC, InsufficientStorage),
        (errno.EDQUOT, InsufficientStorage),
        (errno.EROFS, Unavailable),
        (errno.EIO, Unavailable),
        (errno.EACCES, Unavailable),
    ],
)
@pytest.mark.parametrize("operation", ["place", "remove", "create_bucket", "replace_bucket", "remove_bucket"])
def test_refused_rename_is_translated_and_changes_nothing(
    store: FilesystemStore, operation: str, number: int, raised: type[Exception], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = put(store)
    call: Callable[[], object] = {
        "place": lambda: put(store, data=b"new"),
        "remove": lambda: store.remove(BUCKET, "cat.jpg"),
        "create_bucket": lambda: store.create_bucket(a_bucket("new")),
        "replace_bucket": lambda: store.replace_bucket(replace(BUCKET, is_public=True)),
        "remove_bucket": lambda: store.remove_bucket(BUCKET),
    }[operation]
    with monkeypatch.context() as patched:
        refuse(patched, "rename", number)
        with pytest.raises(raised):
            call()
    assert store.read(BUCKET, "cat.jpg") == file
    assert list(store.buckets()) == [BUCKET]
    # The record that `place` was given is its caller's to discard.
    assert len(staged(store)) == (1 if operation == "place" else 0)


@pytest.mark.parametrize("operation", ["stage", "share", "stage_sidecar", "place", "remove", "probe"])
def test_process_whose_staging_was_taken_can_write_nothing(store: FilesystemStore, operation: str) -> None:
    file = put(store)
    with store.stage(BUCKET) as blob:
        record = store.stage_sidecar(BUCKET, replace(file, blob=new_blob_name("cat.jpg"), size=0), blob)
        shutil.rmtree(store.root / ".system" / "staging" / "me")
        call = {
            "stage": lambda: store.stage(BUCKET),
            "share": lambda: store.share(BUCKET, BUCKET, file.blob),
            "stage_sidecar": lambda: store.stage_sidecar(BUCKET, file),
            "place": lambda: store.place(BUCKET, record, blob),
            "remove": lambda: store.remove(BUCKET, "cat.jpg"),
            "probe": store.probe,
        }[operation]
        with pytest.raises(Unavailable):
            call()
    assert store.read(BUCKET, "cat.jpg") == file
    assert content(store, file) == b"abc"
