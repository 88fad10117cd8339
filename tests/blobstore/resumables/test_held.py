"""An upload under its lock: what of its bytes counts after a kill, a power cut, a wrong checksum and a full disk."""

import errno
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.blobstore.resumables.held import HeldResumable
from storage_app.blobstore.resumables.store import ResumableStore
from storage_app.errors import InsufficientStorage, Unavailable
from storage_app.host import boot
from tests.blobstore.resumables.conftest import ID
from tests.support.resumables import HELLO

BLOB = new_blob_name("new.txt")


def held_once(store: ResumableStore, use: Callable[[HeldResumable], object] = lambda _: None) -> HeldResumable | None:
    """Hold the upload, use it, and return it as it was then; None if there is none any more."""
    with store.held(ID) as held:
        if held is not None:
            use(held)
        return held


def names(store: ResumableStore) -> list[str]:
    return sorted(path.name for path in (store.directory / ID).iterdir())


def boot_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "boot_id").write_text("another boot")
    monkeypatch.setattr(boot, "_BOOT_ID", tmp_path / "boot_id")


def synced_then_more(held: HeldResumable) -> None:
    held.write(b"hello")
    held.sync()
    held.write(b" wor")


def test_bytes_are_there_after_a_kill(store: ResumableStore) -> None:
    held_once(store, synced_then_more)
    held = held_once(store)
    assert held is not None
    assert (held.offset, held.upload.synced) == (9, 5)


def test_another_boot_leaves_what_was_synced(
    store: ResumableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    held_once(store, synced_then_more)
    boot_again(monkeypatch, tmp_path)
    held = held_once(store)
    assert held is not None
    assert (held.offset, held.upload.boot_id) == (5, "another boot")
    assert (store.directory / ID / "data").read_bytes() == b"hello"


def test_another_boot_ends_an_upload_that_was_never_synced(
    make_store: Callable[..., ResumableStore], store: ResumableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    boot_again(monkeypatch, tmp_path)
    assert held_once(make_store(durable=False)) is None
    assert list(store.ids()) == []


def test_bytes_whose_checksum_was_not_compared_are_cut_off(store: ResumableStore) -> None:
    def killed_in_between(held: HeldResumable) -> None:
        held.write(b"hello")
        held.sync()
        held.record(checked_from=5)
        held.write(b" world")

    held_once(store, killed_in_between)
    held = held_once(store)
    assert held is not None
    assert (held.offset, held.upload.checked_from, held.upload.cuts) == (5, None, 1)


def test_sealed_bytes_never_change(store: ResumableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def seal(held: HeldResumable) -> None:
        held.record(checked_from=0)
        held.write(HELLO)
        held.sync(checked_from=None, blob=BLOB)
        with pytest.raises(AssertionError):
            held.write(b"!")
        with pytest.raises(AssertionError):
            held.cut(3)

    held_once(store, seal)
    boot_again(monkeypatch, tmp_path)
    held = held_once(store)
    assert held is not None
    assert (held.offset, (store.directory / ID / "data").read_bytes()) == (11, HELLO)


def test_adopted_file_leaves_the_bytes_here(store: ResumableStore, tmp_path: Path) -> None:
    def adopt(held: HeldResumable) -> None:
        held.write(HELLO)
        os.link(store.directory / ID / "data", store.directory / ID / "link")  # as a killed process leaves it
        with held.for_adoption() as source:  # a store that fails leaves it where it is
            assert source.read() == HELLO
        with held.for_adoption() as source:
            os.rename(source.name, tmp_path / "blob")
        assert held.has_bytes

    held_once(store, adopt)
    assert (tmp_path / "blob").read_bytes() == HELLO
    assert names(store) == ["data", "upload.json"]


def test_without_hard_links_the_bytes_themselves_move(
    store: ResumableStore, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def no_link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    def adopt(held: HeldResumable) -> None:
        held.write(HELLO)
        with held.for_adoption() as source:
            os.rename(source.name, tmp_path / "blob")
        assert not held.has_bytes

    monkeypatch.setattr(os, "link", no_link)
    held_once(store, adopt)
    assert (tmp_path / "blob").read_bytes() == HELLO


def test_finished_upload_has_no_bytes_and_tells_its_length(store: ResumableStore) -> None:
    def finish(held: HeldResumable) -> None:
        held.write(HELLO)
        held.sync(blob=BLOB)
        held.finish()

    held_once(store, finish)
    held = held_once(store)
    assert held is not None
    assert (held.offset, held.upload.is_finished, held.upload.length) == (11, True, 11)
    assert names(store) == ["upload.json"]


def test_disk_that_fails_at_a_sync_takes_back_what_may_be_lost(
    store: ResumableStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    fsync = os.fsync

    def fail(descriptor: int) -> None:
        monkeypatch.setattr(os, "fsync", fsync)
        raise OSError(errno.EIO, "the disk fails")

    def write(held: HeldResumable) -> None:
        held.write(b"hello")
        held.sync()
        held.write(b" world")
        monkeypatch.setattr(os, "fsync", fail)
        with pytest.raises(Unavailable):
            held.sync()
        assert held.offset == 5

    held_once(store, write)


def test_full_disk_keeps_what_it_took(store: ResumableStore, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write

    def some(descriptor: int, data: bytes) -> int:
        if len(data) < 5:
            raise OSError(errno.ENOSPC, "the disk is full")
        return write(descriptor, data[:3])

    def fill(held: HeldResumable) -> None:
        monkeypatch.setattr(os, "write", some)
        with pytest.raises(InsufficientStorage):
            held.write(b"hello")
        monkeypatch.setattr(os, "write", write)
        assert held.offset == 3

    held_once(store, fill)
