"""The background thread of each worker, which recovers, collects and tidies up."""

import logging
import math
import threading
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from ..blobstore import BlobStore
from ..domain.times import now
from ..errors import StorageError
from ..host.ballast import Ballast
from ..host.locks import if_free
from ..host.memory import release_free_memory
from ..host.spool import Spool
from ..index import Index
from ..journal.recovery import Recovery
from .collect import GRACE, collect, correct_times
from .resumables import ResumableUpkeep

log = logging.getLogger(__name__)
_LOOK_SECONDS = 1
_COLLECT_SECONDS = 15
# Also soon after each start of a worker, which may follow the end of another.
_RECONCILE_SECONDS = 3600


class BackgroundThread:
    """A thread that looks after the store while other threads serve requests."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        recovery: Recovery,
        ballast: Ballast,
        spool: Spool,
        resumables: ResumableUpkeep,
        *,
        lock: Path,
    ) -> None:
        self._index = index
        self._store = store
        self._recovery = recovery
        self._ballast = ballast
        self._spool = spool
        self._resumables = resumables
        self._reconciled_at = -math.inf
        self._lock = lock
        self._collected_at = -math.inf  # so that the first look collects: workers may not live long
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._run, name="background", daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Stop the thread. With `wait`, return only after a look in progress has ended."""
        self._stopped.set()
        if wait and self._thread.is_alive():
            self._thread.join()

    def look(self) -> None:
        """Resolve the intents that failed changes and dead processes left. Every _COLLECT_SECONDS, collect too."""
        self._store.tidy()
        self._resumables.tidy()
        self._recovery.retry()
        self._recovery.recover_dead()
        self._ballast.keep()
        if time.monotonic() - self._collected_at >= _COLLECT_SECONDS:
            with if_free(self._lock) as ours:  # one process at a time: two would remove the same blobs
                if ours:
                    current = now()
                    correct_times(self._index, current)
                    collect(self._index, self._store, until=current - GRACE, rest=self._rest_until(_COLLECT_SECONDS))
                    self._spool.collect()
                    self._look_after_resumables(current)
            release_free_memory()
            self._collected_at = time.monotonic()

    def _look_after_resumables(self, current: datetime) -> None:
        self._resumables.collect(current)
        if time.monotonic() - self._reconciled_at >= _RECONCILE_SECONDS:
            self._resumables.reconcile()
            self._reconciled_at = time.monotonic()

    def _rest_until(self, seconds: float) -> Callable[[float], bool]:
        """Return a rest that also ends a purge after `seconds`, so that other work is not put off. It goes on later."""
        deadline = time.monotonic() + seconds
        return lambda rest: self._stopped.wait(rest) or time.monotonic() > deadline

    def _run(self) -> None:
        while not self._stopped.wait(_LOOK_SECONDS):
            try:
                self.look()
            except (StorageError, OSError) as error:
                log.warning("looking after the store is put off: %s", error)
            except Exception:  # nothing restarts this thread, and without it no dead process is recovered
                log.exception("looking after the store failed")
