"""One piece of a resumable upload: its bytes on their way to the disk, and what is kept of them."""

import hashlib
from collections.abc import Callable
from typing import Any, Protocol

from ...blobstore.resumables.held import HeldResumable
from ...domain.resumables import Checksum
from ...errors import ChecksumMismatch, FileTooLarge, StorageError
from ...host.clients import silence_watched
from .hashes import RunningHash

# The index learns after so many bytes that they have come, and free space is looked at again.
STEP_BYTES = 64 * 1024 * 1024


class Piece(Protocol):
    """The body of a request. `length` is in bytes, None if it comes in chunks."""

    @property
    def length(self) -> int | None: ...

    def copy_to(self, write: Callable[[bytes], Any]) -> None:
        """Pass the bytes to `write`. Raises if the client is cut off, or sends no more."""


class Receiving:
    """A piece that comes, for an upload that this thread holds. `running` hashes it along if it has all before it."""

    def __init__(
        self,
        held: HeldResumable,
        running: RunningHash,
        checksum: Checksum | None,
        on_step: Callable[[int], object],
    ) -> None:
        self._held = held
        self._begin = held.offset
        self._limit = held.upload.length
        self._running = running if running.offset == held.offset else None
        self._checksum = checksum
        self._digest = None if checksum is None else hashlib.new(checksum.algorithm, usedforsecurity=False)
        self._on_step = on_step
        self._stepped_at = held.offset
        # Whether what came counts. Bytes with a checksum count only once it was compared.
        self.keeps = checksum is None

    def receive(self, piece: Piece) -> None:
        """Write the bytes of `piece`.

        If it ends early, by any error, what came stays, but for what has a checksum, and for a piece that is longer
        than its upload: of that nothing is kept. Raises `ChecksumMismatch`, `FileTooLarge`, and what `piece` and the
        disk raise.
        """
        if self._checksum is not None:
            self._held.record(checked_from=self._begin)
        try:
            with silence_watched(self._held.give_way):
                piece.copy_to(self._write)
            self._compare()
            self.keeps = True
        except (ChecksumMismatch, FileTooLarge):
            self._cut_back()
            raise
        except StorageError:
            if self._checksum is not None:
                self._cut_back()
            raise

    def _write(self, data: bytes) -> None:
        if self._limit is not None and self._held.offset + len(data) > self._limit:
            raise too_long(self._limit)
        self._held.write(data)
        if self._running is not None:
            self._running.update(data)
        if self._digest is not None:
            self._digest.update(data)
        if self._held.offset - self._stepped_at >= STEP_BYTES:
            self._stepped_at = self._held.offset
            self._on_step(self._held.offset)

    def _compare(self) -> None:
        if self._checksum is None or self._digest is None:
            return
        if self._digest.digest() != self._checksum.digest:
            raise ChecksumMismatch(
                f"The {self._checksum.algorithm} of the bytes is not that of Upload-Checksum; send them again."
            )

    def _cut_back(self) -> None:
        """Cut off this piece. If that fails, the next one who holds the upload cuts off what has a checksum."""
        self.keeps = False
        self._held.cut(self._begin)
        self._held.record(checked_from=None)
        self.keeps = True


def too_long(length: int) -> FileTooLarge:
    """Return the refusal of bytes beyond the length of an upload."""
    return FileTooLarge(
        f"The bytes go beyond the Upload-Length of {length} bytes; send those that are left.", members={"limit": length}
    )
