"""Collection: removes replaced and deleted bytes, a minute later."""

import logging
from datetime import datetime, timedelta

from ..blobstore import BlobStore
from ..domain.buckets import Bucket
from ..domain.intents import PendingDeletion
from ..errors import StorageError
from ..index import Index

log = logging.getLogger(__name__)

# Replaced bytes stay this long, because nginx opens a blob only after Python has answered.
GRACE = timedelta(minutes=1)
_BATCH = 1000


def collect(index: Index, store: BlobStore, *, until: datetime) -> int:
    """Remove what was scheduled for deletion at `until` or before. Return how many pending deletions were cleared."""
    cleared, last = 0, 0
    while batch := index.pending_deletions(until, after=last, limit=_BATCH):
        done = [deletion for deletion in batch if _is_done(deletion, index, store)]
        with index.write() as transaction:
            for deletion in done:
                transaction.clear_deletion(deletion)
        cleared += len(done)
        last = batch[-1].id
    return cleared


def _is_done(deletion: PendingDeletion, index: Index, store: BlobStore) -> bool:
    """Act on `deletion`. Return False if that failed: the next collection tries again, and the others go on."""
    try:
        _act_on(deletion, index, store)
    except StorageError as error:
        log.warning("what was deleted could not be removed yet: %s", error.detail, extra={"blob": deletion.blob})
        return False
    return True


def _act_on(deletion: PendingDeletion, index: Index, store: BlobStore) -> None:
    bucket = index.bucket_with(deletion.bucket_uid)
    if deletion.key is None or deletion.blob is None:
        _purge_bucket(deletion.bucket_uid, index, store)
    elif bucket is not None:
        _remove_unless_named(store, bucket, deletion.key, deletion.blob)


def _purge_bucket(uid: str, index: Index, store: BlobStore) -> None:
    while True:
        with index.write() as transaction:
            if transaction.bucket(uid) is not None:  # an operator moved it back out of the trash
                return
            if transaction.drop_files_of(uid, limit=_BATCH) < _BATCH:
                break
    store.purge_bucket(uid)


def _remove_unless_named(store: BlobStore, bucket: Bucket, key: str, blob: str) -> None:
    # Sync first: a power cut could bring back the old sidecar, which needs its blob.
    store.sync(bucket, key)
    file = store.read(bucket, key)
    if file is None or file.blob != blob:
        store.delete_blob(bucket, blob)
