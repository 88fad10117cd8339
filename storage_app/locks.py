"""File locks under STORAGE_PATH that end with their holder: living processes, uploads in progress, one recovery.

The kernel lets go of an flock when its holder dies, however it dies. A pid would not do: in a container it is the same
after every restart.
"""

import fcntl
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .disk import translated
from .errors import TooManyUploads


class ProcessLock:
    """A lock that this process holds for as long as it lives, under a random `id`. Take it after a fork."""

    def __init__(self, directory: Path) -> None:
        self.id = secrets.token_hex(8)
        self._path = directory / self.id
        # Locked before it has its name: whoever finds it finds it locked.
        unnamed = directory / f".{self.id}"
        with translated():
            directory.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.rename(unnamed, self._path)
            except OSError:
                os.close(self._descriptor)
                unnamed.unlink(missing_ok=True)
                raise
            own = os.fstat(self._descriptor)
        self._identity = own.st_dev, own.st_ino

    def is_held(self) -> bool:
        """Whether others can still see that this process lives: its file may have been taken away."""
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def release(self) -> None:
        """Say that this process is done; what it left is put right by others from now on."""
        if self.is_held():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Processes:
    """The processes that use a store, by their locks in `alive`, and what they have in `staging`."""

    def __init__(self, alive: Path, staging: Path) -> None:
        self._alive = alive
        self._staging = staging

    def is_gone(self, process: str) -> bool:
        return _is_free(self._alive / process)

    def living(self) -> list[str]:
        return [name for name in _names(self._alive) if not self.is_gone(name)]

    def left_something(self) -> list[str]:
        """Return the ids of gone processes that left a lock or a staging directory."""
        # Staging is listed before it is asked who lives: a process takes its lock first, and then makes its directory.
        left = _names(self._staging)
        return sorted(process for process in {*left, *_names(self._alive)} if self.is_gone(process))

    def fence(self, process: str) -> None:
        """Take away what the gone `process` staged, so that nothing of it can land any more, and then its lock.

        It goes in one step: a directory that is emptied bit by bit, late threads could go on using.
        """
        away = self._staging / secrets.token_hex(8)
        with translated():
            with suppress(FileNotFoundError):
                os.rename(self._staging / process, away)
                if away.is_dir():
                    shutil.rmtree(away, ignore_errors=True)  # what stays is nobody's, and taken away next time
                else:
                    away.unlink()
            (self._alive / process).unlink(missing_ok=True)


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Hold the lock at `path` if nobody does; say whether it is held now."""
    descriptor = _opened(path)
    try:
        yield _lock(descriptor)
    finally:
        os.close(descriptor)


class UploadSlots:
    """A bound on the bodies in progress, for all processes on this host together."""

    def __init__(self, directory: Path, count: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._paths = [directory / str(number) for number in range(count)]

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold one slot; raise `TooManyUploads` at once when all are held."""
        descriptor = self._take()
        try:
            yield
        finally:
            os.close(descriptor)

    def _take(self) -> int:
        # Beginning anywhere keeps the processes from trying the same held slots first.
        first = secrets.randbelow(len(self._paths))
        for path in self._paths[first:] + self._paths[:first]:
            descriptor = _opened(path)
            if _lock(descriptor):
                return descriptor
            os.close(descriptor)
        raise TooManyUploads(
            f"As many uploads are in progress as MAX_UPLOADS allows ({len(self._paths)}); try again in a moment.",
            retry_after=5,
        )


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # who cannot be looked at is not taken for gone
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    with translated():
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:  # somebody tidied up
            path.parent.mkdir(exist_ok=True)
            return os.open(path, flags, 0o600)


def _lock(descriptor: int) -> bool:
    """Take the lock if nobody holds it; say whether it is held now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
