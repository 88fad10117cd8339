"""What a process does beside its requests: puts right what others left, and removes what was replaced or deleted."""

import logging
import math
import threading
import time
from datetime import datetime, timedelta
from pathlib import Path

from .blobstore import BlobStore
from .domain import Bucket, now
from .errors import StorageError
from .index import Index, Memory
from .ledger import Ledger
from .locks import if_free
from .reserve import Reserve
from .spool import Spool

log = logging.getLogger(__name__)

# nginx opens bytes after Python has answered, and slow readers are still at them: replaced bytes stay this long.
GRACE = timedelta(minutes=1)
_LOOK_SECONDS = 1
_SWEEP_SECONDS = 15
_BATCH = 1000


def sweep(index: Index, store: BlobStore, *, until: datetime) -> int:
    """Remove what was replaced or deleted at `until` or before; return how many memories were struck."""
    struck, last = 0, 0
    while batch := index.memories(until, after=last, limit=_BATCH):
        done = [memory for memory in batch if _is_done(memory, index, store)]
        with index.write() as transaction:
            for memory in done:
                transaction.forget(memory)
        struck += len(done)
        last = batch[-1].id
    return struck


class Janitor:
    """A thread that looks after the store beside the requests."""

    def __init__(
        self, index: Index, store: BlobStore, ledger: Ledger, reserve: Reserve, spool: Spool, *, lock: Path
    ) -> None:
        self._index = index
        self._store = store
        self._ledger = ledger
        self._reserve = reserve
        self._spool = spool
        self._lock = lock
        self._swept_at = -math.inf  # at once: workers may not live long
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="janitor", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Stop; with `wait`, only when the look in progress has ended."""
        self._stopped.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Put right what this process owes and what gone ones left; now and then, sweep."""
        self._store.tidy()
        self._ledger.settle_debts()
        self._ledger.put_gone_right()
        self._reserve.keep()
        if time.monotonic() - self._swept_at >= _SWEEP_SECONDS:
            with if_free(self._lock) as ours:  # one sweep at a time: others would remove the same
                if ours:
                    sweep(self._index, self._store, until=now() - GRACE)
                    self._spool.sweep()
            self._swept_at = time.monotonic()

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (StorageError, OSError) as error:
                log.warning("looking after the store is put off: %s", error)
            except Exception:
                log.exception("looking after the store failed")


def _is_done(memory: Memory, index: Index, store: BlobStore) -> bool:
    """Act on `memory`; what fails is tried again by the next sweep, and does not keep the others."""
    try:
        _act_on(memory, index, store)
    except StorageError as error:
        log.warning("what was deleted could not be removed yet: %s", error.detail, extra={"blob": memory.blob})
        return False
    return True


def _act_on(memory: Memory, index: Index, store: BlobStore) -> None:
    bucket = index.bucket_with(memory.bucket_uid)
    if memory.key is None or memory.blob is None:
        _forget_bucket(memory.bucket_uid, index, store)
    elif bucket is not None:
        _remove_unless_named(store, bucket, memory.key, memory.blob)


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
    store.settle(bucket, key)
    file = store.read(bucket, key)
    if file is None or file.blob != blob:
        store.delete_blob(bucket, blob)
