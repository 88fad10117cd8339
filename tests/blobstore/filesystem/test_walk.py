"""Walks through a store: only our records and blobs are found, and damage is reported and passed."""

import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from storage_app.blobstore import DamagedRecord, new_blob_name
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.blobstore.sidecars import dump_bucket, dump_file
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


def test_what_is_among_the_buckets_and_is_none_is_named(store: FilesystemStore, tmp_path: Path) -> None:
    for name in ("old-volume", "lost+found"):
        (store.root / name).mkdir()
    (store.root / "notes.txt").write_text("a file is in nobody's way")
    outside = tmp_path / "outside"
    outside.mkdir()
    (store.root / "link").symlink_to(outside)
    (store.root / "broken").symlink_to(tmp_path / "nowhere")
    assert sorted(store.foreign()) == ["link", "old-volume"]
    assert list(store.linked_buckets()) == []


def test_linked_directory_of_a_bucket_is_named_and_not_followed(store: FilesystemStore, tmp_path: Path) -> None:
    put(store)
    (store.root / "photos").rename(tmp_path / "elsewhere")
    (store.root / "photos").symlink_to(tmp_path / "elsewhere")
    assert list(store.linked_buckets()) == ["photos"]
    assert [*store.buckets(), *store.foreign()] == []


def test_linked_subdirectory_is_reported_as_damage(store: FilesystemStore, tmp_path: Path) -> None:
    """A read would follow it, and a rebuild would not: its files would vanish then, without a word."""
    put(store)
    directory = sidecar_of(store, "cat.jpg").parent
    directory.rename(tmp_path / "elsewhere")
    directory.symlink_to(tmp_path / "elsewhere")
    (damaged,) = store.files(BUCKET)
    assert isinstance(damaged, DamagedRecord)
    assert damaged.startswith(f"photos/{directory.name}: it is a link")
    assert store.has_files(BUCKET)


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


def test_replaced_blobs_are_those_that_their_sidecar_does_not_name(store: FilesystemStore) -> None:
    old, _, new = (put(store, data=data) for data in (b"1", b"2", b"3"))
    put(store, "dog.jpg")
    found = list(store.replaced_blobs(BUCKET))
    assert len(found) == 2
    assert ("cat.jpg", old.blob) in found
    assert ("cat.jpg", new.blob) not in found


@pytest.mark.parametrize("damage", ["cut", "missing", "names bytes that are missing"])
def test_no_blob_counts_as_replaced_unless_its_sidecar_names_another_that_is_there(
    store: FilesystemStore, damage: str
) -> None:
    put(store, data=b"old")
    new = put(store, data=b"new")
    path = sidecar_of(store, "cat.jpg")
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-20])
    elif damage == "missing":
        path.unlink()
    else:
        put(store, data=b"newest")
        path.write_bytes(dump_file(replace(new, blob=new_blob_name("cat.jpg"))))
    assert list(store.replaced_blobs(BUCKET)) == []


def test_file_of_the_bucket_before_is_not_listed(store: FilesystemStore) -> None:
    file = put(store)
    assert list(store.files(BUCKET)) == [file]
    assert list(store.files(replace(BUCKET, uid="another"))) == []


def test_walk_over_a_bucket_that_was_deleted_finds_nothing(store: FilesystemStore) -> None:
    put(store)
    store.remove_bucket(BUCKET)
    assert list(store.buckets()) == []
    assert list(store.files(BUCKET)) == []
    assert list(store.replaced_blobs(BUCKET)) == []
