"""What every store must do with buckets."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest

from storage_app.blobstore import Inventory, StagedBlob
from storage_app.domain.buckets import Grant
from storage_app.domain.files import File
from storage_app.errors import BucketExists, BucketNotFound
from tests.blobstore.suite_part import SuitePart
from tests.support.core import A_TIME, a_bucket, a_file
from tests.support.stores import BUCKET, collect, listed, purge, put


class OfBuckets(SuitePart):
    def test_bucket_is_read_as_it_was_made(self, store: Inventory) -> None:
        made = a_bucket(
            "all-settings",
            is_public=True,
            description="ü",
            grants={"bob": Grant.WRITE, "@authenticated": Grant.READ},
            max_file_size=0,
            quota=2**62,
            allowed_content_types=("image/*", "text/plain"),
            cache_control="no-store",
        )
        store.create_bucket(made)
        store.sync_bucket(made)
        assert store.read_bucket("all-settings") == made
        assert sorted(store.buckets(), key=str) == sorted([made, BUCKET], key=str)
        changed = replace(made, grants={}, allowed_content_types=None, updated_at=A_TIME + timedelta(days=1))
        file = put(store, bucket=made)
        store.replace_bucket(changed)
        store.sync_bucket(changed)
        assert store.read_bucket("all-settings") == changed
        assert listed(store, changed) == [file]
        self.assert_holds(store)

    def test_bucket_is_made_once(self, store: Inventory) -> None:
        file = put(store)
        for again in (BUCKET, replace(BUCKET, uid="another", owner_id="bob")):
            with pytest.raises(BucketExists):
                store.create_bucket(again)
            assert store.read_bucket("photos") == BUCKET
            self.assert_holds(store, file)

    def test_removed_bucket_is_gone_at_once_and_its_room_later(self, store: Inventory) -> None:
        other = a_bucket("other")
        store.create_bucket(other)
        file, kept = put(store), put(store, bucket=other)
        for _ in range(2):
            store.remove_bucket(BUCKET)
            store.sync_bucket(BUCKET)
            store.sync(BUCKET, "cat.jpg")
        assert store.read_bucket("photos") is None
        assert list(store.buckets()) == [other]
        assert store.read(BUCKET, "cat.jpg") is None
        assert listed(store) == []
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, file.blob)
        assert list(store.removed_buckets()) == [BUCKET.uid]
        for uid in (BUCKET.uid, BUCKET.uid, "never-made"):
            purge(store, uid)
        assert listed(store, other) == [kept]
        self.assert_holds(store)

    def test_bucket_has_files_until_the_last_is_removed(self, store: Inventory) -> None:
        assert not store.has_files(BUCKET)
        file = put(store)
        assert store.has_files(BUCKET)
        store.remove(BUCKET, file.key)
        assert not store.has_files(BUCKET)

    def test_bucket_of_the_same_name_begins_empty(self, store: Inventory) -> None:
        buckets = [BUCKET, *(replace(BUCKET, uid=uid) for uid in ("second", "third"))]
        for bucket, following in pairwise(buckets):
            file = put(store, bucket=bucket)
            store.remove_bucket(bucket)
            store.create_bucket(following)
            assert store.read_bucket("photos") == following
            assert store.read(bucket, "cat.jpg") is None
            assert store.read(following, "cat.jpg") is None
            assert listed(store, following) == []
            with pytest.raises(FileNotFoundError):
                store.open(following, file.blob)
        file = put(store, bucket=buckets[-1])
        assert sorted(store.removed_buckets()) == sorted([BUCKET.uid, "second"])
        purge(store, "second")
        assert list(store.removed_buckets()) == [BUCKET.uid]
        purge(store, BUCKET.uid)
        assert listed(store, buckets[-1]) == [file]
        assert list(self.leftovers(store)) == []

    @pytest.mark.parametrize("with_bytes", [True, False])
    @pytest.mark.parametrize("removed", ["empty", "with the key in it", "after the record was staged"])
    def test_bucket_that_is_gone_takes_nothing(self, store: Inventory, removed: str, with_bytes: bool) -> None:
        file = a_file("cat.jpg", size=0)
        if removed == "with the key in it":
            put(store)
        if removed != "after the record was staged":
            store.remove_bucket(BUCKET)
        with store.stage(BUCKET) as blob, pytest.raises(BucketNotFound):
            self._place_after_removing(store, file, blob if with_bytes else None)
        assert store.read_bucket("photos") is None
        collect(store)
        store.create_bucket(BUCKET)
        with pytest.raises(FileNotFoundError):
            store.open(BUCKET, file.blob)
        self.assert_holds(store)

    def test_bucket_made_again_takes_nothing_that_was_meant_for_the_first(self, store: Inventory) -> None:
        """Its row may be older than what is there."""
        put(store)
        store.remove_bucket(BUCKET)
        again = replace(BUCKET, uid="another")
        store.create_bucket(again)
        file = put(store, bucket=again)
        for write in (
            lambda: put(store),
            lambda: put(store, "new"),
            lambda: store.remove(BUCKET, "cat.jpg"),
            lambda: store.replace_bucket(BUCKET),
        ):
            with pytest.raises(BucketNotFound):
                write()
        store.remove_bucket(BUCKET)
        assert store.read_bucket("photos") == again
        assert list(store.files(again)) == [file]
        assert store.read(BUCKET, "cat.jpg") is None

    def _place_after_removing(self, store: Inventory, file: File, blob: StagedBlob | None) -> None:
        with store.stage_sidecar(BUCKET, file, blob) as sidecar:
            store.remove_bucket(BUCKET)
            store.place(BUCKET, sidecar, blob)
