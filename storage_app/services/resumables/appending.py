"""Resumable uploads that go on: their state, the next piece, and their end."""

from dataclasses import dataclass, replace
from datetime import datetime

from ...blobstore.resumables.held import HeldResumable
from ...domain.files import File
from ...domain.resumables import Checksum, Resumable
from ...errors import ChecksumMismatch, Conflict, Forbidden, InvalidRequest, OffsetConflict, UploadLocked
from ...host.locks import UploadSlots
from ...index import Index
from .access import Access
from .finish import Finisher
from .hashes import RunningHashes
from .pieces import Piece, Receiving, too_long
from .reservations import ResumableReservations

# A client asks for the state before it goes on, so the two waits together must not take 5 seconds.
_STATE_PATIENCE_SECONDS = 2.75


@dataclass(frozen=True, slots=True)
class State:
    """An upload, and how many of its bytes have come. `file` is the file that it has become in this request."""

    upload: Resumable
    offset: int
    file: File | None = None


class Appending:
    """Receives the pieces of uploads. Threads may share it."""

    def __init__(
        self,
        index: Index,
        access: Access,
        slots: UploadSlots,
        reservations: ResumableReservations,
        finisher: Finisher,
    ) -> None:
        self._index = index
        self._access = access
        self._slots = slots
        self._reservations = reservations
        self._finisher = finisher
        self._hashes = RunningHashes()

    def state(self, upload_id: str) -> State:
        """Return an upload. If all its bytes have come, and it is no file yet, it becomes one first.

        Raises `UploadNotFound` and `UploadGone`, and what the finish raises.
        """
        try:
            with self._access.held(upload_id, patience=_STATE_PATIENCE_SECONDS) as held:
                return self.finished_if_complete(held)
        except UploadLocked:  # its bytes come just now
            return State(*self._access.seen(upload_id))

    def expires_at(self, upload_id: str) -> datetime:
        """Return when an upload ends, whoever holds it. Raises `UploadNotFound` and `UploadGone`."""
        return self._access.seen(upload_id)[0].expires_at

    def append(
        self,
        upload_id: str,
        offset: int,
        piece: Piece,
        *,
        length: int | None = None,
        checksum: Checksum | None = None,
    ) -> State:
        """Add the bytes of `piece`, which begin at `offset`. `length` is that of the whole upload, if it was deferred.

        If they are the last, the upload becomes a file. Raises `UploadNotFound`, `UploadGone`, `UploadLocked`,
        `Forbidden` for an upload that was made of parts, `OffsetConflict`, `FileTooLarge`, `InvalidRequest` for another
        length, and what `receive` and the finish raise.
        """
        with self._access.held(upload_id) as held:
            if held.upload.is_final:
                raise Forbidden("This upload was made of parts, and takes no bytes; create another.")
            if offset != held.offset:
                raise OffsetConflict(f"The upload has {held.offset} bytes; send what follows them.")
            before = held.upload.length
            if length is not None:
                self._set_length(held, length)
            try:
                self.receive(held, piece, checksum)
            except ChecksumMismatch:  # which updates nothing of the upload
                self._defer_again(held, before)
                raise
            return self.finished_if_complete(held)

    def terminate(self, upload_id: str) -> None:
        """End an upload, and remove what has come of it. A file that it has become stays.

        Raises `UploadNotFound`, `UploadGone` and `UploadLocked`.
        """
        with self._access.held(upload_id) as held:
            self._access.remove(held)

    def receive(self, held: HeldResumable, piece: Piece, checksum: Checksum | None) -> None:
        """Add the bytes of `piece` to an upload that this thread holds.

        What came is kept if the piece ends early, except of a piece with a checksum, or one that is too long. Raises
        `TooManyUploads`, `ChecksumMismatch`, and what the limits, the piece and the disk raise.
        """
        self._check_fits(held, piece)
        if piece.length == 0:
            if checksum is not None and not checksum.is_of(b""):
                raise ChecksumMismatch("Upload-Checksum is not that of an empty body; send the bytes again.")
            return
        with self._slots.hold():
            if held.upload.length is None:
                self._reserve(held, held.upload, ahead=piece.length or 0)
            self._receive(held, piece, checksum)

    def _receive(self, held: HeldResumable, piece: Piece, checksum: Checksum | None) -> None:
        running = self._hashes.take(held.upload.id, cuts=held.upload.cuts)
        receiving = Receiving(held, running, checksum, lambda received: self._on_step(held, received))
        try:
            receiving.receive(piece)
        finally:
            if receiving.keeps:
                self._keep(held)
            self._hashes.put(held.upload.id, running)

    def finished_if_complete(self, held: HeldResumable) -> State:
        """Return the state of an upload that this thread holds. It becomes a file if all its bytes have come."""
        file = None
        if self._finisher.is_due(held):
            running = self._hashes.take(held.upload.id, cuts=held.upload.cuts)
            file = self._finisher.finish(held, running)
        return State(held.upload, held.offset, file)

    def _set_length(self, held: HeldResumable, length: int) -> None:
        """Set a length that was deferred. Raises `InvalidRequest` for another than the one that is set."""
        upload = held.upload
        if upload.length is not None:
            if upload.length != length:
                raise InvalidRequest(f"The Upload-Length is {upload.length} bytes already, and cannot change.")
            return
        if length < held.offset:
            raise InvalidRequest(f"The Upload-Length is less than the {held.offset} bytes that have come.")
        self._finisher.check_size(upload, length, is_whole=True)
        self._reserve(held, replace(upload, length=length))
        held.record(length=length)

    def _defer_again(self, held: HeldResumable, before: int | None) -> None:
        if held.upload.length != before:
            held.record(length=before)
            self._reservations.renew(held.upload, received=held.offset)

    def _reserve(self, held: HeldResumable, upload: Resumable, *, ahead: int = 0) -> None:
        """Reserve for `upload` as it is to be, or with `ahead` more bytes while its length is deferred."""
        bucket = self._index.bucket_with(upload.bucket_uid)
        if bucket is not None:
            self._reservations.reserve(upload, bucket, received=held.offset + ahead)

    def _check_fits(self, held: HeldResumable, piece: Piece) -> None:
        """Refuse what the length of the piece allows to refuse: `FileTooLarge`, `InsufficientStorage`."""
        upload, size = held.upload, piece.length or 0
        if upload.length is not None and held.offset + size > upload.length:
            raise too_long(upload.length)
        if upload.is_finished and piece.length is None:
            raise Conflict("The upload is complete; send nothing more to it.")
        if size:
            self._reservations.check_free_space(size)
        if upload.length is None:
            self._finisher.check_size(upload, held.offset + size, is_whole=False)

    def _on_step(self, held: HeldResumable, received: int) -> None:
        """Tell the index what has come, while more does."""
        self._reservations.check_free_space(0)
        if held.upload.length is None:
            self._finisher.check_size(held.upload, received, is_whole=False)
            self._reserve(held, held.upload)
        else:
            self._reservations.receive(held.upload, received)

    def _keep(self, held: HeldResumable) -> None:
        """Make what has come durable, and tell the index. If it is all, the bytes are sealed with that."""
        held.sync(checked_from=None, **self._finisher.seal(held))
        if held.upload.length is None:
            self._reservations.renew(held.upload, received=held.offset)
        else:
            self._reservations.receive(held.upload, held.offset)
