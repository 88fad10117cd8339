"""Removes what was replaced or deleted, a while later and beside the requests."""

import logging
import threading
from datetime import datetime, timedelta

from .blobstore import BlobStore
from .domain import Bucket, now
from .errors import StorageError
from .index import Index, Memory, NoteKind

log = logging.getLogger(__name__)

# nginx opens bytes after Python has answered, and slow readers are still at them: replaced bytes stay this long.
GRACE = timedelta(minutes=1)
_SWEEP_SECONDS = 15
_BATCH = 1000


def sweep(index: Index, store: BlobStore, *, until: datetime) -> int:
    """Remove what was replaced or deleted at `until` or before; return how many memories were struck."""
    struck, last = 0, 0
    while True:
        with index.write() as transaction:
            batch = transaction.memories(until, after=last, limit=_BATCH)
        done = [memory for memory in batch if _is_done(memory, index, store)]
        with index.write() as transaction:
            for memory in done:
                transaction.forget(memory)
        struck += len(done)
        if len(batch) < _BATCH:
            return struck
        last = batch[-1].id


class Janitor:
    """A thread that sweeps beside the requests."""

    def __init__(self, index: Index, store: BlobStore) -> None:
        self._index = index
        self._store = store
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        """Stop and wait for the sweep in progress."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join()

    def _run(self) -> None:
        while not self._stopped.wait(_SWEEP_SECONDS):
            try:
                sweep(self._index, self._store, until=now() - GRACE)
            except StorageError as error:
                log.warning("the sweep is put off: %s", error.detail)
            except Exception:
                log.exception("the sweep failed")


def _is_done(memory: Memory, index: Index, store: BlobStore) -> bool:
    """Act on `memory`; what fails is tried again by the next sweep, and does not keep the others."""
    try:
        _act_on(memory, index, store)
    except StorageError as error:
        log.warning("what was deleted could not be removed yet: %s", error.detail, extra={"blob": memory.blob})
        return False
    return True


def _act_on(memory: Memory, index: Index, store: BlobStore) -> None:
    if memory.kind is NoteKind.BUCKET:
        _forget_bucket(memory.bucket_uid, index, store)
        return
    with index.write() as transaction:
        found = transaction.bucket(memory.bucket_uid)
    if found is not None and memory.key is not None and memory.blob is not None:
        _remove_unless_named(store, found[0], memory.key, memory.blob)


def _forget_bucket(uid: str, index: Index, store: BlobStore) -> None:
    while True:
        with index.write() as transaction:
            if transaction.drop_files_of(uid, limit=_BATCH) < _BATCH:
                break
    store.purge_bucket(uid)


def _remove_unless_named(store: BlobStore, bucket: Bucket, key: str, blob: str) -> None:
    # Synced first: a sidecar that a power cut brought back must find its bytes.
    store.settle(bucket, key)
    file = store.read(bucket, key)
    if file is None or file.blob != blob:
        store.delete_blob(bucket, blob)
