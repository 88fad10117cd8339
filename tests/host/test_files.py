"""System calls on files: whole or an error of ours, and what is synced in which order."""

import errno
import os
from pathlib import Path

import pytest

from storage_app.errors import InsufficientStorage, StorageError, Unavailable
from storage_app.host.files import (
    ReadOnlyFile,
    read_whole,
    remove_tree,
    replace_durably,
    scan,
    sync_directory,
    translated,
    write_all,
    write_new,
)
from storage_app.host.measures import Duration
from tests.support.disk import failing_closes, files_end_at, open_below, refuse, syncs
from tests.support.measured import Kept


@pytest.mark.parametrize(
    ("number", "raised"),
    [
        (errno.ENOSPC, InsufficientStorage),
        (errno.EDQUOT, InsufficientStorage),
        (errno.EFBIG, InsufficientStorage),
        (errno.EIO, Unavailable),
        (errno.EROFS, Unavailable),
        (errno.EACCES, Unavailable),
        (errno.ENOENT, Unavailable),
        (None, Unavailable),
    ],
)
def test_refusal_of_the_system_becomes_ours(number: int | None, raised: type[StorageError]) -> None:
    error = OSError("no number") if number is None else OSError(number, os.strerror(number), "/a/path")
    assert type(translated(error)) is raised
    assert "/a/path" not in translated(error).detail


def test_what_was_only_read_or_is_synced_may_fail_to_close(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with failing_closes(tmp_path.parent) as closed:
        assert read_whole(str(path)) == b"abc"
        sync_directory(tmp_path)
    assert len(closed) == 2


def test_tree_is_removed_and_its_links_are_not_followed(tmp_path: Path) -> None:
    tree, other = tmp_path / "tree", tmp_path / "other"
    (tree / "a" / "b").mkdir(parents=True)
    (tree / "a" / "b" / "file").touch()
    other.mkdir()
    (other / "kept").touch()
    (tree / "link").symlink_to(other)
    with failing_closes(tmp_path):
        remove_tree(tree)
    (tmp_path / "tree").symlink_to(other)
    remove_tree(tree)
    remove_tree(tree)  # another process may have been faster
    assert [path.name for path in tmp_path.rglob("*")] == ["other", "kept"]


def test_file_is_synced_before_it_replaces_another(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, staged = tmp_path / "store.json", tmp_path / "store.json.new"
    staged.write_bytes(b"longer, of a process that was killed")
    with syncs(monkeypatch) as synced:
        for content in (b"old", b"new"):
            replace_durably(path, content)
            assert path.read_bytes() == content
    assert synced == 2 * [staged, tmp_path]


def test_new_file_that_cannot_be_closed_is_refused(tmp_path: Path) -> None:
    with failing_closes(tmp_path), pytest.raises(Unavailable):
        write_new(tmp_path / "file", b"abc", durable=True)


def test_file_open_for_reading_closes_once_and_without_an_error(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"abc")
    with ReadOnlyFile(str(path)) as file:
        os.close(file.fileno())  # so that the next one fails
    with path.open() as other:
        file.close()
        assert other.read() == "abc"


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 64 * 1024 + 1, 200_000])
def test_file_is_read_whole(tmp_path: Path, size: int) -> None:
    content = os.urandom(size)
    (tmp_path / "file").write_bytes(content)
    assert read_whole(f"{tmp_path}/file") == content
    assert open_below(tmp_path) == []


def test_file_that_cannot_be_read_is_the_systems_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        read_whole(f"{tmp_path}/none")
    with pytest.raises(IsADirectoryError):
        read_whole(str(tmp_path))
    assert open_below(tmp_path) == []


def test_entries_are_listed_and_none_where_nothing_is(tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / name).touch()
    assert sorted(entry.name for entry in scan(tmp_path)) == ["a", "b"]
    assert list(scan(tmp_path / "none")) == []


def test_directory_that_cannot_be_listed_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(Unavailable, match="cannot be read right now"):
        list(scan(tmp_path / "file"))


def test_all_is_written_though_each_write_is_short(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with (tmp_path / "file").open("wb") as file, monkeypatch.context() as patched:
        patched.setattr("os.write", lambda descriptor, data: write(descriptor, data[:3]))
        write_all(file.fileno(), b"0123456789")
    assert (tmp_path / "file").read_bytes() == b"0123456789"


@pytest.mark.parametrize("durable", [False, True])
def test_new_file_is_written_and_synced_after_those_beside_it(
    tmp_path: Path, durable: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (tmp_path / "beside").open("wb") as beside, syncs(monkeypatch) as synced:
        write_new(tmp_path / "new", b"content", durable=durable, beside=[beside.fileno()])
    assert (tmp_path / "new").read_bytes() == b"content"
    assert synced == ([tmp_path / "beside", tmp_path / "new"] if durable else [])
    assert open_below(tmp_path) == []


def test_file_that_exists_is_not_written_over(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"somebody's")
    with pytest.raises(Unavailable):
        write_new(tmp_path / "file", b"ours", durable=False)
    assert (tmp_path / "file").read_bytes() == b"somebody's"


def test_file_on_a_full_disk_is_insufficient_storage(tmp_path: Path) -> None:
    with files_end_at(3), pytest.raises(InsufficientStorage):
        write_new(tmp_path / "file", b"content", durable=False)
    assert open_below(tmp_path) == []


def test_file_that_cannot_be_synced_is_unavailable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patched:
        refuse(patched, "fsync", errno.EIO)
        with pytest.raises(Unavailable):
            write_new(tmp_path / "file", b"content", durable=True)
    assert open_below(tmp_path) == []


def test_directory_is_synced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with syncs(monkeypatch) as synced:
        sync_directory(tmp_path)
    assert synced == [tmp_path]
    with pytest.raises(FileNotFoundError):
        sync_directory(tmp_path / "none")
    (tmp_path / "file").touch()
    with pytest.raises(NotADirectoryError):
        sync_directory(tmp_path / "file")
    assert open_below(tmp_path) == []


def test_syncs_are_told(tmp_path: Path, kept: Kept) -> None:
    sync_directory(tmp_path)
    write_new(tmp_path / "a", b"1", durable=True)
    write_new(tmp_path / "b", b"1", durable=False)
    assert len(kept.seconds(Duration.SYNC)) == 2
