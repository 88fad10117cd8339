"""Resumable uploads on the disk, whatever the store of finished files is.

    STORAGE_PATH/.system/resumable/<id>/
      upload.json     its record
      data            the bytes that have come
      wanted          now and then: another request waits for this upload

Only who holds the lock of the directory, by flock(2), changes what is in it. The kernel drops the lock when its holder
dies. A directory appears whole and disappears whole, by a rename from and to the staging directory of a process.
"""

import fcntl
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from ...domain.resumables import Resumable
from ...errors import DamagedFile, Unavailable, UploadLocked
from ...host.blocking import blocking
from ...host.boot import boot_id
from ...host.clients import expect_long_work
from ...host.files import close, read_whole, remove_tree, scan, sync_directory, translated, write_new
from ..records import UnreadableRecord
from .held import DATA, RECORD, WANTED, HeldResumable
from .record import dump_resumable, load_resumable

_LOOK_SECONDS = 0.05

# Appends bytes to the open file with this descriptor.
Fill = Callable[[int], object]


class ResumableStore:
    """The resumable uploads in `directory`, as one process sees them, whose staging directory is `staging`."""

    def __init__(self, directory: Path, staging: Path, *, durable: bool) -> None:
        self.directory = directory
        self._staging = staging
        self._durable = durable
        self._undiscarded: set[Path] = set()

    def create(self, upload: Resumable, fill: Fill | None = None) -> None:
        """Create the directory of a new upload, synced. `fill` may append its first bytes, and says so in `upload`.

        Raises `Unavailable` and `InsufficientStorage`, and leaves nothing then.
        """
        staged = self._staging / f"resumable-{upload.id}"
        try:
            os.mkdir(staged)
            try:
                self._write(staged, upload, fill)
                os.rename(staged, self.directory / upload.id)
            except BaseException:
                self._discard(staged)
                raise
            self._sync_directory()
        except OSError as error:
            raise translated(error) from error

    def _write(self, directory: Path, upload: Resumable, fill: Fill | None) -> None:
        data = os.open(directory / DATA, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o666)
        try:
            if fill is not None:
                fill(data)
            content = dump_resumable(upload)
            write_new(directory / RECORD, content, durable=self._durable, beside=[data])
        finally:
            close(data)
        if self._durable:
            sync_directory(directory)

    @contextmanager
    def held(self, upload_id: str, *, patience: float = 0) -> Iterator[HeldResumable | None]:
        """Lock an upload for the body of `with`, and yield it, or None if it does not exist or its bytes are lost.

        Whoever holds it is asked to give way, and waited for, up to `patience` seconds. Raises `UploadLocked` after
        that, and `DamagedFile` if the record cannot be read.
        """
        path = self.directory / upload_id
        try:
            directory = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        except (FileNotFoundError, NotADirectoryError):
            yield None
            return
        except OSError as error:
            raise translated(error) from error
        try:
            if not self._lock(directory, path, patience):
                raise UploadLocked("Another request sends bytes of this upload; go on when it has ended.")
            held = self._opened(upload_id)
            try:
                yield held
            finally:
                if held is not None:
                    held.close()
        finally:
            _unlock(directory)

    def read(self, upload_id: str) -> Resumable | None:
        """Return the record of an upload as it is now, or None without one. Raises `DamagedFile`."""
        try:
            return load_resumable(upload_id, read_whole(f"{self.directory}/{upload_id}/{RECORD}"))
        except (FileNotFoundError, NotADirectoryError):
            if (self.directory / upload_id).is_dir():
                raise _damaged(upload_id) from None
            return None
        except UnreadableRecord as error:
            raise _damaged(upload_id) from error
        except OSError as error:
            raise translated(error) from error

    def size(self, upload: Resumable) -> int:
        """Return how many bytes of an upload that another holds have come. Raises `Unavailable`."""
        if upload.is_finished:
            return upload.length or 0
        try:
            size = os.stat(self.directory / upload.id / DATA).st_size
        except FileNotFoundError:
            return upload.length or 0
        except OSError as error:
            raise translated(error) from error
        return size if upload.checked_from is None else min(size, upload.checked_from)

    def ids(self) -> Iterator[str]:
        """Yield the names of the directories, which are the ids of uploads."""
        yield from (entry.name for entry in scan(self.directory))

    def set_aside(self, upload_id: str) -> None:
        """Move the directory of an upload to a place where only an operator looks. Raises `Unavailable`."""
        to = self.directory.with_name("lost+found") / self.directory.name
        try:
            to.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                os.rename(self.directory / upload_id, to / upload_id)
        except OSError as error:
            raise translated(error) from error

    def remove(self, upload_id: str) -> None:
        """Remove the directory of an upload. Only who holds it calls this. Raises `Unavailable`."""
        path, away = self.directory / upload_id, self._staging / f"removed-{upload_id}"
        try:
            os.rename(path, away)
            self._undiscarded.add(away)
            self._sync_directory()
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not path.exists():
                return
            raise translated(error) from error  # also if staging is missing, because this process was fenced
        self._discard(away)

    def tidy(self) -> None:
        """Try again to remove from staging what could not be removed before. Never raises."""
        for path in list(self._undiscarded):
            self._discard(path)

    def _discard(self, path: Path) -> None:
        try:
            remove_tree(path)
        except OSError:
            self._undiscarded.add(path)
        else:
            self._undiscarded.discard(path)

    def _opened(self, upload_id: str) -> HeldResumable | None:
        """Return an upload whose lock was taken, unless it was removed during the wait.

        Bytes that may not be there any more are cut off.
        """
        upload = self.read(upload_id)
        if upload is None:
            return None
        held = HeldResumable(self.directory / upload_id, upload, durable=self._durable, remove=self.remove)
        held.recover(boot_id())
        return None if held.is_lost else held

    def _lock(self, directory: int, path: Path, patience: float) -> bool:
        if _is_locked(directory):
            return True
        if patience == 0:
            return False
        try:
            expect_long_work()
        except Unavailable:  # too many requests wait already
            return False
        deadline = time.monotonic() + patience
        with blocking():
            while time.monotonic() < deadline:
                with suppress(OSError):
                    (path / WANTED).touch()
                time.sleep(_LOOK_SECONDS)
                if _is_locked(directory):
                    (path / WANTED).unlink(missing_ok=True)
                    return True
        return False

    def _sync_directory(self) -> None:
        if self._durable:
            sync_directory(self.directory)


def _is_locked(directory: int) -> bool:
    try:
        fcntl.flock(directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _unlock(directory: int) -> None:
    """Drop the lock and close the directory. The lock first, because a `close` that fails may drop it or not."""
    with suppress(OSError):
        fcntl.flock(directory, fcntl.LOCK_UN)
    close(directory)


def _damaged(upload_id: str) -> DamagedFile:
    return DamagedFile(f"The record of the upload {upload_id[:6]}… cannot be read; ask the operator to look.")
