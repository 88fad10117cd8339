"""Which processes are alive, by the file locks that they hold."""

import fcntl
import os
import secrets
import shutil
from contextlib import suppress
from pathlib import Path

from ..host.files import translated
from ..host.locks import is_free


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
        """Say that this process is done; others recover what it left from now on."""
        if self.is_held():
            self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


class Processes:
    """The processes that use a store, by their locks in `alive`, and what they have in `staging`."""

    def __init__(self, alive: Path, staging: Path) -> None:
        self._alive = alive
        self._staging = staging

    def is_dead(self, process: str) -> bool:
        return is_free(self._alive / process)

    def alive(self) -> list[str]:
        return [name for name in _names(self._alive) if not self.is_dead(name)]

    def dead_with_leftovers(self) -> list[str]:
        """Return the ids of dead processes that left a lock or a staging directory."""
        # Staging is listed before it is asked who lives: a process takes its lock first, and then makes its directory.
        left = _names(self._staging)
        return sorted(process for process in {*left, *_names(self._alive)} if self.is_dead(process))

    def fence(self, process: str) -> None:
        """Take away what the dead `process` staged, so that nothing of it can land any more, and then its lock.

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


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
