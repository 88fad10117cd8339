"""The directories of resumable uploads: whole or not there, locked by one, and read by all."""

import errno
import os
import shutil
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import pytest

from storage_app.blobstore.resumables.store import ResumableStore
from storage_app.errors import DamagedFile, InsufficientStorage, Unavailable, UploadLocked
from storage_app.host import clients
from storage_app.host.boot import boot_id
from tests.blobstore.resumables.conftest import ID
from tests.support.disruptions import wait_until
from tests.support.resumables import HELLO, a_resumable

OTHER = "B" * 32


def staged(store: ResumableStore) -> list[str]:
    return [path.name for path in (store.directory.parent / "staging" / "process").iterdir()]


def test_new_upload_is_there_with_its_record(make_store: Callable[..., ResumableStore]) -> None:
    store, upload = make_store(), a_resumable(ID)
    store.create(upload)
    assert (list(store.ids()), staged(store), store.read(ID)) == ([ID], [], upload)
    assert sorted(path.name for path in (store.directory / ID).iterdir()) == ["data", "upload.json"]


def test_new_upload_may_have_bytes(store: ResumableStore) -> None:
    store.create(a_resumable(OTHER, synced=11, boot_id=boot_id()), lambda data: os.write(data, HELLO))
    with store.held(OTHER) as held:
        assert held is not None
        assert (held.offset, b"".join(held.pieces(0, 4))) == (11, HELLO)


def test_upload_that_cannot_be_made_leaves_nothing(store: ResumableStore) -> None:
    def fail(_: int) -> None:
        raise InsufficientStorage("The disk is full.")

    with pytest.raises(InsufficientStorage):
        store.create(a_resumable(OTHER), fail)
    assert (list(store.ids()), staged(store)) == ([ID], [])


def test_fenced_process_makes_no_upload(store: ResumableStore) -> None:
    shutil.rmtree(store.directory.parent / "staging" / "process")
    with pytest.raises(Unavailable):
        store.create(a_resumable(OTHER))
    with pytest.raises(Unavailable):
        store.remove(ID)
    assert list(store.ids()) == [ID]


def test_removed_upload_is_gone_for_all(store: ResumableStore, make_store: Callable[..., ResumableStore]) -> None:
    other = make_store("other")
    with store.held(ID) as held:
        assert held is not None
        held.remove()
        assert held.is_lost
    assert (list(store.ids()), staged(store), store.read(ID)) == ([], [], None)
    with other.held(ID) as found:
        assert found is None


def test_one_process_holds_an_upload(store: ResumableStore, make_store: Callable[..., ResumableStore]) -> None:
    other = make_store("other")
    with store.held(ID), pytest.raises(UploadLocked), other.held(ID):
        pass
    with other.held(ID) as held:
        assert held is not None


def test_who_waits_asks_and_gets_it_next(store: ResumableStore, make_store: Callable[..., ResumableStore]) -> None:
    other = make_store("other")

    def wait_for_it() -> bool:
        with other.held(ID, patience=30) as held:
            return held is not None

    with ThreadPoolExecutor(1) as waiting:
        with store.held(ID) as held:
            assert held is not None
            held.give_way(60)  # nobody asks
            asked = waiting.submit(wait_for_it)
            wait_until((store.directory / ID / "wanted").exists)
            held.give_way(1.9)
            with pytest.raises(UploadLocked):
                held.give_way(2)
        assert asked.result(timeout=30)
    assert not (store.directory / ID / "wanted").exists()


def test_upload_that_vanishes_while_somebody_waits_is_none(
    store: ResumableStore, make_store: Callable[..., ResumableStore]
) -> None:
    other = make_store("other")

    def wait_for_it() -> bool:
        with other.held(ID, patience=30) as held:
            return held is None

    with ThreadPoolExecutor(1) as waiting, store.held(ID) as held:
        assert held is not None
        asked = waiting.submit(wait_for_it)
        wait_until((store.directory / ID / "wanted").exists)
        held.remove()
    assert asked.result()


@pytest.mark.parametrize("content", [b"", b"{", None])
def test_damaged_record_is_reported_and_set_aside(store: ResumableStore, content: bytes | None) -> None:
    record = store.directory / ID / "upload.json"
    record.unlink()
    if content is not None:
        record.write_bytes(content)
    with pytest.raises(DamagedFile):
        store.read(ID)
    with pytest.raises(DamagedFile), store.held(ID):
        pass
    store.set_aside(ID)
    assert list(store.ids()) == []
    assert (store.directory.parent / "lost+found" / "resumable" / ID / "data").exists()


def test_size_is_told_without_the_lock(store: ResumableStore) -> None:
    with store.held(ID) as held:
        assert held is not None
        held.write(b"hello")
        assert store.size(held.upload) == 5
        held.record(checked_from=2)
        assert store.size(held.upload) == 2
        held.record(is_finished=True)
        assert store.size(held.upload) == 11


def test_what_could_not_be_removed_is_tried_again(store: ResumableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    rmdir = os.rmdir

    def fail(*_: object, **__: object) -> None:
        monkeypatch.setattr(os, "rmdir", rmdir)
        raise OSError(errno.EIO, "the disk fails")

    monkeypatch.setattr(os, "rmdir", fail)
    with store.held(ID) as held:
        assert held is not None
        held.remove()
    assert (list(store.ids()), staged(store)) == ([], [f"removed-{ID}"])
    store.tidy()
    assert staged(store) == []


class Crowded:
    """A process that waits for as many clients as it may."""

    def hold(self) -> None:
        raise Unavailable("No place is left.")

    def limit_body(self, seconds: float) -> None:
        raise AssertionError

    def watch_silence(self, watch: object) -> None:
        raise AssertionError


def test_without_a_place_to_wait_in_the_upload_is_locked(store: ResumableStore) -> None:
    clients.install(Crowded())
    try:
        with store.held(ID), pytest.raises(UploadLocked), store.held(ID, patience=30):
            pass
    finally:
        clients.install(None)
