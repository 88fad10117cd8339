"""Staging: what lies there is the process's own, whole or not at all, and goes when it is not placed."""

import errno
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from storage_app.blobstore import new_blob_name
from storage_app.blobstore.filesystem.staging import BlobFile, SharedBlobFile, SidecarFile, Staging
from storage_app.blobstore.filesystem.store import FilesystemStore
from storage_app.blobstore.sidecars import load_file
from storage_app.errors import InsufficientStorage, Unavailable
from tests.support.core import a_file
from tests.support.disk import files_end_at, open_below, refuse, syncs
from tests.support.stores import BUCKET, content, staged


def test_name_of_what_is_staged_is_nobody_elses(store: FilesystemStore) -> None:
    """Were two to count in one directory, they would come to the same name, and neither may write over the other."""
    other = FilesystemStore(store.root, process="me", durable=False)
    with ExitStack() as stack, store.stage(BUCKET) as blob:
        blob.write(b"abc")
        with pytest.raises(Unavailable):
            [stack.enter_context(other.stage(BUCKET)) for _ in range(10)]
        file = a_file("cat.jpg", size=3, blob=new_blob_name("cat.jpg"))
        with store.stage_sidecar(BUCKET, file, blob) as sidecar:
            store.place(BUCKET, sidecar, blob)
        assert content(store, file) == b"abc"
    assert open_below(store.root) == []


def test_bytes_that_cannot_be_closed_leave_no_record_behind(
    store: FilesystemStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A disk behind a network may say only at the close that there is no room."""

    def close() -> None:
        raise OSError(errno.EDQUOT, os.strerror(errno.EDQUOT))

    with store.stage(BUCKET) as blob:
        monkeypatch.setattr(blob, "close", close)
        with pytest.raises(InsufficientStorage, match="disk is full"):
            store.stage_sidecar(BUCKET, a_file(), blob)
    assert staged(store) == []


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging(tmp_path / "staging" / "me", durable=False)


def names(staging: Staging) -> list[str]:
    return sorted(path.name for path in staging.directory.iterdir())


def test_paths_are_new_each_time(staging: Staging) -> None:
    paths = [staging.new_path() for _ in range(10)]
    assert len(set(paths)) == 10
    assert {Path(path).parent for path in paths} == {staging.directory}


def test_file_is_written_whole_or_not_at_all(staging: Staging) -> None:
    path = staging.new_path()
    staging.write(path, b"content")
    assert Path(path).read_bytes() == b"content"
    with files_end_at(3), pytest.raises(InsufficientStorage):
        staging.write(staging.new_path(), b"content")
    assert names(staging) == [Path(path).name]


@pytest.mark.parametrize("what", ["file", "directory", "nothing"])
def test_discarded_is_gone_whatever_it_was(staging: Staging, what: str) -> None:
    path = Path(staging.new_path())
    if what == "file":
        path.touch()
    elif what == "directory":
        (path / "sub").mkdir(parents=True)
        (path / "sub" / "file").touch()
    staging.discard(str(path))
    assert names(staging) == []


def test_what_the_disk_refuses_to_discard_is_tidied_later(staging: Staging, monkeypatch: pytest.MonkeyPatch) -> None:
    path = staging.new_path()
    staging.write(path, b"content")
    with monkeypatch.context() as patched:
        refuse(patched, "unlink", errno.EIO)
        staging.discard(path)
        staging.tidy()
    assert names(staging) == [Path(path).name]
    staging.tidy()
    assert names(staging) == []
    staging.write(path, b"of another, now")
    staging.tidy()
    assert names(staging) == [Path(path).name]


@pytest.mark.parametrize("fails", [False, True])
def test_only_a_failure_discards(staging: Staging, fails: bool) -> None:
    path = staging.new_path()
    staging.write(path, b"content")

    def run() -> None:
        with staging.discarded_on_failure(path):
            if fails:
                raise ZeroDivisionError

    if fails:
        with pytest.raises(ZeroDivisionError):
            run()
    else:
        run()
    assert names(staging) == ([] if fails else [Path(path).name])


def test_file_of_another_program_gets_the_rights_of_our_own(staging: Staging, tmp_path: Path) -> None:
    """nginx makes its files unreadable for everybody else."""
    source = tmp_path / "spooled"
    source.write_bytes(b"spooled")
    source.chmod(0o600)
    staging.write(own := staging.new_path(), b"own")
    with BlobFile(staging, str(source)) as blob:
        assert blob.write(b", and more") == 10
        blob.close()
        assert Path(blob.path).read_bytes() == b"spooled, and more"
        assert Path(blob.path).stat().st_mode == Path(own).stat().st_mode
    assert not source.exists()
    assert names(staging) == [Path(own).name]


def test_file_of_another_program_that_is_gone_leaves_nothing(staging: Staging, tmp_path: Path) -> None:
    with pytest.raises(Unavailable):
        BlobFile(staging, str(tmp_path / "none"))
    assert names(staging) == []
    assert open_below(staging.directory) == []


def test_shared_bytes_cannot_be_written(staging: Staging, tmp_path: Path) -> None:
    """They may be those of a placed blob itself, which never change."""
    source = tmp_path / "blob"
    source.write_bytes(b"placed")
    with SharedBlobFile(staging, str(source)) as blob:
        with pytest.raises(Unavailable):
            blob.write(b"more")
        with source.open("rb") as opened, pytest.raises(Unavailable):
            blob.append(opened, 6)
        assert Path(blob.path).read_bytes() == source.read_bytes() == b"placed"
    assert names(staging) == []
    assert source.read_bytes() == b"placed"


@pytest.mark.parametrize("missing", ["source", "staging"])
def test_missing_source_is_told_apart_from_missing_staging(staging: Staging, tmp_path: Path, missing: str) -> None:
    source = tmp_path / "blob"
    if missing == "staging":
        source.write_bytes(b"placed")
        staging.directory.rmdir()
    with pytest.raises(Unavailable if missing == "staging" else FileNotFoundError):
        SharedBlobFile(staging, str(source))
    assert open_below(tmp_path) == []


def test_sidecar_is_synced_after_its_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    staging = Staging(tmp_path, durable=True)
    with BlobFile(staging) as blob, syncs(monkeypatch) as synced, SidecarFile(staging, a_file(), blob) as sidecar:
        assert synced == [Path(blob.path), Path(sidecar.path)]
        assert open_below(tmp_path) == []
    assert names(staging) == []


def test_sidecar_that_is_staged_again_leaves_nothing_of_the_first(staging: Staging) -> None:
    changed = replace(a_file(), owner_id="bob")
    with SidecarFile(staging, a_file()) as sidecar:
        first = sidecar.path
        sidecar.restage(changed)
        assert sidecar.path != first
        assert load_file(Path(sidecar.path).read_bytes()) == sidecar.file == changed
        assert names(staging) == [Path(sidecar.path).name]
    assert names(staging) == []
