"""System calls on files, and the translation of OSError into our errors."""

import errno
import io
import os
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from ..errors import InsufficientStorage, StorageError, Unavailable
from .blocking import blocking
from .measures import Duration, observe

# Larger than nearly every small file, so that one read suffices.
_PIECE_BYTES = 64 * 1024

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}


def keep_private() -> None:
    """Let only the user of this process use what it creates from now on: directories get 0700, files 0600."""
    os.umask(0o077)


def scan(directory: Path | str) -> Iterator[os.DirEntry[str]]:
    """Yield the entries of `directory`, or none if it does not exist. Raises `Unavailable` if it cannot be read."""
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


class ReadOnlyFile(io.FileIO):
    """A file open for reading, without a buffer. Its `close` never raises, because it has nothing to lose."""

    def close(self) -> None:
        with suppress(OSError):
            super().close()  # which forgets the descriptor first


def close(descriptor: int) -> None:
    """Close a descriptor through which nothing was written that must last. Never raises.

    Linux frees the number even if it reports an error (close(2), "Dealing with error returns from close()"). The caller
    forgets it first: closed twice, it may be the number of another file or connection by then.
    """
    with suppress(OSError):
        os.close(descriptor)


def read_whole(path: str) -> bytes:
    """Return the content of a small file. Raises OSError."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)  # a file object makes three more system calls
    try:
        return b"".join(iter(lambda: os.read(descriptor, _PIECE_BYTES), b""))
    finally:
        close(descriptor)


def remove_tree(directory: Path | str) -> None:
    """Remove a directory with all it holds, if it exists, or the link in its place. Raises OSError.

    If closing a directory fails, `shutil.rmtree` closes the same number again.
    """
    with suppress(FileNotFoundError):  # also if another process removes it too
        if os.path.islink(directory):
            os.unlink(directory)
            return
        with os.scandir(directory) as scanned:
            entries = list(scanned)
        for entry in entries:
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
            else:
                with suppress(FileNotFoundError):
                    os.unlink(entry.path)
        os.rmdir(directory)


def write_all(descriptor: int, data: bytes) -> None:
    """Write all of `data`, although a single write may be short. Raises OSError."""
    view = memoryview(data)
    while view:
        view = view[os.write(descriptor, view) :]


def write_new(path: Path | str, content: bytes, *, durable: bool, beside: Sequence[int] = ()) -> None:
    """Create a file with `content`. With `durable`, sync the open files `beside` and then this one.

    Raises what `translated` returns, also if the file exists. A failure may leave a partial file. The directory is not
    synced.
    """
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            write_all(descriptor, content)
            if durable:
                sync(*beside, descriptor)
        finally:
            os.close(descriptor)  # some disks report only now that they are full
    except OSError as error:
        raise translated(error) from error


def replace_durably(path: Path, content: bytes) -> None:
    """Replace a file, or create it, atomically and synced. No two processes may do so at a time. Raises OSError."""
    staged = path.with_name(f"{path.name}.new")
    with open(staged, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    os.rename(staged, path)
    sync_directory(path.parent)


def sync(*descriptors: int) -> None:
    """Sync open files to the disk, one after the other. A sync takes milliseconds. Raises OSError."""
    with blocking():
        began = time.perf_counter()
        for descriptor in descriptors:
            os.fsync(descriptor)
        observe(Duration.SYNC, began)


def sync_directory(directory: Path | str) -> None:
    """Sync `directory`, which makes the names in it durable. Raises OSError."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        sync(descriptor)
    finally:
        close(descriptor)
