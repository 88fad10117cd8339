"""A resumable upload under its lock: its bytes, and the record of them."""

import errno
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, cast

from ...domain.buckets import Bucket
from ...domain.resumables import Resumable
from ...errors import StorageError, UploadLocked
from ...host.files import ReadOnlyFile, sync_directory, translated, write_all, write_new
from ..base import BlobStore
from ..filesystem import copying
from .record import dump_resumable

RECORD, DATA, WANTED = "upload.json", "data", "wanted"
_COPIED_BYTES = 64 * 1024 * 1024
_NEW_RECORD, _LINK = "upload.json.new", "link"
# A client that waits for a connection of its own to be given up has it within this time and half a second.
_SILENCE_SECONDS = 2
# Who waits renews its mark all the time, so an older one was left by a process that was killed.
_WANTED_SECONDS = 5
# File systems without hard links.
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


class HeldResumable:
    """An upload whose lock this thread holds. `upload` is its record as it is on the disk."""

    def __init__(self, path: Path, upload: Resumable, *, durable: bool, remove: Callable[[str], None]) -> None:
        self.upload = upload
        self._path = path
        self._durable = durable
        self._remove = remove
        self._data: int | None = None
        self._size = self._size_of_data()
        self.is_lost = False
        self.is_just_sealed = False

    @property
    def offset(self) -> int:
        """How many bytes have come, in order."""
        if self.upload.is_finished:
            return self.upload.length or 0
        return self._size or 0

    def recover(self, boot: str) -> None:
        """Cut off the bytes that the machine may have lost since, or whose checksum was never compared.

        Without DURABILITY, another boot may have lost any of them: then the upload is lost, and removed.
        """
        upload = self.upload
        if upload.is_finished:
            self._discard_bytes()
        elif upload.boot_id != boot:
            if not self._durable or (self._size is None and upload.blob is None):
                self.remove()
                return
            self._cut(upload.synced)
            self.record(boot_id=boot, checked_from=None)
        elif upload.checked_from is not None:
            self.cut(upload.checked_from)
            self.record(checked_from=None)

    @property
    def has_bytes(self) -> bool:
        """Whether its bytes are here. They are not if they went into the store, by a rename, and did not come back."""
        return self._size is not None

    def write(self, data: bytes) -> None:
        """Append bytes, as many as the disk takes. Raises `Unavailable` and `InsufficientStorage`."""
        self._check_unsealed()
        descriptor = self._opened()
        try:
            write_all(descriptor, data)
        except OSError as error:
            raise translated(error) from error
        finally:
            self._size = os.fstat(descriptor).st_size

    def cut(self, offset: int) -> None:
        """Cut off the bytes from `offset` on, and count that. Raises `Unavailable`."""
        self._cut(offset)
        self.record(cuts=self.upload.cuts + 1)

    def _cut(self, offset: int) -> None:
        if self._size is None or offset >= self._size:
            return
        self._check_unsealed()
        try:
            os.ftruncate(self._opened(), offset)
        except OSError as error:
            raise translated(error) from error
        self._size = offset

    def _check_unsealed(self) -> None:
        """Its bytes may be those of a file by now, which never change. Whoever gets here has missed a check."""
        assert self.upload.blob is None, "the bytes were sealed"

    def record(self, **changes: Any) -> None:
        """Change the record. A power cut may take that back, and a kill may not. Raises as `write` does."""
        self._write_record(replace(self.upload, **changes), durable=False)

    def sync(self, **changes: Any) -> None:
        """Make all bytes durable, and change the record with that. Raises as `write` does.

        If the disk fails, what it may have lost is cut off, so that the client sends it again.
        """
        changed = replace(self.upload, synced=self.offset, **changes)
        self.is_just_sealed = "blob" in changes
        try:
            self._write_record(changed, durable=self._durable)
        except StorageError:
            if self.upload.blob is None:
                with suppress(StorageError):
                    self.cut(self.upload.synced)
            raise

    def _write_record(self, upload: Resumable, *, durable: bool) -> None:
        staged = self._path / _NEW_RECORD
        beside = [self._opened()] if durable and self.has_bytes else []
        try:
            staged.unlink(missing_ok=True)
            write_new(staged, dump_resumable(upload), durable=durable, beside=beside)
            os.rename(staged, self._path / RECORD)
            if durable:
                sync_directory(self._path)
        except OSError as error:
            raise translated(error) from error
        self.upload = upload

    def copy_to(self, target: int) -> None:
        """Append all bytes to the open file `target`. Raises as `write` does."""
        try:
            with ReadOnlyFile(str(self._path / DATA)) as data:
                while copying.append(data.fileno(), target, _COPIED_BYTES):
                    pass
        except OSError as error:
            raise translated(error) from error

    def pieces(self, start: int, size: int) -> Iterator[bytes]:
        """Yield the bytes from `start` on, in pieces of up to `size` bytes. Raises `Unavailable`."""
        try:
            with ReadOnlyFile(str(self._path / DATA)) as data:
                data.seek(start)
                while piece := data.read(size):
                    yield piece
        except OSError as error:
            raise translated(error) from error

    @contextmanager
    def for_adoption(self) -> Iterator[BinaryIO]:
        """Open a file with all the bytes, which the store may move away.

        It is a hard link, so that the bytes are still here if the store fails. Without hard links, it is the file
        itself. Raises `Unavailable`.
        """
        self.close()
        path, link = self._path / DATA, self._path / _LINK
        try:
            link.unlink(missing_ok=True)
            try:
                os.link(path, link)
                path = link
            except OSError as error:
                if error.errno not in _NO_LINKS:
                    raise
            with ReadOnlyFile(str(path)) as opened:
                yield cast(BinaryIO, opened)
            link.unlink(missing_ok=True)
        except OSError as error:
            raise translated(error) from error
        finally:
            self._size = self._size_of_data()

    def finish(self) -> None:
        """Record that the upload has become a file, whose bytes are the store's now. Raises as `write` does."""
        self.record(is_finished=True, length=self.offset)
        self._discard_bytes()

    def remove(self) -> None:
        """Remove the upload with its bytes. Raises `Unavailable`."""
        self.close()
        self._remove(self.upload.id)
        self.is_lost = True

    def is_placed(self, store: BlobStore, bucket: Bucket | None) -> bool:
        """Return whether its bytes were placed in `store`, and the record does not say so. Raises as `store.read`."""
        upload = self.upload
        if upload.is_finished or upload.blob is None or upload.request.key is None or bucket is None:
            return False
        file = store.read(bucket, upload.request.key)
        return file is not None and file.blob == upload.blob

    def give_way(self, silence: float) -> None:
        """Raise `UploadLocked` if the client has sent nothing for `silence` seconds and another waits to go on."""
        if silence >= _SILENCE_SECONDS and self._is_wanted():
            raise UploadLocked("This connection fell silent, and another request goes on with the upload.")

    def _is_wanted(self) -> bool:
        try:
            return time.time() - (self._path / WANTED).stat().st_mtime < _WANTED_SECONDS
        except OSError:
            return False

    def close(self) -> None:
        """Close the file of its bytes. Never raises."""
        descriptor, self._data = self._data, None
        if descriptor is not None:
            with suppress(OSError):
                os.close(descriptor)

    def _opened(self) -> int:
        if self._data is None:
            try:
                self._data = os.open(self._path / DATA, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
            except OSError as error:
                raise translated(error) from error
        return self._data

    def _discard_bytes(self) -> None:
        self.close()
        for name in (DATA, _LINK):
            with suppress(OSError):  # the next one who holds the upload tries again
                (self._path / name).unlink(missing_ok=True)

    def _size_of_data(self) -> int | None:
        try:
            return os.stat(self._path / DATA).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise translated(error) from error
