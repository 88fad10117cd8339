"""Liveness: which processes are alive, and how a dead one is fenced.

A process that acquires the lock of another knows that the other is dead. A pid would not do: in a container it is the
same after every restart.
"""

import fcntl
import os
import secrets
from contextlib import suppress
from pathlib import Path
from typing import Protocol

from ..host.files import close, remove_tree, translated
from ..host.layout import Layout
from ..host.locks import is_free


class Presence(Protocol):
    """The sign by which others see that this process is alive, under a random `id`. Any end of the process ends it."""

    @property
    def id(self) -> str: ...

    def is_held(self) -> bool:
        """Return whether others can still see this presence. If not, they may have declared this process dead."""

    def release(self) -> None:
        """End this presence. From now on others recover what this process left. Never raises."""


class Liveness(Protocol):
    """A way to tell which processes are alive. A wrong verdict of death costs a retry, never a file."""

    def announce(self) -> Presence:
        """Show others that this process is alive. Call it after a fork."""

    def is_dead(self, process: str) -> bool:
        """Return whether `process` has ended. If that cannot be determined, assume that it is alive."""

    def known(self) -> list[str]:
        """Return the ids of the processes that announced themselves and were not forgotten."""

    def forget(self, process: str) -> None:
        """Remove the announcement of a dead `process`. Raises `Unavailable` and `InsufficientStorage`."""


class FileLocks:
    """The `Liveness` of processes on one host: each holds a lock on a file in `directory`."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    def announce(self) -> "ProcessLock":
        return ProcessLock(self._directory)

    def is_dead(self, process: str) -> bool:
        return is_free(self._directory / process)

    def known(self) -> list[str]:
        return _names(self._directory)

    def forget(self, process: str) -> None:
        try:
            (self._directory / process).unlink(missing_ok=True)
        except OSError as error:
            raise translated(error) from error


class ProcessLock:
    """The `Presence` of a process: a locked file in `directory`, under the process's id."""

    def __init__(self, directory: Path) -> None:
        self.id = secrets.token_hex(8)
        self._path = directory / self.id
        # Lock the file before it gets its name, so that nobody finds it unlocked.
        unnamed = directory / f".{self.id}"
        try:
            directory.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(unnamed, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                own = os.fstat(descriptor)
                os.rename(unnamed, self._path)
            except OSError:
                close(descriptor)
                unnamed.unlink(missing_ok=True)
                raise
        except OSError as error:
            raise translated(error) from error
        self._descriptor: int | None = descriptor
        self._identity = own.st_dev, own.st_ino

    def is_held(self) -> bool:
        try:
            found = os.stat(self._path)
        except OSError:
            return False
        return (found.st_dev, found.st_ino) == self._identity

    def release(self) -> None:
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is None:
            return
        with suppress(OSError):  # the unlocked file shows a dead process, which the next recovery forgets
            if self.is_held():
                self._path.unlink(missing_ok=True)
        close(descriptor)


class Processes:
    """The processes that use a store. Dead ones may have left something in the directory `staging`."""

    def __init__(self, liveness: Liveness, staging: Path) -> None:
        self._liveness = liveness
        self._staging = staging

    def is_dead(self, process: str) -> bool:
        """Return whether `process` has ended. If that cannot be determined, assume that it is alive."""
        return self._liveness.is_dead(process)

    def alive(self) -> list[str]:
        """Return the ids of the processes that are alive."""
        return [process for process in self._liveness.known() if not self.is_dead(process)]

    def dead_with_leftovers(self) -> list[str]:
        """Return the ids of dead processes that have not been fenced."""
        # List staging first, because a process announces itself before it makes its directory.
        left = _names(self._staging)
        return sorted(process for process in {*left, *self._liveness.known()} if self.is_dead(process))

    def fence(self, process: str) -> None:
        """Remove the staging directory of a dead `process`, so that no late rename of it can land, then its presence.

        The directory is first renamed away, which is atomic. While it is emptied in place, late threads could still
        rename files out of it. Raises `Unavailable` and `InsufficientStorage`.
        """
        away = self._staging / secrets.token_hex(8)
        try:
            with suppress(FileNotFoundError):
                os.rename(self._staging / process, away)
                if away.is_dir():
                    with suppress(OSError):  # a rest is fenced by the next recovery, like a dead process
                        remove_tree(away)
                else:
                    away.unlink()
        except OSError as error:
            raise translated(error) from error
        self._liveness.forget(process)


def open_liveness(layout: Layout) -> Liveness:
    """Return the liveness of the processes that use the store at `layout`. The one place where it is chosen."""
    return FileLocks(layout.alive)


def processes_of(layout: Layout) -> Processes:
    """Return the processes that use the store at `layout`."""
    return Processes(open_liveness(layout), layout.staging)


def _names(directory: Path) -> list[str]:
    try:
        return [path.name for path in directory.iterdir() if not path.name.startswith(".")]
    except FileNotFoundError:
        return []
