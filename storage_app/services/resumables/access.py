"""Access to resumable uploads by their ids: which one there is, and who holds it."""

from collections.abc import Iterator
from contextlib import contextmanager

from ...auth.resumable_ids import ResumableIds
from ...blobstore.resumables.held import HeldResumable
from ...blobstore.resumables.store import ResumableStore
from ...domain.resumables import Resumable
from ...domain.times import now
from ...errors import StorageError, UploadGone, UploadNotFound
from ...index import Index
from .finish import Finisher
from .reservations import ResumableReservations

# For so long a request waits for another one of the same upload. One that has fallen silent ends before.
PATIENCE_SECONDS = 4.0


class Access:
    """Holds and removes uploads."""

    def __init__(
        self,
        index: Index,
        store: ResumableStore,
        reservations: ResumableReservations,
        finisher: Finisher,
        ids: ResumableIds,
    ) -> None:
        self._index = index
        self._store = store
        self._reservations = reservations
        self._finisher = finisher
        self._ids = ids

    @contextmanager
    def held(self, upload_id: str, *, patience: float = PATIENCE_SECONDS) -> Iterator[HeldResumable]:
        """Hold an upload that has not ended, after up to `patience` seconds.

        Raises `UploadNotFound`, `UploadGone` and `UploadLocked`.
        """
        self._check_id(upload_id)
        with self._store.held(upload_id, patience=patience) as held:
            if held is None:
                raise UploadGone
            self._check_alive(held)
            self._finisher.recover(held)
            yield held

    def seen(self, upload_id: str) -> tuple[Resumable, int]:
        """Return an upload that another request holds, and how many of its bytes have come. Raises `UploadGone`."""
        self._check_id(upload_id)
        upload = self._store.read(upload_id)
        if upload is None:
            raise UploadGone
        return upload, self._store.size(upload)

    def remove(self, held: HeldResumable) -> None:
        """Remove an upload that this thread holds."""
        held.remove()
        self._reservations.end(held.upload.id)

    def abandon(self, upload_id: str) -> None:
        """Remove an upload, unless another holds it. What fails here is left to expire."""
        try:
            with self._store.held(upload_id) as held:
                if held is not None:
                    held.remove()
            self._reservations.end(upload_id)
        except StorageError:
            pass

    def _check_id(self, upload_id: str) -> None:
        if not self._ids.is_ours(upload_id):
            raise UploadNotFound

    def _check_alive(self, held: HeldResumable) -> None:
        if held.upload.expires_at <= now():
            raise UploadGone("The upload has expired; create another.")
        if self._index.bucket_with(held.upload.bucket_uid) is None:
            self.remove(held)
            raise UploadGone("The bucket of the upload was deleted; create an upload to another.")
