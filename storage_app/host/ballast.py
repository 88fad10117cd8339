"""Room on the disk that is kept for deleting: on a full disk that must work, and needs some room itself."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..errors import InsufficientStorage

SIZE = 2 * 1024 * 1024
# A disk that has not this much more room is not made smaller by it.
_SPARE = 2

Result = TypeVar("Result")


class Ballast:
    """A file of zeros at `path`, whose room is given up when a delete meets a full disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Take the room where there is plenty; does nothing when it is taken already."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size >= SIZE:
                return
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize >= (1 + _SPARE) * SIZE:
                self._take()

    def spend_on(self, action: Callable[[], Result]) -> Result:
        """Return what `action` returns. If it meets a full disk, give the room up and try once more."""
        try:
            return action()
        except InsufficientStorage:
            self.give_up()
            return action()

    def give_up(self) -> None:
        """Let the disk have the room; others may have done so already."""
        with suppress(OSError):
            self._path.unlink()

    def _take(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            os.close(descriptor)
