"""The upkeep of resumable uploads: those that have expired are removed, and the index agrees with the disk."""

from contextlib import suppress
from datetime import datetime, timedelta

from ..blobstore import BlobStore
from ..blobstore.resumables.held import HeldResumable
from ..blobstore.resumables.store import ResumableStore
from ..domain.times import now
from ..errors import DamagedFile, StorageError
from ..index import Index

_BATCH = 1000
# A creation reserves first. If its process was killed then, there is no directory after this time.
_CREATION = timedelta(minutes=1)


class ResumableUpkeep:
    """Looks after the uploads in `uploads`, whose rows are in `index`, and whose files go into `store`."""

    def __init__(self, index: Index, store: BlobStore, uploads: ResumableStore) -> None:
        self._index = index
        self._store = store
        self._uploads = uploads

    def tidy(self) -> None:
        """Free the space of removed uploads that could not be freed before. Never raises."""
        self._uploads.tidy()

    def collect(self, until: datetime) -> int:
        """Remove the uploads that expired at `until` or before, and return their number.

        An upload that receives bytes stays until that ends. Whatever fails is tried again the next time.
        """
        count = 0
        while expired := self._index.expired_resumables(until, limit=_BATCH):
            removed = [upload_id for upload_id in expired if self._is_removed(upload_id)]
            with self._index.write() as transaction:
                transaction.end_resumables(removed)
            count += len(removed)
            if len(removed) < _BATCH:
                break
        return count

    def reconcile(self) -> None:
        """Make the rows agree with the uploads on the disk.

        Also records which uploads have become files, and cuts off what may be lost. An upload that another process
        holds keeps its row.
        """
        found = set()
        for upload_id in self._uploads.ids():
            found.add(upload_id)
            with suppress(StorageError):  # damaged, or in use
                self._reconcile(upload_id)
        self._end_without_directory(found)

    def _is_removed(self, upload_id: str) -> bool:
        try:
            with self._uploads.held(upload_id) as held:
                if held is not None:
                    held.remove()
        except DamagedFile:  # its room is free again, and `check` reports it
            return True
        except StorageError:
            return False
        return True

    def _reconcile(self, upload_id: str) -> None:
        with self._uploads.held(upload_id) as held:
            if held is None:
                return
            bucket = self._index.bucket_with(held.upload.bucket_uid)
            if bucket is None:
                held.remove()
                return
            if held.is_placed(self._store, bucket):
                held.finish()
            self._put(held)

    def _put(self, held: HeldResumable) -> None:
        upload = held.upload
        with self._index.write() as transaction:
            key = upload.request.key
            replaced = None if key is None else transaction.file(upload.bucket_uid, key)
            row = upload.reservation(received=held.offset, replaced_bytes=0 if replaced is None else replaced.size)
            if transaction.resumable(upload.id) != row:
                transaction.put_resumable(row)

    def _end_without_directory(self, found: set[str]) -> None:
        last, latest = "", now() - _CREATION
        while batch := self._index.resumables(after=last, limit=_BATCH):
            missing = [row.id for row in batch if row.id not in found and row.created_at < latest]
            if missing:
                with self._index.write() as transaction:
                    transaction.end_resumables(missing)
            last = batch[-1].id
