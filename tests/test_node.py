"""One process's hold on a store: opened when it is needed, opened again when it was lost, and let go of whole."""

import os
import shutil
import threading
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from storage_app.errors import Unavailable
from storage_app.host.layout import Layout
from storage_app.maintenance.recover import recover
from storage_app.node import Storage
from storage_app.settings import load_settings
from tests.support.core import ALICE, open_storage
from tests.support.disk import failing_closes
from tests.support.service import SECRET_KEY


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[Storage]:
    made = open_storage(tmp_path / "store")
    yield made
    made.stop()


@pytest.fixture
def layout(storage: Storage) -> Layout:
    return Layout(storage.settings.storage_path)


def announced(layout: Layout) -> list[str]:
    return [path.name for path in layout.alive.iterdir()]


def background_threads() -> int:
    return sum(thread.name == "background" for thread in threading.enumerate())


def test_store_is_opened_at_its_first_use_and_once(storage: Storage, layout: Layout) -> None:
    assert announced(layout) == []
    storage.ensure_open()
    services = storage.services
    assert storage.services is services
    assert announced(layout) == [services.commits.process]


def test_store_that_is_recovered_later_opens_then(tmp_path: Path) -> None:
    path = tmp_path / "store"
    storage = Storage(load_settings({"SECRET_KEY": SECRET_KEY, "STORAGE_PATH": str(path)}))
    for use in (storage.start, storage.ensure_open):
        with pytest.raises(Unavailable, match="storage recover"):
            use()
    assert announced(Layout(path)) == []  # whom nobody must wait for
    recover(path, durable=False)
    storage.ensure_open()
    storage.stop()


@pytest.mark.parametrize("lost", ["index", "alive", "staging"])
def test_store_is_opened_again_under_a_new_name(storage: Storage, layout: Layout, lost: str) -> None:
    """When the index was replaced, or others declared this process dead and took its place or its staging."""
    before = storage.services
    before.buckets.create(ALICE, "photos", {})
    if lost == "index":
        layout.index.unlink()
        recover(layout.root, durable=False)
    elif lost == "alive":
        (layout.alive / before.commits.process).unlink()
    else:
        shutil.rmtree(layout.staging / before.commits.process)
    after = storage.services
    assert after.commits.process != before.commits.process
    assert after.buckets.get(ALICE, "photos")[0].name == "photos"
    assert storage.services is after


def test_close_that_fails_is_not_repeated(storage: Storage, layout: Layout, tmp_path: Path) -> None:
    """Or the next request would close the same number again, which by then is somebody's connection, blob or index."""
    before = storage.services
    before.buckets.create(ALICE, "photos", {})
    (layout.alive / before.commits.process).unlink()
    (tmp_path / "somebody's").touch()
    with failing_closes(layout.root) as closed, ExitStack() as stack:
        after = storage.services
        once = list(closed)
        # These take the numbers that were freed.
        others = [stack.enter_context(open(tmp_path / "somebody's")) for _ in range(20)]
        assert storage.services is after
        assert closed == once
        assert [os.fstat(other.fileno()).st_size for other in others] == [0] * 20
    assert any("/alive/" in path for path in once)
    assert after.buckets.get(ALICE, "photos")[0].name == "photos"


def test_stop_lets_go_of_everything(storage: Storage, layout: Layout) -> None:
    before = storage.services
    storage.stop()
    assert (announced(layout), list(layout.staging.iterdir())) == ([], [])
    storage.stop()  # of what is stopped, there is nothing to do
    assert storage.services is not before


def test_only_what_was_started_looks_after_the_store(storage: Storage) -> None:
    """Commands open a store, too, and must not collect beside their work."""
    storage.ensure_open()
    assert background_threads() == 0
    storage.stop()
    storage.start()
    assert background_threads() == 1
    storage.stop()
    assert background_threads() == 0
    storage.ensure_open()
    assert background_threads() == 0
