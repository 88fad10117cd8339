"""File locks. The kernel releases them when their holder dies, however it dies."""

import fcntl
import os
import secrets
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import TooManyUploads, Unavailable
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


class Slots:
    """A limit on the requests of one kind in progress, shared by all processes of this host.

    `name` tells the kind apart from others in `directory`. `full` returns the refusal if all are taken.
    """

    def __init__(self, directory: Path, count: int, *, name: str = "", full: Callable[[], Unavailable]) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._paths = [directory / f"{name}{number}" for number in range(count)]
        self._full = full
        self._held: set[int] = set()

    @contextmanager
    def hold(self) -> Iterator[None]:
        """Hold one slot. Raise the refusal at once if all are taken."""
        descriptor = self._take()
        self._held.add(descriptor)
        try:
            yield
        finally:
            self._held.discard(descriptor)
            close(descriptor)

    def held(self) -> int:
        """Return how many slots this process holds."""
        return len(self._held)

    def _take(self) -> int:
        # A random start keeps processes from all trying the same taken slots first.
        first = secrets.randbelow(len(self._paths))
        for path in self._paths[first:] + self._paths[:first]:
            descriptor = _opened(path)
            if _lock(descriptor):
                return descriptor
            close(descriptor)
        raise self._full()


class UploadSlots(Slots):
    """A limit on the request bodies in progress."""

    def __init__(self, directory: Path, count: int) -> None:
        super().__init__(
            directory,
            count,
            full=lambda: TooManyUploads(
                f"As many uploads are in progress as MAX_UPLOADS allows ({count}); try again in a moment.",
                retry_after=5,
            ),
        )


def is_free(path: Path) -> bool:
    """Return whether no process holds the lock on `path`. A file that does not exist is free."""
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
