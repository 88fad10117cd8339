"""The directories of buckets: what must not become one, and where a removed one goes."""

import pytest

from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.blobstore.sidecars import dump_bucket
from storage_app.errors import BucketExists, BucketNotFound
from tests.support.core import a_bucket
from tests.support.stores import BUCKET, purge, put, staged


def test_directory_of_a_bucket_is_never_made_on_the_way(store: FilesystemStore) -> None:
    store.remove_bucket(BUCKET)
    with pytest.raises(BucketNotFound):
        put(store)
    assert not (store.root / "photos").exists()


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


def test_removed_bucket_lies_in_the_trash_by_its_uid(store: FilesystemStore) -> None:
    put(store)
    store.remove_bucket(BUCKET)
    trash = store.root / ".system" / "trash"
    assert [path.name for path in trash.iterdir()] == [BUCKET.uid]
    assert not (store.root / "photos").exists()
    purge(store, BUCKET.uid)
    assert list(trash.iterdir()) == []
