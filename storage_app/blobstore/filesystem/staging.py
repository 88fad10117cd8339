"""What lies in a process's staging directory until a rename places it."""

import itertools
import os
import shutil
import stat
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ...domain.files import File
from ...host.blocking import detach
from ...host.files import translated, write_all, write_new
from ..sidecars import dump_file


class Staging:
    """The staging directory of one process; with `durable` False nothing is synced."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self.directory = directory
        self.durable = durable
        self._undiscarded: set[str] = set()
        self._numbers = itertools.count()  # the directory is the process's own
        directory.mkdir(parents=True, exist_ok=True)
        # What the umask left of the directory's mode, it leaves of a file's.
        self._file_mode = stat.S_IMODE(directory.stat().st_mode) & 0o666

    def new_path(self) -> str:
        return f"{self.directory}/{next(self._numbers)}"

    def write(self, path: str, content: bytes, *, beside: Sequence[int] = ()) -> None:
        """Write a file that is not there yet, whole, or leave none; sync the open files `beside` with it."""
        with self.discarded_on_failure(path):
            write_new(path, content, durable=self.durable, beside=beside)

    def move_in(self, source: str, path: str) -> None:
        """Move a file of another program here, and give it the rights that our own have. Raises OSError."""
        os.rename(source, path)
        os.chmod(path, self._file_mode)

    def discard(self, path: str) -> None:
        """Remove what is at `path`, if anything is. Never raises: what the disk refuses is done by `tidy`."""
        try:
            _remove(path)
        except OSError:
            self._undiscarded.add(path)
        else:
            self._undiscarded.discard(path)

    def tidy(self) -> None:
        """Discard what could not be before."""
        for path in list(self._undiscarded):
            self.discard(path)

    def discarded_on_failure(self, path: str) -> "_DiscardedOnFailure":
        """Discard what is at `path` when the body of `with` fails."""
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
        shutil.rmtree(path)


class _StagedFile:
    """A file of the staging directory at `path`, until it is moved away."""

    def __init__(self, staging: Staging) -> None:
        self.path = staging.new_path()
        self._staging = staging
        self._is_away = False

    def move_to(self, path: str) -> None:
        """Move it to its place, over what is there. Raises OSError."""
        os.rename(self.path, path)
        self._is_away = True

    def discard(self) -> None:
        if not self._is_away:
            self._staging.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class BlobFile(_StagedFile):
    """Bytes: new ones, or those of the file `source`, which is moved there."""

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

    def write(self, data: bytes) -> int:
        try:
            write_all(self.fileno(), data)
        except OSError as error:
            raise translated(error) from error
        return len(data)

    def fileno(self) -> int:
        assert self._descriptor is not None, "the bytes were ended"
        return self._descriptor

    def close(self) -> None:
        """End bytes that are durable. Raises OSError."""
        descriptor, self._descriptor = self._descriptor, None
        if descriptor is not None:
            os.close(descriptor)

    def discard(self) -> None:
        with suppress(OSError):
            self.close()
        super().discard()


class SidecarFile(_StagedFile):
    """A sidecar; with `blob`, the bytes beside it are ended, durable as itself."""

    def __init__(self, staging: Staging, file: File, blob: BlobFile | None = None) -> None:
        super().__init__(staging)
        self.file = file
        try:
            with staging.discarded_on_failure(self.path):
                staging.write(self.path, dump_file(file), beside=[] if blob is None else [blob.fileno()])
                if blob is not None:
                    blob.close()  # some disks say only now that there is no room
        except OSError as error:
            raise translated(error) from error

    def restage(self, file: File) -> None:
        if file != self.file:
            detach()  # it is synced under the key's lock, which others wait for
            self.discard()
            self.path = self._staging.new_path()
            self.file = file
            self._staging.write(self.path, dump_file(file))
