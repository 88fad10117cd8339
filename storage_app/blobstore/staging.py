"""What lies in a process's staging directory until a rename places it."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..disk import sync, translated, write_new
from ..domain import File
from .records import dump_file


class Staging:
    """The staging directory of one process; with `durable` False nothing is synced."""

    def __init__(self, directory: Path, *, durable: bool) -> None:
        self.directory = directory
        self.durable = durable
        self._undiscarded: set[Path] = set()
        directory.mkdir(parents=True, exist_ok=True)
        # What the umask left of the directory's mode, it leaves of a file's.
        self._file_mode = stat.S_IMODE(directory.stat().st_mode) & 0o666

    def new_path(self) -> Path:
        return self.directory / secrets.token_hex(8)

    def write(self, path: Path, content: bytes) -> None:
        """Write a file that is not there yet, whole, or leave none."""
        with self.discarded_on_failure(path):
            write_new(path, content, durable=self.durable)

    def move_in(self, source: Path, path: Path) -> None:
        """Move a file of another program here, and give it the rights that our own have. Raises OSError."""
        os.rename(source, path)
        path.chmod(self._file_mode)

    def discard(self, path: Path) -> None:
        """Remove what is at `path`, if anything is. Never raises: what the disk refuses is done by `tidy`."""
        try:
            if path.is_dir():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        except OSError:
            self._undiscarded.add(path)
        else:
            self._undiscarded.discard(path)

    def tidy(self) -> None:
        """Discard what could not be before."""
        for path in list(self._undiscarded):
            self.discard(path)

    @contextmanager
    def discarded_on_failure(self, path: Path) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.discard(path)
            raise


class StagedBytes:
    """Bytes in a file of the staging directory: a new one, or `source`, which is moved there."""

    def __init__(self, staging: Staging, source: Path | None = None) -> None:
        self.path = staging.new_path()
        self._staging = staging
        with translated(), staging.discarded_on_failure(self.path):
            if source is not None:
                staging.move_in(source, self.path)
            mode = "xb" if source is None else "ab"
            self._file = open(self.path, mode, buffering=0)  # noqa: SIM115  `seal` or `discard` closes

    def write(self, data: bytes) -> int:
        with translated():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]  # a raw write may be short
        return len(data)

    def seal(self) -> None:
        with translated():
            if self._staging.durable:
                sync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        self._staging.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class StagedRecord:
    """A sidecar in a file of the staging directory."""

    def __init__(self, staging: Staging, file: File) -> None:
        self.path = staging.new_path()
        self.file = file
        self._staging = staging
        staging.write(self.path, dump_file(file))

    def restage(self, file: File) -> None:
        if file != self.file:
            self.discard()
            self.path = self._staging.new_path()
            self.file = file
            self._staging.write(self.path, dump_file(file))

    def discard(self) -> None:
        self._staging.discard(self.path)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
