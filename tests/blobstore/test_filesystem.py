"""The filesystem store: what lies where, what counts as a record, what is replaced whole, what is synced."""

import os
import re
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from storage_app.blobstore import DamagedRecord, FilesystemStore, key_hash
from storage_app.blobstore.records import dump_bucket, dump_file, load_file
from storage_app.domain import File
from storage_app.errors import BucketExists, BucketNotFound, DamagedFile, Unavailable
from tests.support.core import a_bucket, a_file
from tests.support.disk import syncs
from tests.support.stores import BUCKET, content, put, sidecar_of, staged


def test_layout_on_disk(store: FilesystemStore) -> None:
    file = put(store, "2026/Cat.jpg", b"miaow")
    hashed = key_hash("2026/Cat.jpg")
    found = sorted(str(path.relative_to(store.root)) for path in store.root.rglob("*") if path.is_file())
    assert found == sorted(
        ["photos/.bucket.json", f"photos/{hashed[:2]}/{hashed}.json", f"photos/{hashed[:2]}/{file.blob}"]
    )
    assert re.fullmatch(rf"{hashed}-[0-9a-f]{{20}}-cat\.jpg", file.blob)
    assert (store.root / "photos" / hashed[:2] / file.blob).read_bytes() == b"miaow"
    assert load_file(sidecar_of(store, "2026/Cat.jpg").read_bytes()) == file
    assert store.locate(BUCKET, file.blob) == f"photos/{hashed[:2]}/{file.blob}"


@pytest.mark.parametrize("key", ["a/b", "a/b/c", "A/B", "..a", "con", "x" * 1024, "猫/写真.png", "a\\..\\b", "a.json"])
def test_any_key_is_kept_apart(store: FilesystemStore, key: str) -> None:
    put(store, "a", b"another")
    file = put(store, key, key.encode())
    assert store.read(BUCKET, key) == file
    assert content(store, file) == key.encode()
    listed = [each.key for each in store.files(BUCKET) if isinstance(each, File)]
    assert sorted(listed) == sorted(["a", key])


def test_overwrite_replaces_the_record_and_keeps_the_old_bytes(store: FilesystemStore) -> None:
    first, second = put(store, data=b"first"), put(store, data=b"second")
    assert store.read(BUCKET, "cat.jpg") == second
    assert content(store, second) == b"second"
    assert content(store, first) == b"first"
    store.delete_blob(BUCKET, first.blob)
    store.delete_blob(BUCKET, first.blob)
    with pytest.raises(FileNotFoundError):
        store.open(BUCKET, first.blob)
    assert content(store, second) == b"second"


def test_open_reader_keeps_its_bytes(store: FilesystemStore) -> None:
    file = put(store, data=b"first")
    with store.open(BUCKET, file.blob) as reader:
        put(store, data=b"second")
        store.delete_blob(BUCKET, file.blob)
        assert reader.read() == b"first"


def test_remove_takes_the_record_and_leaves_the_bytes(store: FilesystemStore) -> None:
    file = put(store)
    store.remove(BUCKET, "cat.jpg")
    store.remove(BUCKET, "cat.jpg")
    assert store.read(BUCKET, "cat.jpg") is None
    assert content(store, file) == b"abc"
    assert staged(store) == []


def test_what_is_not_placed_is_discarded(store: FilesystemStore) -> None:
    with store.stage(BUCKET) as blob:
        blob.write(b"abc")
        record = store.stage_sidecar(BUCKET, a_file())
        assert len(staged(store)) == 2
    record.discard()
    record.discard()
    blob.discard()
    assert staged(store) == []


def test_discarding_what_is_placed_does_nothing(store: FilesystemStore) -> None:
    file = put(store)
    with store.stage(BUCKET) as blob:
        blob.seal()
        record = store.stage_sidecar(BUCKET, file)
        store.place(BUCKET, record, blob)
    record.discard()
    assert store.read(BUCKET, "cat.jpg") == file
    assert content(store, file) == b""


def test_write_takes_large_pieces_whole(store: FilesystemStore) -> None:
    data = os.urandom(3 * 1024 * 1024 + 1)
    assert content(store, put(store, data=data)) == data


def test_place_in_a_removed_bucket_is_refused_and_makes_nothing(store: FilesystemStore) -> None:
    store.remove_bucket(BUCKET)
    with pytest.raises(BucketNotFound):
        put(store)
    assert not (store.root / "photos").exists()


def test_record_of_another_uid_counts_as_none(store: FilesystemStore) -> None:
    put(store)
    other = replace(BUCKET, uid="another")
    assert store.read(other, "cat.jpg") is None
    assert list(store.files(other)) == []
    file = put(store, bucket=other)
    assert store.read(other, "cat.jpg") == file


def test_hash_collision_is_refused(store: FilesystemStore) -> None:
    put(store, "a")
    target = sidecar_of(store, "b")
    target.parent.mkdir(exist_ok=True)
    shutil.copy(sidecar_of(store, "a"), target)
    with pytest.raises(DamagedFile, match="belongs to another file"):
        store.read(BUCKET, "b")
    damaged = [each for each in store.files(BUCKET) if isinstance(each, DamagedRecord)]
    assert damaged == [f"photos/{target.parent.name}/{target.name}: it is the record of 'a'"]


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", bytes(100), b"{}", dump_file(a_file())[:-20]])
def test_damaged_sidecar_is_said_to_be_one(store: FilesystemStore, text: bytes) -> None:
    good = put(store, "good")
    put(store, "bad")
    sidecar_of(store, "bad").write_bytes(text)
    with pytest.raises(DamagedFile):
        store.read(BUCKET, "bad")
    listed = list(store.files(BUCKET))
    assert good in listed
    (damaged,) = (each for each in listed if isinstance(each, DamagedRecord))
    assert damaged.startswith(str(sidecar_of(store, "bad").relative_to(store.root)))


