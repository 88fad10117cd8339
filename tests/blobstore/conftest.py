"""A filesystem store with one bucket."""

from pathlib import Path

import pytest

from storage_app.blobstore.filesystem.store import FilesystemStore
from tests.support.stores import BUCKET

# Their assertions say what they compared, as those of tests do.
PARTS = ("part", "records", "bytes", "staging", "buckets", "threads")
pytest.register_assert_rewrite("tests.blobstore.suite", *(f"tests.blobstore.suite_{part}" for part in PARTS))


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    made = FilesystemStore(tmp_path / "store", process="me", durable=False)
    made.create_bucket(BUCKET)
    return made
