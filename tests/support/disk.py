"""Disks that fail: full ones, read-only ones, and calls that the operating system refuses."""

import errno
import os
import resource
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let no file of this process grow beyond `size` bytes: the kernel refuses the write, as on a full disk."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def refuse(monkeypatch: pytest.MonkeyPatch, call: str, number: int) -> None:
    """Make `call`, of the module `os` or the one that it names, fail with the errno `number`."""

    def failing(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(call if "." in call else f"os.{call}", failing)


@contextmanager
def failing_closes(folder: Path) -> Iterator[list[str]]:
    """Let `os.close` of every file below `folder` fail as the kernel does it: the number is free all the same.

    Collects the paths of those files, as often as they are closed, and the numbers that are closed and are not open.
    """
    closed: list[str] = []
    real = os.close

    def close(descriptor: int) -> None:
        link = Path(f"/proc/self/fd/{descriptor}")
        path = str(link.readlink()) if link.is_symlink() else ""
        if not path:
            closed.append(f"{descriptor}, which is not open")
        real(descriptor)
        if path.startswith(f"{folder}/"):
            closed.append(path)
            raise OSError(errno.EIO, os.strerror(errno.EIO))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("os.close", close)
        yield closed


@contextmanager
def syncs(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Path]]:
    """Collect the paths that are synced, as they are called at that moment."""
    synced: list[Path] = []
    real = os.fsync

    def fsync(descriptor: int) -> None:
        synced.append(Path(f"/proc/self/fd/{descriptor}").readlink())
        real(descriptor)

    with monkeypatch.context() as patched:
        patched.setattr("os.fsync", fsync)
        yield synced


def open_below(root: Path) -> list[Path]:
    """Return the paths below `root` that this process has open."""
    opened = []
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # the listing's own
            opened.append(descriptor.readlink())
    return [path for path in opened if path.is_relative_to(root)]


PAGE = 4096
_TRIES = 100


class SmallDisk:
    """A disk of its own at `path`, on which room can be taken away to the page, or to the file, and given back."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._ballast = path / "ballast"
        self._crowd = path / "crowd"

    def leave_pages(self, count: int) -> None:
        """Take all room but `count` pages, of which a file takes whole ones."""
        for _ in range(_TRIES):
            with suppress(OSError):  # a service that is at work may have taken some just now
                self._move_ballast(self._free_bytes() - count * PAGE)
            if self._free_bytes() == count * PAGE:
                return
        raise AssertionError(f"{self._free_bytes()} bytes are free, not {count} pages")

    def leave_files(self, count: int) -> None:
        """Take all room for new files and directories but for `count` of them."""
        self._crowd.mkdir()
        for _ in range(_TRIES):
            with suppress(OSError):
                self._move_crowd(os.statvfs(self.path).f_favail - count)
            if os.statvfs(self.path).f_favail == count:
                return
        raise AssertionError(f"there is room for {os.statvfs(self.path).f_favail} files, not for {count}")

    def _move_ballast(self, change: int) -> None:
        with self._ballast.open("ab") as ballast:
            size = ballast.tell() + change
            os.truncate(ballast.fileno(), max(0, min(size, ballast.tell())))
            if change > 0:
                os.posix_fallocate(ballast.fileno(), 0, size)

    def _move_crowd(self, change: int) -> None:
        for _ in range(change):
            (self._crowd / secrets.token_hex(8)).touch()
        for path in list(self._crowd.iterdir())[: max(0, -change)]:
            path.unlink()

    def give_back(self) -> None:
        self._ballast.unlink(missing_ok=True)
        if self._crowd.exists():
            shutil.rmtree(self._crowd)

    def _free_bytes(self) -> int:
        disk = os.statvfs(self.path)
        return disk.f_bavail * disk.f_frsize


@contextmanager
def small_disk(path: Path, *, size: str, files: int = 0) -> Iterator[SmallDisk]:
    """Mount a disk in memory at `path`, for at most `files` files if any number is given; skips where it may not."""
    path.mkdir()
    with _mounted(path, ("-t", "tmpfs", "-o", f"size={size},nr_inodes={files}", "tmpfs", str(path))):
        yield SmallDisk(path)


@contextmanager
def disk_of_kind(path: Path, kind: str) -> Iterator[None]:
    """Mount a new and empty file system of `kind`, such as ext4, btrfs or xfs, at `path`. Skips where it may not."""
    path.mkdir()
    image = path.with_name(f"{path.name}.{kind}")
    with image.open("wb") as file:
        file.truncate(512 * 1024 * 1024)  # of which only written blocks take room
    try:
        subprocess.run([f"mkfs.{kind}", str(image)], capture_output=True, check=True)
    except FileNotFoundError:
        pytest.skip(f"this needs mkfs.{kind}: see .ci/run")
    with _mounted(path, ("-o", "loop", str(image), str(path))):
        yield
    image.unlink()


@contextmanager
def read_only(path: Path) -> Iterator[None]:
    """Let nothing below `path` be written by its path; what is open stays as it is. Skips where it may not."""
    with _mounted(path, ("--bind", str(path), str(path))):
        subprocess.run(["mount", "-o", "remount,bind,ro", str(path)], check=True)
        yield


@contextmanager
def _mounted(path: Path, arguments: tuple[str, ...]) -> Iterator[None]:
    mounted = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if mounted.returncode != 0:
        pytest.skip(f"this needs root, to mount a disk: {mounted.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(path)], check=True)
