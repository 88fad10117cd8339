"""Ballast: disk space held back, because a delete needs some and must work on a full disk too."""

import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TypeVar

from ..errors import InsufficientStorage
from .files import close

SIZE = 2 * 1024 * 1024  # bytes
# The ballast is allocated only if this many times its size stays free.
_SPARE = 2

Result = TypeVar("Result")


class Ballast:
    """A file at `path` that holds nothing but space, released when a delete meets a full disk."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def keep(self) -> None:
        """Allocate the ballast, unless it is there already or space is scarce. Never raises OSError."""
        with suppress(OSError):
            if self._path.exists() and self._path.stat().st_size >= SIZE:
                return
            disk = os.statvfs(self._path.parent)
            if disk.f_bavail * disk.f_frsize >= (1 + _SPARE) * SIZE:
                self._take()

    def spend_on(self, action: Callable[[], Result]) -> Result:
        """Call `action` and return its result. If the disk is full, release the ballast and call it once more."""
        try:
            return action()
        except InsufficientStorage:
            self.give_up()
            return action()

    def give_up(self) -> None:
        """Release the space. Another process may have done so already."""
        with suppress(OSError):
            self._path.unlink()

    def _take(self) -> None:
        descriptor = os.open(self._path, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC, 0o600)
        try:
            os.posix_fallocate(descriptor, 0, SIZE)
        except OSError:
            self._path.unlink(missing_ok=True)
        finally:
            close(descriptor)
