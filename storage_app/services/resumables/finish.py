"""The finish of a resumable upload: its bytes become a file, as a body that a gateway has spooled does."""

from collections.abc import Iterator
from contextlib import AbstractContextManager
from typing import Any, BinaryIO

from ...auth.signed_urls import SignedUpload
from ...blobstore import BlobStore, new_blob_name
from ...blobstore.resumables.held import HeldResumable
from ...domain.files import File
from ...domain.principals import Principal
from ...domain.resumables import Resumable
from ...domain.uploads import DeclaredBody, UploadRequest
from ...errors import StorageError, UploadGone
from ...host.blocking import detach
from ...index import Index
from ...media_types.sniffing import HEAD_BYTES
from .. import upload_rules as rules
from ..upload_bodies import Write
from ..upload_rules import Received, UploadLimits
from ..upload_targets import Target
from ..uploads import Uploads
from .hashes import RunningHash
from .reservations import ResumableReservations


class Finisher:
    """Finishes uploads that this thread holds."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        uploads: Uploads,
        reservations: ResumableReservations,
        limits: UploadLimits,
    ) -> None:
        self._index = index
        self._store = store
        self._uploads = uploads
        self._reservations = reservations
        self._limits = limits

    def is_due(self, held: HeldResumable) -> bool:
        """Return whether all bytes have come, and are no file yet. A part is never due."""
        upload = held.upload
        return not upload.is_part and not upload.is_finished and held.offset == upload.length

    def seal(self, held: HeldResumable) -> dict[str, Any]:
        """Return the change of the record that seals the bytes under a new name, if the upload is due, or none."""
        return {"blob": new_blob_name(held.upload.request.key or "")} if self.is_due(held) else {}

    def recover(self, held: HeldResumable) -> None:
        """Find out whether an earlier finish, whose process was killed, has made the file.

        Raises `UploadGone` without the bytes, and what the store raises.
        """
        if held.is_placed(self._store, self._index.bucket_with(held.upload.bucket_uid)):
            self._end(held)
        elif not held.has_bytes and not held.upload.is_finished:
            held.remove()
            raise UploadGone("The bytes of the upload were lost on their way into the store; create another.")

    def finish(self, held: HeldResumable, running: RunningHash) -> File:
        """Make the upload a file.

        All its bytes are synced and sealed before. From then on they may be a blob, and nothing changes them. A refusal
        (4xx) ends the upload, and keeps nothing of it. After any other error it can be finished again. Raises what
        `Uploads.receive` raises.
        """
        detach()  # to read and hash it takes as long as it is large
        if not held.is_just_sealed:
            held.sync(**self.seal(held))
        upload = held.upload
        try:
            body = _Whole(held, running)
            file, _ = self._uploads.receive(
                _uploader(upload), upload.request, body, reservation_id=upload.id, blob=upload.blob
            )
        except StorageError as error:
            if error.status < 500:
                held.remove()
            else:
                self._reservations.renew(upload, received=held.offset)
            raise
        self._end(held)
        return file

    def check_size(self, upload: Resumable, size: int, *, is_whole: bool) -> None:
        """Raise `FileTooLarge`, `QuotaExceeded` or `InvalidRequest` unless the upload may have `size` bytes.

        With `is_whole`, they are all that it will have.
        """
        bucket = self._index.bucket_with(upload.bucket_uid)
        if bucket is None:
            raise UploadGone
        key = upload.request.key
        target = Target(bucket, upload.right, None if key is None else self._index.file(bucket.uid, key))
        rules.check_size(upload.request, target, self._limits, size)
        if is_whole and not upload.is_part:
            rules.check_bound_size(upload.request.constraints, size)

    def _end(self, held: HeldResumable) -> None:
        held.finish()
        self._reservations.finish(held.upload)


class _Whole:
    """The bytes of a complete upload, as the body of an upload."""

    def __init__(self, held: HeldResumable, running: RunningHash) -> None:
        self._held = held
        self._running = running

    def declare(self) -> DeclaredBody:
        attributes = self._held.upload.request.attributes
        return DeclaredBody(size=self._held.offset, is_here=True, is_stored=True, attributes=attributes)

    def opened(self) -> AbstractContextManager[BinaryIO]:
        self._received = self._look()
        return self._held.for_adoption()

    def received(self) -> Received:
        return self._received

    def _look(self) -> Received:
        """Hash what was not hashed when it came. Done before the store moves the file away."""
        head = next(self._pieces(0, HEAD_BYTES), b"")
        return Received(self._held.offset, self._running.of_whole(self._pieces), head)

    def _pieces(self, start: int, size: int) -> Iterator[bytes]:
        return self._held.pieces(start, size)

    def send_to(self, write: Write) -> None:
        raise AssertionError("its bytes are known")

    def complete(self, request: UploadRequest) -> UploadRequest:
        return request


def _uploader(upload: Resumable) -> Principal | SignedUpload:
    """Return who uploads: the principal of the creation, or whoever has the right that a signed URL gave."""
    if upload.principal is not None:
        return upload.principal
    return SignedUpload(
        bucket_uid=upload.bucket_uid,
        key=upload.request.key or "",
        expires_at=int(upload.expires_at.timestamp()),
        right=upload.right,
        overwrite=upload.request.overwrite,
        constraints=upload.request.constraints,
    )
