"""Bodies that nginx wrote to the disk before it asked: one is taken over, what nobody holds any more is removed.

nginx keeps a body's file open until its request has ended, and removes the file then. One that nobody has open is left
of an nginx that was killed.
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
from .files import scan

log = logging.getLogger(__name__)

_ON_ITS_WAY_SECONDS = 300
# What nginx calls the files that it makes: numbers.
_NAME = re.compile(r"[0-9]{1,20}")


class Spool:
    """The directory that nginx's `client_body_temp_path` names."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory

    @contextmanager
    def opened(self, path: str) -> Iterator[BinaryIO]:
        """Open the body that nginx says lies at `path`; it may be moved away, and nginx removes it where it was not.

        Only the last segment counts, so it is always in the spool: nginx may see that under another path than we do.
        Raises `Unavailable` when no regular file is there.
        """
        name = PurePosixPath(path).name
        if not _NAME.fullmatch(name):
            raise self._missing(path)
        own = self._directory / name
        try:
            body = cast(BinaryIO, open(own, "rb", buffering=0, opener=_open))  # noqa: SIM115  closed below
        except OSError as error:
            raise self._missing(path) from error
        with body:
            if not stat.S_ISREG(os.fstat(body.fileno()).st_mode):
                raise self._missing(path)
            yield body

    def collect(self) -> int:
        """Remove what nobody has open; return how many files that were. What cannot be told, or removed, stays."""
        collected = 0
        try:
            for entry in scan(self._directory):
                if _NAME.fullmatch(entry.name) and _is_old(entry) and _is_abandoned(entry.path):
                    Path(entry.path).unlink(missing_ok=True)
                    collected += 1
        except (OSError, StorageError) as error:  # nothing else must wait for it
            log.warning("the spool cannot be collected now: %s", error)
        return collected

    def _missing(self, path: str) -> Unavailable:
        log.error("nginx named the body %r, which is not in %s: see client_body_temp_path", path, self._directory)
        return Unavailable("The body of the upload is not where nginx was to leave it; try again or ask the operator.")


def _is_old(entry: os.DirEntry[str]) -> bool:
    """Whether no request can be on its way any more that names the file.

    A new nginx begins to count anew. While the file is there, its name is taken, and nobody gets another's bytes.
    """
    if not entry.is_file(follow_symlinks=False):
        return False
    return time.time() - entry.stat(follow_symlinks=False).st_mtime > _ON_ITS_WAY_SECONDS


def _open(path: str, flags: int) -> int:
    """Open what lies in the spool, and nothing that a link leads to; waits for nobody."""
    return os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)


def _is_abandoned(path: str) -> bool:
    """Whether no process has the file open: the kernel gives a write lease on no other (fcntl(2), F_SETLEASE)."""
    try:
        descriptor = _open(path, os.O_RDWR)
    except OSError:
        return False
    try:
        # Who opens the file now breaks the lease, and that is told by a signal: by one that is ignored.
        fcntl.fcntl(descriptor, fcntl.F_SETSIG, signal.SIGURG)
        fcntl.fcntl(descriptor, fcntl.F_SETLEASE, fcntl.F_WRLCK)
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
