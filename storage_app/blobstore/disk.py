"""The operating system's calls, with its refusals turned into our errors."""

import errno
import os
import shutil
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


@contextmanager
def removed_on_failure(path: Path) -> Iterator[None]:
    """Leave nothing at `path` when the body fails."""
    try:
        yield
    except BaseException:
        if path.is_dir():
            shutil.rmtree(path, ignore_errors=True)
        else:
            path.unlink(missing_ok=True)
        raise


def write_new(path: Path, content: bytes, *, durable: bool) -> None:
    """Write a file that is not there yet, whole and with `durable` synced, or leave none."""
    with translated(), removed_on_failure(path), open(path, "xb") as file:
        file.write(content)
        file.flush()
        if durable:
            os.fsync(file.fileno())


def sync_directory(directory: Path) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
