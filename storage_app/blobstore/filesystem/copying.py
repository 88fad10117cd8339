"""Copies of placed blobs: files that share their bytes if the file system allows it, and copied bytes if not."""

import errno
import fcntl
import os
from collections.abc import Callable
from functools import partial

from ...host.blocking import blocking
from ...host.files import close, write_all

# ioctl_ficlone(2)
_FICLONE = 0x40049409
# With these the kernel says that a way does not lead from one file to the other, and the next way is tried. EMLINK:
# ext4 allows a file 65,000 links. EINVAL and ENOTTY: the file system, or a sandbox, does not know the call.
_NO_WAY = {
    errno.EXDEV,
    errno.EPERM,
    errno.EMLINK,
    errno.EOPNOTSUPP,
    errno.EINVAL,
    errno.ENOTTY,
    errno.ENOSYS,
}
_PIECE_BYTES = 1024 * 1024


def share(source: str, path: str, discard: Callable[[str], None]) -> bool:
    """Create a file at `path` that shares the bytes of the one at `source`. Return False, without a file, if it cannot.

    A clone shares the blocks until one of the two is written, a hard link is the same file. `discard` is called to
    remove what is at `path` after a failure. Raises OSError: `FileNotFoundError` if there is no file at `source`.
    """
    return _is_open(partial(_clone, source, path, discard)) or _is_open(partial(os.link, source, path))


def append(source: int, target: int, size: int) -> int:
    """Append up to `size` bytes of the open file `source` to `target`. Return their number, 0 at the end.

    The kernel copies them, without passing them through this process, if it can. Raises OSError.
    """
    with blocking():
        try:
            copied = os.copy_file_range(source, target, size)
        except OSError as error:
            if error.errno not in _NO_WAY:
                raise
            copied = 0
        return copied or _append_by_reading(source, target, size)  # some file systems copy nothing, without an error


def _append_by_reading(source: int, target: int, size: int) -> int:
    data = os.read(source, min(size, _PIECE_BYTES))
    write_all(target, data)
    return len(data)


def _is_open(way: Callable[[], None]) -> bool:
    try:
        way()
    except OSError as error:
        if error.errno not in _NO_WAY:
            raise
        return False
    return True


def _clone(source: str, path: str, discard: Callable[[str], None]) -> None:
    opened = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
    try:
        cloned = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            with blocking():
                fcntl.ioctl(cloned, _FICLONE, opened)
        except BaseException:
            discard(path)
            raise
        finally:
            close(cloned)
    finally:
        close(opened)
