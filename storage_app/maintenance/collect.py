"""Collection: removes replaced and deleted bytes, a minute later."""

import logging
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import suppress
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
# Rows of a deleted bucket in one transaction. Other writers wait meanwhile.
_PURGED_ROWS = 250

# Waits for so many seconds, and returns whether to stop instead of going on.
Rest = Callable[[float], bool | None]


def collect(index: Index, store: BlobStore, *, until: datetime, rest: Rest = time.sleep) -> int:
    """Remove what was scheduled for deletion at `until` or before. Return how many pending deletions were cleared.

    A deleted bucket is removed in steps, with a rest after each, in which other writers have the index and the disk.
    Ends early if `rest` says so.
    """
    cleared, last = 0, 0
    while batch := index.pending_deletions(until, after=last, limit=_BATCH):
        synced = _sync(batch, index, store)
        done = [deletion for deletion in batch if _is_done(deletion, index, store, synced, rest)]
        with index.write() as transaction:
            transaction.clear_deletions(done)
        cleared += len(done)
        last = batch[-1].id
        if rest(0):
            break
    return cleared


def correct_times(index: Index, current: datetime) -> None:
    """Make deletions that were scheduled before the clock went back due a minute after `current`, the time now."""
    if index.has_deletions_after(current + GRACE):  # the clocks of two hosts may differ by less
        with index.write() as transaction:
            transaction.reschedule_deletions(current + GRACE, current)


def _sync(batch: Sequence[PendingDeletion], index: Index, store: BlobStore) -> set[str]:
    """Sync the keys of `batch`, what they share once. Return the uids of the buckets for which that succeeded."""
    keys_of: dict[str, set[str]] = {}
    for deletion in batch:
        if deletion.key is not None:
            keys_of.setdefault(deletion.bucket_uid, set()).add(deletion.key)
    synced = set()
    for uid, keys in keys_of.items():
        bucket = index.bucket_with(uid)
        with suppress(StorageError):  # each deletion tries again, so that a failure holds up no other
            if bucket is not None:
                store.sync(bucket, *keys)
                synced.add(uid)
    return synced


def _is_done(deletion: PendingDeletion, index: Index, store: BlobStore, synced: Collection[str], rest: Rest) -> bool:
    """Act on `deletion`. Return False if that failed: the next collection tries again, and the others go on."""
    try:
        return _paced(_steps_of(deletion, index, store, synced), rest)
    except StorageError as error:
        log.warning("what was deleted could not be removed yet: %s", error.detail, extra={"blob": deletion.blob})
        return False


def _paced(steps: Iterator[None], rest: Rest) -> bool:
    """Take `steps`, and rest after each for as long as it took. Return False if `rest` stops that before the end."""
    began = time.monotonic()
    for _ in steps:
        if rest(time.monotonic() - began):
            return False
        began = time.monotonic()
    return True


def _steps_of(deletion: PendingDeletion, index: Index, store: BlobStore, synced: Collection[str]) -> Iterator[None]:
    bucket = index.bucket_with(deletion.bucket_uid)
    if deletion.key is None or deletion.blob is None:
        yield from _purge_bucket(deletion.bucket_uid, index, store)
    elif bucket is not None:
        # Sync first: a power cut could bring back the old sidecar, which needs its blob.
        if bucket.uid not in synced:
            store.sync(bucket, deletion.key)
        _remove_unless_named(store, bucket, deletion.key, deletion.blob)


def _purge_bucket(uid: str, index: Index, store: BlobStore) -> Iterator[None]:
    while True:
        with index.write() as transaction:
            if transaction.bucket(uid) is not None:  # an operator moved it back out of the trash
                return
            dropped = transaction.drop_files_of(uid, limit=_PURGED_ROWS)
        if dropped < _PURGED_ROWS:
            break
        yield
    yield from store.purge_bucket(uid)


def _remove_unless_named(store: BlobStore, bucket: Bucket, key: str, blob: str) -> None:
    file = store.read(bucket, key)
    if file is None or file.blob != blob:
        store.delete_blob(bucket, blob)
