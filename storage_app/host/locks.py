"""File locks that end with their holder, however it dies."""

import fcntl
import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import TooManyUploads
from .files import translated


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


def is_free(path: Path) -> bool:
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return True
    except OSError:  # who cannot be looked at is not taken for dead
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def _opened(path: Path) -> int:
    flags = os.O_CREAT | os.O_RDWR | os.O_CLOEXEC
    try:
        try:
            return os.open(path, flags, 0o600)
        except FileNotFoundError:  # somebody tidied up
            path.parent.mkdir(exist_ok=True)
            return os.open(path, flags, 0o600)
    except OSError as error:
        raise translated(error) from error


def _lock(descriptor: int) -> bool:
    """Take the lock if nobody holds it; say whether it is held now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
