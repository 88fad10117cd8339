"""Repair of damage that `scan` has found, as far as no bytes are lost by it.

Each repair takes the locks that writers take, judges again under them, and returns what it did, for an operator.
"""

from ..blobstore import Inventory
from ..blobstore.resumables.store import ResumableStore
from ..domain.buckets import Bucket
from ..domain.files import File
from ..index import Index
from ..journal.commit import Commits
from ..journal.reconcile import reconcile_bucket, reconcile_file


class Repair:
    """Repairs a store that may be in use. Its methods raise `DamagedFile`, `Unavailable` and `InsufficientStorage`."""

    def __init__(self, index: Index, store: Inventory, resumables: ResumableStore, commits: Commits) -> None:
        self._index = index
        self._store = store
        self._resumables = resumables
        self._commits = commits

    def bucket_row(self, bucket: Bucket) -> str:
        """Reconcile the row of `bucket` with its record."""
        with self._index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            reconcile_bucket(transaction, self._store, bucket.name, adopt=True)
        return "the row was written again"

    def row(self, bucket: Bucket, key: str) -> str:
        """Reconcile the row of `key` with its sidecar."""
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, key)])
            reconcile_file(transaction, self._store, bucket, key)
        return "the row was written again"

    def sidecar(self, bucket: Bucket, file: File) -> str | None:
        """Write the missing sidecar of `file` again, from its row. Return None if its bytes are not all there."""
        if self._store.blob_size(bucket, file.blob) != file.size:
            return None
        self._commits.restore(bucket, file)
        return "the sidecar was written again, from the index"

    def stray(self, bucket: Bucket, blob: str) -> str:
        """Move a blob that nothing explains to lost+found, where an operator can look at it."""
        self._store.set_aside(bucket, blob)
        return "they were moved to lost+found"

    def upload(self, upload_id: str) -> str:
        """Move the directory of a resumable upload whose record cannot be read to lost+found."""
        self._resumables.set_aside(upload_id)
        return "it was moved to lost+found"
