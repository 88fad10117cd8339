"""Walks through a store: only our records and blobs are found, and damage is reported and passed."""

import shutil

import pytest

from storage_app.blobstore import DamagedRecord
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.blobstore.sidecars import dump_bucket
from storage_app.errors import DamagedFile
from tests.support.core import a_bucket
from tests.support.stores import BUCKET, put, sidecar_of


def test_sidecar_in_another_subdirectory_is_not_listed_as_a_file(store: FilesystemStore) -> None:
    """A copy that somebody made: only one of the two can be the file's."""
    file = put(store)
    shutil.copytree(sidecar_of(store, "cat.jpg").parent, store.root / "photos" / "bk")
    assert [each for each in store.files(BUCKET) if not isinstance(each, DamagedRecord)] == [file]


def test_foreign_files_are_not_records(store: FilesystemStore) -> None:
    (store.root / "intents.txt").write_text("not ours")
    (store.root / "lost+found").mkdir()
    (store.root / "photos" / "README").write_text("not ours")
    (store.root / "photos" / "subfolder").mkdir()
    (store.root / "photos" / "subfolder" / "x.json").write_text("not ours")
    assert list(store.buckets()) == [BUCKET]
    assert list(store.files(BUCKET)) == []


@pytest.mark.parametrize("text", [b"", b"{}", dump_bucket(a_bucket("another"))])
def test_damaged_bucket_record_is_said_to_be_one(store: FilesystemStore, text: bytes) -> None:
    (store.root / "photos" / ".bucket.json").write_bytes(text)
    store.create_bucket(a_bucket("good"))
    with pytest.raises(DamagedFile, match="'photos'"):
        store.read_bucket("photos")
    listed = sorted(store.buckets(), key=str)
    assert a_bucket("good") in listed
    (damaged,) = (each for each in listed if isinstance(each, DamagedRecord))
    assert damaged.startswith("photos/.bucket.json: ")
