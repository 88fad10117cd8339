"""The staging directory of a process, from which a rename places blobs and sidecars."""

import itertools
import os
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import BinaryIO, Self

from ...domain.files import File
from ...host.blocking import detach
from ...host.files import remove_tree, translated, write_all, write_new
from ...host.parts import Part, part_of
from ..sidecars import dump_file
from . import copying


class Staging:
    """The staging directory of one process. If `durable` is False, nothing is synced."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self.directory = directory
        self.durable = durable
        self._undiscarded: set[str] = set()
        self._numbers = itertools.count()  # unique, because only this process uses the directory
        directory.mkdir(parents=True, exist_ok=True)
        # Files get the permissions that the umask leaves, which the mode of the directory shows.
        self._file_mode = stat.S_IMODE(directory.stat().st_mode) & 0o666

    def new_path(self) -> str:
        """Return a path that has not been used yet."""
        return f"{self.directory}/{next(self._numbers)}"

    def write(self, path: str, content: bytes, *, beside: Sequence[int] = ()) -> None:
        """Write a new file, and sync the open files `beside` with it, or leave no file. Raises as `write_new` does."""
        with self.discarded_on_failure(path):
            write_new(path, content, durable=self.durable, beside=beside)

    def move_in(self, source: str, path: str) -> None:
        """Move a file of another program to `path`, and give it the permissions of our own files. Raises OSError."""
        os.rename(source, path)
        os.chmod(path, self._file_mode)

    def discard(self, path: str) -> None:
        """Remove the file or directory at `path`, if any. Never raises. If the disk refuses, `tidy` tries again."""
        try:
            _remove(path)
        except OSError:
            self._undiscarded.add(path)
        else:
            self._undiscarded.discard(path)

    def discard_later(self, path: str) -> None:
        """Let `tidy` discard the file at `path`. Never raises."""
        self._undiscarded.add(path)

    def tidy(self) -> None:
        """Remove what `discard_later` was told of, and try again to remove what `discard` could not."""
        for path in list(self._undiscarded):
            self.discard(path)

    def discarded_on_failure(self, path: str) -> "_DiscardedOnFailure":
        """Discard what is at `path` if the body of `with` fails."""
        return _DiscardedOnFailure(self, path)


class _DiscardedOnFailure:
    def __init__(self, staging: Staging, path: str) -> None:
        self._staging = staging
        self._path = path

    def __enter__(self) -> None:
        pass

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is not None:
            self._staging.discard(self._path)


def _remove(path: str) -> None:
    try:
        with suppress(FileNotFoundError):
            os.unlink(path)
    except IsADirectoryError:
        remove_tree(path)


class _StagedFile:
    """A file in the staging directory, at `path` until it is moved to its place."""

    def __init__(self, staging: Staging) -> None:
        self.path = staging.new_path()
        self._staging = staging
        self._is_placed = False

    def move_to(self, path: str) -> None:
        """Move the file to its place, replacing a file there. Raises OSError."""
        os.rename(self.path, path)
        self._is_placed = True

    def discard(self) -> None:
        if not self._is_placed:
            self._staging.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class BlobFile(_StagedFile):
    """A `StagedBlob`: a new file, or the file at `source`, which is moved into staging."""

    def __init__(self, staging: Staging, source: str | None = None) -> None:
        super().__init__(staging)
        self._descriptor: int | None = None
        flags = os.O_WRONLY | os.O_CLOEXEC
        try:
            if source is None:
                self._descriptor = os.open(self.path, flags | os.O_CREAT | os.O_EXCL, 0o666)
            else:
                with staging.discarded_on_failure(self.path):
                    staging.move_in(source, self.path)
                    self._descriptor = os.open(self.path, flags | os.O_APPEND)
        except OSError as error:
            raise translated(error) from error

    @part_of(Part.STORE)
    def write(self, data: bytes) -> int:
        try:
            write_all(self.fileno(), data)
        except OSError as error:
            raise translated(error) from error
        return len(data)

    @part_of(Part.STORE)
    def append(self, source: BinaryIO, size: int) -> int:
        try:
            return copying.append(source.fileno(), self.fileno(), size)
        except OSError as error:
            raise translated(error) from error

    def fileno(self) -> int:
        """Return the descriptor of the open file."""
        assert self._descriptor is not None, "the bytes were ended"
        return self._descriptor

    def close(self) -> None:
        """End the bytes, which are synced already. Raises OSError."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        with suppress(OSError):
            self.close()
        super().discard()


class CannotShareError(Exception):
    """The file system gives no two files the same bytes, or not these two."""


class SharedBlobFile(BlobFile):
    """A `StagedBlob` that is complete, and shares the bytes of the placed blob at `source`. So it cannot be written.

    Raises `CannotShareError`, and `FileNotFoundError` if there is no blob at `source`.
    """

    def __init__(self, staging: Staging, source: str) -> None:
        _StagedFile.__init__(self, staging)
        try:
            if not copying.share(source, self.path, staging.discard):
                raise CannotShareError
            with staging.discarded_on_failure(self.path):
                self._descriptor = os.open(self.path, os.O_RDONLY | os.O_CLOEXEC)
        except OSError as error:
            if isinstance(error, FileNotFoundError) and not os.path.exists(source):
                raise
            raise translated(error) from error


class SidecarFile(_StagedFile):
    """A `StagedSidecar`. If `blob` is given, its bytes are synced together with the sidecar, and ended."""

    def __init__(self, staging: Staging, file: File, blob: BlobFile | None = None) -> None:
        super().__init__(staging)
        self.file = file
        try:
            with staging.discarded_on_failure(self.path):
                staging.write(self.path, dump_file(file), beside=[] if blob is None else [blob.fileno()])
                if blob is not None:
                    blob.close()  # some disks report only now that they are full
        except OSError as error:
            raise translated(error) from error

    def restage(self, file: File) -> None:
        detach()  # the sync runs under the key's lock, which others wait for
        self.discard()
        self.path = self._staging.new_path()
        self.file = file
        self._staging.write(self.path, dump_file(file))
