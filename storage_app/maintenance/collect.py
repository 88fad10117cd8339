"""Collection: removes what was replaced or deleted, a minute later."""

import logging
from datetime import datetime, timedelta

from ..blobstore import BlobStore
from ..domain.buckets import Bucket
from ..domain.intents import PendingDeletion
from ..errors import StorageError
from ..index import Index

log = logging.getLogger(__name__)

# nginx opens bytes after Python has answered, and slow readers are still at them: replaced bytes stay this long.
GRACE = timedelta(minutes=1)
_BATCH = 1000


def collect(index: Index, store: BlobStore, *, until: datetime) -> int:
    """Remove what was replaced or deleted at `until` or before; return how many pending_deletions were cleared."""
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
    """Act on `deletion`; what fails is tried again by the next collection, and does not keep the others."""
    try:
        _act_on(deletion, index, store)
    except StorageError as error:
        log.warning("what was deleted could not be removed yet: %s", error.detail, extra={"blob": deletion.blob})
        return False
    return True


def _act_on(deletion: PendingDeletion, index: Index, store: BlobStore) -> None:
    bucket = index.bucket_with(deletion.bucket_uid)
    if deletion.key is None or deletion.blob is None:
        _forget_bucket(deletion.bucket_uid, index, store)
    elif bucket is not None:
        _remove_unless_named(store, bucket, deletion.key, deletion.blob)


def _forget_bucket(uid: str, index: Index, store: BlobStore) -> None:
    while True:
        with index.write() as transaction:
            if transaction.bucket(uid) is not None:  # somebody brought it back
                return
            if transaction.drop_files_of(uid, limit=_BATCH) < _BATCH:
                break
    store.purge_bucket(uid)


def _remove_unless_named(store: BlobStore, bucket: Bucket, key: str, blob: str) -> None:
    # Synced first: a sidecar that a power cut brought back must find its bytes.
    store.sync(bucket, key)
    file = store.read(bucket, key)
    if file is None or file.blob != blob:
        store.delete_blob(bucket, blob)
