"""The spool: request bodies that nginx has written to disk, for uploads to take over, and orphans to collect.

nginx keeps the file of a body open until the request ends, and then removes it. A file that no process has open was
left by an nginx that was killed.
"""

import fcntl
import logging
import os
import re
import signal
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath
from typing import BinaryIO, cast

from ..errors import StorageError, Unavailable
from .files import ReadOnlyFile, close, scan

log = logging.getLogger(__name__)

_ON_ITS_WAY_SECONDS = 300
# nginx numbers its temporary files.
_NAME = re.compile(r"[0-9]{1,20}")


class Spool:
    """The directory that nginx's `client_body_temp_path` names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """Open the body that nginx spooled to `path`, unbuffered, and close it after the body of `with`.

        The caller may move the file away. If it does not, nginx removes the file. Only the last segment of `path`
        counts, because nginx may see the spool under another path. So the file is always in the spool. Raises
        `Unavailable` if there is no such regular file.
        """
        name = PurePosixPath(path).name
        if not _NAME.fullmatch(name):
            raise self._missing(path)
        own = self._directory / name
        try:
            body = ReadOnlyFile(str(own), opener=_open)
        except OSError as error:
            raise self._missing(path) from error
        with body:
            if not stat.S_ISREG(os.fstat(body.fileno()).st_mode):
                raise self._missing(path)
            yield cast(BinaryIO, body)

    def size(self) -> int:
        """Return the bytes of all bodies in the spool, 0 if it cannot be read."""
        try:
            return sum(map(_size, scan(self._directory)))
        except (OSError, StorageError):
            return 0

    def collect(self) -> int:
        """Remove orphaned bodies and return their number. A file that may be in use, or cannot be removed, stays."""
        collected = 0
        try:
            for entry in scan(self._directory):
                if _NAME.fullmatch(entry.name) and _is_old(entry) and _is_abandoned(entry.path):
                    Path(entry.path).unlink(missing_ok=True)
                    collected += 1
        except (OSError, StorageError) as error:  # a broken spool must not fail the other background work
            log.warning("the spool cannot be collected now: %s", error)
        return collected

    def _missing(self, path: str) -> Unavailable:
        log.error("nginx named the body %r, which is not in %s: see client_body_temp_path", path, self._directory)
        return Unavailable("The body of the upload is not where nginx was to leave it; try again or ask the operator.")


def _size(entry: os.DirEntry[str]) -> int:
    try:
        return entry.stat(follow_symlinks=False).st_size
    except FileNotFoundError:  # bodies are moved away and removed at any time
        return 0


def _is_old(entry: os.DirEntry[str]) -> bool:
    """Return whether the file is too old for a request in flight to name it.

    A restarted nginx counts from the start again. While the file exists its name stays taken, so that no upload gets
    the bytes of another.
    """
    if not entry.is_file(follow_symlinks=False):
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _ON_ITS_WAY_SECONDS


def _open(path: str, flags: int) -> int:
    """Open a file of the spool without following a link, and without blocking on a pipe."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _is_abandoned(path: str) -> bool:
    """Return whether no process has the file open: only then the kernel grants a write lease (fcntl(2), F_SETLEASE)."""
    try:
        descriptor = _open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        # A process that opens the file now breaks the lease, and the kernel signals that. SIGURG is ignored by default.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        close(descriptor)
    return True