def test_sidecar_that_cannot_be_opened_is_damaged_too(store: FilesystemStore) -> None:
    good = put(store, "good")
    sidecar_of(store, "bad").parent.mkdir(exist_ok=True)
    sidecar_of(store, "bad").mkdir()
    with pytest.raises((DamagedFile, Unavailable)):
        store.read(BUCKET, "bad")
    listed = list(store.files(BUCKET))
    assert good in listed
    assert len(listed) == 2


def test_sidecar_in_another_subdirectory_is_not_listed_as_a_file(store: FilesystemStore) -> None:
    """A copy that somebody made: only one of the two can be the file's."""
    file = put(store)
    shutil.copytree(sidecar_of(store, "cat.jpg").parent, store.root / "photos" / "bk")
    assert [each for each in store.files(BUCKET) if not isinstance(each, DamagedRecord)] == [file]


def test_foreign_files_are_not_records(store: FilesystemStore) -> None:
    (store.root / "notes.txt").write_text("not ours")
    (store.root / "lost+found").mkdir()
    (store.root / "photos" / "README").write_text("not ours")
    (store.root / "photos" / "subfolder").mkdir()
    (store.root / "photos" / "subfolder" / "x.json").write_text("not ours")
    assert list(store.buckets()) == [BUCKET]
    assert list(store.files(BUCKET)) == []


def test_bucket_that_is_made_is_there(store: FilesystemStore) -> None:
    assert store.read_bucket("photos") == BUCKET
    assert store.read_bucket("none") is None
    changed = replace(BUCKET, is_public=True)
    store.replace_bucket(changed)
    store.settle_bucket(changed)
    assert store.read_bucket("photos") == changed
    assert staged(store) == []


@pytest.mark.parametrize("what", ["bucket", "folder", "file"])
def test_bucket_does_not_take_the_place_of_something_else(store: FilesystemStore, what: str) -> None:
    place = store.root / "taken"
    if what == "file":
        place.write_text("not ours")
    else:
        place.mkdir()
        (place / (".bucket.json" if what == "bucket" else "x")).write_bytes(dump_bucket(a_bucket("taken")))
    with pytest.raises(BucketExists, match="in the storage directory already"):
        store.create_bucket(a_bucket("taken", uid="new"))
    assert staged(store) == []
    assert place.is_file() or list(place.iterdir())


def test_removed_bucket_is_gone_at_once_and_its_room_later(store: FilesystemStore) -> None:
    put(store)
    store.remove_bucket(BUCKET)
    store.remove_bucket(BUCKET)
    store.settle_bucket(BUCKET)
    store.settle(BUCKET, "cat.jpg")
    assert store.read_bucket("photos") is None
    assert list(store.buckets()) == []
    assert store.read(BUCKET, "cat.jpg") is None
    trash = store.root / ".system" / "trash"
    assert [path.name for path in trash.iterdir()] == [BUCKET.uid]
    store.create_bucket(replace(BUCKET, uid="second"))
    assert store.read(BUCKET, "cat.jpg") is None
    store.purge_bucket(BUCKET.uid)
    store.purge_bucket(BUCKET.uid)
    assert list(trash.iterdir()) == []


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


def test_probe_leaves_nothing(store: FilesystemStore) -> None:
    store.probe()
    assert staged(store) == []


def test_free_bytes_is_what_the_disk_says(store: FilesystemStore) -> None:
    free = store.free_bytes()
    assert free is not None
    assert 0 < free <= shutil.disk_usage(store.root).total


def test_write_is_durable_before_and_after_it_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path, process="me", durable=True)
    with syncs(monkeypatch) as synced:
        store.create_bucket(BUCKET)
        store.settle_bucket(BUCKET)
    assert [path.name for path in synced[:1]] == [".bucket.json"]
    assert synced[1].parent == tmp_path / ".system" / "staging" / "me"
    assert set(synced[2:]) == {tmp_path / "photos", tmp_path, tmp_path / ".system" / "trash"}
    subdirectory = sidecar_of(store, "cat.jpg").parent
    with syncs(monkeypatch) as synced:
        put(store)
    staging = tmp_path / ".system" / "staging" / "me"
    # Bytes and record while they are staged; the new subdirectory's parent; then the subdirectory they are in.
    assert [path.parent for path in synced[:2]] == [staging, staging]
    assert synced[2:] == [tmp_path / "photos", subdirectory]
    with syncs(monkeypatch) as synced:
        put(store)
    assert synced[2:] == [subdirectory]
    with syncs(monkeypatch) as synced:
        store.remove(BUCKET, "cat.jpg")
        store.settle(BUCKET, "cat.jpg")
    assert synced == [subdirectory]


def test_nothing_is_synced_without_durability(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with syncs(monkeypatch) as synced:
        put(store)
        store.replace_bucket(BUCKET)
        store.settle_bucket(BUCKET)
        store.remove(BUCKET, "cat.jpg")
        store.remove_bucket(BUCKET)
        store.settle_bucket(BUCKET)
    assert synced == []
