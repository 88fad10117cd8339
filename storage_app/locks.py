"""File locks under STORAGE_PATH that end with their holder: living processes, uploads in progress, one recovery.

The kernel lets go of an flock when its holder dies, however it dies. A pid would not do: in a container it is the same
after every restart.
"""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .errors import TooManyUploads


class ProcessLock:
    """A lock that this process holds for as long as it lives, under a random `id`. Take it after a fork."""

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.id = secrets.token_hex(8)
        self._path = directory / self.id
        # Locked before it has its name: whoever finds it finds it locked.
        unnamed = directory / f".{self.id}"
        self._descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.rename(unnamed, self._path)

    def release(self) -> None:
        """Say that this process is done; what it left is put right by others from now on."""
        with suppress(FileNotFoundError):
            self._path.unlink()
        os.close(self._descriptor)


def gone_processes(directory: Path) -> list[str]:
    """Return the ids in `directory` that nobody holds any more."""
    return [path.name for path in _named_locks(directory) if _is_free(path)]


def living_processes(directory: Path) -> list[str]:
    """Return the ids in `directory` whose process lives."""
    return [path.name for path in _named_locks(directory) if not _is_free(path)]


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Wait for the lock at `path` and hold it."""
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
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
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
            else:
                return descriptor
        raise TooManyUploads(
            f"{len(self._paths)} uploads are in progress, as many as MAX_UPLOADS allows; try again in a moment.",
            retry_after=5,
        )


def _named_locks(directory: Path) -> Iterator[Path]:
    with suppress(FileNotFoundError):
        for path in directory.iterdir():
            if not path.name.startswith("."):
                yield path


def _is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    else:
        return True
    finally:
        os.close(descriptor)
