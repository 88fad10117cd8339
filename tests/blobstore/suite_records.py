"""What every store must do with the records of files."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage_app.blobstore import Inventory, key_hash, new_blob_name
from storage_app.domain.files import check_metadata
from storage_app.errors import BucketNotFound
from tests.blobstore.suite_part import SuitePart
from tests.support.core import A_TIME, a_bucket
from tests.support.stores import BUCKET, collect, content, edit, listed, put

KEYS = [
    *("a", "A", "a/b", "a/B", "a/b/c", "a/b.json", "a.json", "b/a", "cat.JPG", "cat.jpg"),  # case, and folders
    *("..a", "a..", ".bucket.json", ".system", "...", "con", "-", "~", " ", " a", "a "),
    *("it's", '"quoted"', "50%", "%2e%2e", "a%2Fb", "%00", "a\\b", "a\\..\\b", "?*", "<a>|:", "a;b&c#d", "$(a)`b`"),
    *("猫/写真.png", "кот", "قطة", "👩‍👩‍👧.png"),
    *("caf\u00e9", "cafe\u0301", "\u202ecat"),  # composed and not, and turned
    *("x" * 1024, "👍" * 256, "x/" * 511 + "xx", key_hash("a"), f"{key_hash('a')}.json"),
]


class OfRecords(SuitePart):
    def test_file_is_read_as_it_was_placed(self, store: Inventory) -> None:
        fields: dict[str, Any] = {
            "filename": "ü \"'.txt",
            "content_type": "text/html; charset=utf-8",
            "cache_control": "no-store",
        }
        metadata = {"": None, "ключ": [1, 2.5, True, {"deep": "\u0000\n\U0001f408"}]}
        file = put(store, metadata=metadata, updated_at=A_TIME + timedelta(microseconds=1), **fields)
        assert store.read(BUCKET, "cat.jpg") == file
        assert content(store, file) == b"abc"
        self.assert_holds(store, file)

    def test_what_is_absent_is_said_to_be_and_may_be_removed(self, store: Inventory) -> None:
        for bucket in (BUCKET, a_bucket("never-made")):
            assert store.read(bucket, "cat.jpg") is None
            assert list(store.files(bucket)) == []
            assert list(store.replaced_blobs(bucket)) == []
            with pytest.raises(FileNotFoundError):
                store.open(bucket, new_blob_name("cat.jpg"))
            store.delete_blob(bucket, new_blob_name("cat.jpg"))
            store.sync(bucket, "cat.jpg")
            store.sync_bucket(bucket)
        store.remove(BUCKET, "cat.jpg")
        with pytest.raises(BucketNotFound):
            store.remove(a_bucket("never-made"), "cat.jpg")
        assert store.read_bucket("never-made") is None
        self.assert_holds(store)

    def test_overwrite_replaces_the_record_and_keeps_the_old_bytes(self, store: Inventory) -> None:
        other, versions = put(store, "dog.jpg"), [put(store, data=data) for data in (b"first", b"second", b"third")]
        assert store.read(BUCKET, "cat.jpg") == versions[-1]
        assert [content(store, file) for file in versions] == [b"first", b"second", b"third"]
        assert sorted(store.replaced_blobs(BUCKET)) == sorted(("cat.jpg", file.blob) for file in versions[:-1])
        collect(store)
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, versions[0].blob)
        self.assert_holds(store, versions[-1], other)

    def test_edit_replaces_the_record_and_leaves_the_bytes(self, store: Inventory) -> None:
        edited = edit(store, replace(put(store), metadata={"edited": True}))
        assert content(store, edited) == b"abc"
        self.assert_holds(store, edited)

    def test_largest_record_is_read_whole(self, store: Inventory) -> None:
        largest = check_metadata({"all": [1] * 8180})  # 16 KB that people read in one line a number
        file = edit(store, replace(put(store), metadata=largest))
        self.assert_holds(store, file)

    def test_restaged_record_is_the_one_that_is_placed(self, store: Inventory) -> None:
        file = put(store)
        for filename in ("staged again", file.filename):
            again = replace(file, filename=filename)
            with store.stage_sidecar(BUCKET, file) as sidecar:
                sidecar.restage(again)
                assert sidecar.file == again
                store.place(BUCKET, sidecar, None)
                assert sidecar.file == again
            self.assert_holds(store, again)

    def test_remove_takes_the_record_and_leaves_the_bytes(self, store: Inventory) -> None:
        file, other = put(store), put(store, "dog.jpg")
        for _ in range(2):
            store.remove(BUCKET, "cat.jpg")
            store.sync(BUCKET, "cat.jpg")
        assert store.read(BUCKET, "cat.jpg") is None
        assert content(store, file) == b"abc"
        assert list(store.replaced_blobs(BUCKET)) == []  # without a record nobody knows what they are
        for _ in range(2):
            store.delete_blob(BUCKET, file.blob)
        self.assert_holds(store, other)

    def test_bytes_are_not_replaced_ones_where_the_new_ones_are_missing(self, store: Inventory) -> None:
        old, new = put(store), put(store)
        store.delete_blob(BUCKET, new.blob)
        assert list(store.replaced_blobs(BUCKET)) == []
        assert content(store, old) == b"abc"

    def test_store_keeps_copies_of_what_it_is_given_and_gives(self, store: Inventory) -> None:
        file = put(store, metadata={"tags": ["cat"]})
        given, read = file.metadata, store.read(BUCKET, "cat.jpg")
        assert read is not None
        for metadata in (given, read.metadata):
            metadata["tags"].append("changed")
        self.assert_holds(store, replace(file, metadata={"tags": ["cat"]}))

    def test_record_of_another_bucket_counts_as_none(self, store: Inventory) -> None:
        foreign = put(store, "foreign", bucket_uid="another")
        assert store.read(BUCKET, "foreign") is None
        assert listed(store) == []
        assert list(store.replaced_blobs(BUCKET)) == []
        file, other = put(store), replace(BUCKET, uid="another-uid")
        assert store.read(other, "cat.jpg") is None
        assert listed(store, other) == []
        store.remove(BUCKET, "foreign")
        collect(store, foreign)
        self.assert_holds(store, file)

    def test_every_key_has_a_file_of_its_own(self, store: Inventory) -> None:
        files = {key: put(store, key, key.encode()) for key in KEYS}
        assert len(files) == len(KEYS)
        self.assert_holds(store, *files.values())
        for key in KEYS:
            assert content(store, files[key]) == key.encode()
            store.remove(BUCKET, key)
            store.delete_blob(BUCKET, files.pop(key).blob)
            assert [file.key for file in listed(store)] == sorted(files)
        self.assert_holds(store)
