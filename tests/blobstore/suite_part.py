"""What every part of the suite builds on: a store with one empty bucket, and what must hold of it in the end."""

from collections.abc import Iterable
from typing import Any

import pytest

from storage_app.blobstore import Inventory
from storage_app.domain.files import File
from tests.support.stores import BUCKET, content, listed

PATIENCE = 30  # seconds that a thread may wait for what takes an instant


class SuitePart:
    """Tests of one kind. Which store they are of, and what lies in it unexplained, a subclass says."""

    @pytest.fixture
    def empty_store(self) -> Inventory:
        raise NotImplementedError

    def leftovers(self, store: Any) -> Iterable[object]:
        """Whatever the store holds that is neither a record nor the bytes that one names."""
        raise NotImplementedError

    @pytest.fixture
    def store(self, empty_store: Inventory) -> Inventory:
        empty_store.create_bucket(BUCKET)
        empty_store.sync_bucket(BUCKET)
        return empty_store

    def assert_holds(self, store: Inventory, *files: File) -> None:
        """Assert that these are the bucket's files, with their bytes, and that nothing else is in the store."""
        assert listed(store) == sorted(files, key=lambda file: file.key)
        for file in files:
            assert store.read(BUCKET, file.key) == file
            assert len(content(store, file)) == file.size
        assert list(store.replaced_blobs(BUCKET)) == []
        assert list(store.removed_buckets()) == []
        store.tidy()
        assert list(self.leftovers(store)) == []
