"""The operating system's calls, with its refusals turned into our errors."""

import errno
import os
from collections.abc import Iterator, Sequence
from pathlib import Path

from ..errors import InsufficientStorage, StorageError, Unavailable
from .blocking import blocking

# Records are smaller, nearly all of them.
_PIECE_BYTES = 64 * 1024

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def scan(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of `directory`, none when it is not there."""
    try:
        with os.scandir(directory) as entries:
            yield from entries
    except FileNotFoundError:
        return
    except OSError as error:
        raise Unavailable("A directory of the storage cannot be read right now; try again.") from error


def translated(error: OSError) -> StorageError:
    """Return our error for what the operating system refused: `InsufficientStorage` or `Unavailable`."""
    if error.errno in _NO_ROOM:
        return InsufficientStorage("The disk is full; delete files or ask the operator for room.")
    return Unavailable("The storage cannot be written right now; try again or ask the operator.")


def read_whole(path: str) -> bytes:
    """Return what a small file holds; raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a file object takes three more calls of the system
    try:
        return b"".join(iter(lambda: os.read(descriptor, _PIECE_BYTES), b""))
    finally:
        os.close(descriptor)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`; one write may be short. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path | str, content: bytes, *, durable: bool, beside: Sequence[int] = ()) -> None:
    """Write a file that is not there yet, with `durable` synced, and the open files `beside` with it.

    What fails may leave a part of it.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_all(descriptor, content)
            if durable:
                sync(*beside, descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise translated(error) from error


def sync(*descriptors: int) -> None:
    """Make what was written durable, which takes milliseconds."""
    with blocking():
        for descriptor in descriptors:
            os.fsync(descriptor)


def sync_directory(directory: Path | str) -> None:
    """Make the names in `directory` durable."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        os.close(descriptor)
