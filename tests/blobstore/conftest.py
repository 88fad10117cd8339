"""A filesystem store with one bucket."""

from pathlib import Path

import pytest

from storage_app.blobstore import FilesystemStore
from tests.support.stores import BUCKET


@pytest.fixture
def store(tmp_path: Path) -> FilesystemStore:
    made = FilesystemStore(tmp_path / "store", process="me", durable=False)
    made.create_bucket(BUCKET)
    return made
