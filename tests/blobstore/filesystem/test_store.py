"""The filesystem store: what every store must do, and besides what lies where, and what is synced."""

import re
import shutil
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from storage_app.blobstore import DamagedRecord, Inventory, NginxPath, key_hash
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.blobstore.sidecars import dump_bucket, dump_file, load_file
from storage_app.domain.files import File
from storage_app.errors import DamagedFile, Unavailable
from tests.blobstore.suite import BlobStoreSuite
from tests.support.core import a_file
from tests.support.disk import open_below, syncs
from tests.support.stores import BUCKET, put, sidecar_of, unexplained


class TestFilesystemStore(BlobStoreSuite):
    @pytest.fixture(params=[False, True], ids=["not synced", "durable"])
    def empty_store(self, request: pytest.FixtureRequest, tmp_path: Path) -> FilesystemStore:
        return FilesystemStore(tmp_path / "store", process="me", durable=request.param)

    def leftovers(self, store: FilesystemStore) -> Iterable[object]:
        return unexplained(store)

    def assert_holds(self, store: Inventory, *files: File) -> None:
        super().assert_holds(store, *files)
        assert isinstance(store, FilesystemStore)
        assert open_below(store.root) == []


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
    assert store.locate(BUCKET, file.blob) == NginxPath(f"photos/{hashed[:2]}/{file.blob}")


def test_record_that_a_bucket_before_left_is_written_over(store: FilesystemStore) -> None:
    """A directory that was copied in, and given another uid by hand."""
    put(store)
    other = replace(BUCKET, uid="another")
    (store.root / "photos" / ".bucket.json").write_bytes(dump_bucket(other))
    assert store.read(other, "cat.jpg") is None
    file = put(store, bucket=other)
    assert store.read(other, "cat.jpg") == file
    assert store.read(BUCKET, "cat.jpg") is None


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


def test_free_bytes_is_what_the_disk_says(store: FilesystemStore) -> None:
    free = store.free_bytes()
    assert free is not None
    assert 0 < free <= shutil.disk_usage(store.root).total


def test_write_is_durable_before_and_after_it_is_placed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    store = FilesystemStore(tmp_path, process="me", durable=True)
    with syncs(monkeypatch) as synced:
        store.create_bucket(BUCKET)
        store.sync_bucket(BUCKET)
    assert [path.name for path in synced[:1]] == [".bucket.json"]
    assert synced[1].parent == tmp_path / ".system" / "staging" / "me"
    assert set(synced[2:]) == {tmp_path / "photos", tmp_path, tmp_path / ".system" / "trash"}
    subdirectory = sidecar_of(store, "cat.jpg").parent
    with syncs(monkeypatch) as synced:
        put(store)
    staging = tmp_path / ".system" / "staging" / "me"
    # The new subdirectory's parent; the bytes and the record; then the subdirectory they are in.
    assert [path.parent for path in synced[1:3]] == [staging, staging]
    assert [synced[0], *synced[3:]] == [tmp_path / "photos", subdirectory]
    with syncs(monkeypatch) as synced:
        put(store)
    assert synced[2:] == [subdirectory]
    with syncs(monkeypatch) as synced:
        store.remove(BUCKET, "cat.jpg")
        store.sync(BUCKET, "cat.jpg")
    assert synced == [subdirectory]


def test_nothing_is_synced_without_durability(store: FilesystemStore, monkeypatch: pytest.MonkeyPatch) -> None:
    with syncs(monkeypatch) as synced:
        put(store)
        store.replace_bucket(BUCKET)
        store.sync_bucket(BUCKET)
        store.remove(BUCKET, "cat.jpg")
        store.remove_bucket(BUCKET)
        store.sync_bucket(BUCKET)
    assert synced == []
