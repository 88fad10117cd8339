"""File locks. The kernel releases them when their holder dies, however it dies."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import TooManyUploads
from .files import close, translated


@contextmanager
def exclusive(path: Path) -> Iterator[None]:
    """Lock the file `path` for the body of `with`, after waiting for its holder. Creates the file."""
    descriptor = _opened(path)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        close(descriptor)


@contextmanager
def if_free(path: Path) -> Iterator[bool]:
    """Lock the file `path` for the body of `with` if it is free, and yield whether it was. Creates the file."""
    descriptor = _opened(path)
    try:
        yield _lock(descriptor)
    finally:
        close(descriptor)


class UploadSlots:
    """A limit on the request bodies in progress, shared by all processes of this host."""

    def __init__(self, directory: Path, count: int) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._paths = [directory / str(number) for number in range(count)]

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold one slot. Raise `TooManyUploads` at once if all are taken."""
        descriptor = self._take()
        try:
            yield
        finally:
            close(descriptor)

    def _take(self) -> int:
        # A random start keeps processes from all trying the same taken slots first.
        first = secrets.randbelow(len(self._paths))
        for path in self._paths[first:] + self._paths[:first]:
            descriptor = _opened(path)
            if _lock(descriptor):
                return descriptor
            close(descriptor)
        raise TooManyUploads(
            f"As many uploads are in progress as MAX_UPLOADS allows ({len(self._paths)}); try again in a moment.",
            retry_after=5,
        )


def is_free(path: Path) -> bool:
    """Tell whether no process holds the lock on `path`. A file that does not exist is free."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # if the file cannot be opened, assume that its holder is alive
        return False
    try:
        return _lock(descriptor)
    finally:
        close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:  # the directory was removed
            path.parent.mkdir(exist_ok=True)
            return os.open(path, flags, 0o600)
    except OSError as error:
        raise translated(error) from error


def _lock(descriptor: int) -> bool:
    """Take the lock if it is free, and return whether it was."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
