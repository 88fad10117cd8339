"""A directory of resumable uploads, as one process sees it."""

from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.blobstore.resumables.store import ResumableStore
from storage_app.host.boot import boot_id
from tests.support.resumables import a_resumable

ID = "A" * 32


@pytest.fixture
def make_store(tmp_path: Path) -> Callable[..., ResumableStore]:
    def make(process: str = "process", *, durable: bool = True) -> ResumableStore:
        staging, directory = tmp_path / "staging" / process, tmp_path / "resumable"
        for path in (staging, directory):
            path.mkdir(parents=True, exist_ok=True)
        return ResumableStore(directory, staging, durable=durable)

    return make


@pytest.fixture
def store(make_store: Callable[..., ResumableStore]) -> ResumableStore:
    """A store with one upload of this boot."""
    made = make_store()
    made.create(a_resumable(ID, boot_id=boot_id()))
    return made
