"""The operating system's calls, with its refusals turned into our errors."""

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ..errors import InsufficientStorage, StorageError, Unavailable

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def scan(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:
        return


@contextmanager
def translated() -> Iterator[None]:
    """Turn what the operating system refuses into our errors."""
    try:
        yield
    except StorageError:
        raise
    except OSError as error:
        if error.errno in _NO_ROOM:
            raise InsufficientStorage("The disk is full; delete files or ask the operator for room.") from error
        raise Unavailable("The storage cannot be written right now; try again or ask the operator.") from error
