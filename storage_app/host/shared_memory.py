"""A directory in memory for the processes of one service. It is of no use once they have ended."""

import atexit
import fcntl
import os
import tempfile
from contextlib import suppress
from pathlib import Path

from .files import close, remove_tree

_IN_MEMORY = "/dev/shm"  # noqa: S108  # tmpfs on every Linux (shm_overview(7))
_LEAST_BYTES = 16 * 1024 * 1024  # what 20 workers take. Docker gives a container 64 MiB
_HIDDEN = "."


def memory_folder() -> str | None:
    """Return the folder for temporary files in memory, or None if this machine has none with room."""
    return _IN_MEMORY if os.access(_IN_MEMORY, os.W_OK) and _free_bytes(_IN_MEMORY) >= _LEAST_BYTES else None


def _free_bytes(folder: str) -> int:
    disk = os.statvfs(folder)
    return disk.f_bavail * disk.f_frsize


class SharedMemory:
    """A directory at `path`, in memory where there is such a folder. The process that creates it is its owner.

    The kernel keeps it locked until its owner and all forks of that have ended. So whoever finds one that is not locked
    may remove it.
    """

    def __init__(self, name: str, folder: Path | None = None) -> None:
        """`name` is the same for all services. `folder` is for tests."""
        self._name = name
        self._folder = folder or Path(memory_folder() or tempfile.gettempdir())
        self._lock: int | None = None
        self.path = self._folder / f"{name}-{os.urandom(8).hex()}"  # nobody can guess it and be there first

    def create(self) -> None:
        """Create the directory until this process ends, and remove those whose processes were killed.

        Raises OSError.
        """
        self._remove_left()
        made = Path(tempfile.mkdtemp(prefix=f"{_HIDDEN}{self._name}-", dir=self._folder))
        self._lock = os.open(made, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        made.rename(self.path)  # nobody sees it unlocked
        atexit.register(self._remove_of, os.getpid())

    def remove(self) -> None:
        """Remove the directory, if it was created."""
        lock, self._lock = self._lock, None
        if lock is not None:
            with suppress(OSError):
                remove_tree(self.path)
            close(lock)

    def _remove_of(self, owner: int) -> None:
        if os.getpid() == owner:  # and not a fork of it
            self.remove()

    def _remove_left(self) -> None:
        for left in self._folder.glob(f"{self._name}-*"):
            with suppress(OSError):  # it is another user's, in use, or gone
                _remove_if_free(left)


def _remove_if_free(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        remove_tree(directory)
    finally:
        close(descriptor)
