"""What lies in a process's staging directory until a rename places it."""

import os
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from ..domain import File
from .disk import translated, write_new
from .records import dump_file


class StagedBytes:
    """Bytes in a file of the staging directory."""

    def __init__(self, path: Path, *, durable: bool) -> None:
        self.path = path
        self._durable = durable
        with translated():
            self._file = open(path, "xb", buffering=0)  # noqa: SIM115  `seal` or `discard` closes

    def write(self, data: bytes) -> int:
        with translated():
            view = memoryview(data)
            while view:
                view = view[self._file.write(view) :]  # a raw write may be short
        return len(data)

    def seal(self) -> None:
        with translated():
            if self._durable:
                os.fsync(self._file.fileno())
            self._file.close()

    def discard(self) -> None:
        with suppress(OSError):
            self._file.close()
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class StagedRecord:
    """A sidecar in a file of the staging directory."""

    def __init__(self, path: Path, file: File, *, durable: bool) -> None:
        self.path = path
        self.file = file
        self._durable = durable
        write_new(path, dump_file(file), durable=durable)

    def restage(self, file: File) -> None:
        if file != self.file:
            self.discard()
            self.file = file
            write_new(self.path, dump_file(file), durable=self._durable)

    def discard(self) -> None:
        with suppress(OSError):
            self.path.unlink(missing_ok=True)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()
