"""Recovery: resolves the open intents of dead processes, and of changes that failed."""

import logging
from collections.abc import Callable, Iterable
from functools import partial

from ..blobstore import BlobStore
from ..domain.intents import Intent
from ..errors import StorageError
from ..host.ballast import Ballast
from ..index import Index, Transaction
from .liveness import Processes
from .log import IntentLog, IntentLogs
from .reconcile import is_half_done, reconcile_intent

log = logging.getLogger(__name__)


class Recovery:
    """Resolves intents on behalf of this process. Resolving is idempotent, and removes no blob and no sidecar."""

    def __init__(
        self, index: Index, store: BlobStore, processes: Processes, logs: IntentLogs, ballast: Ballast
    ) -> None:
        self._index = index
        self._store = store
        self._processes = processes
        self._logs = logs
        self._ballast = ballast

    def resolve(self, intent: Intent) -> None:
        """Resolve an intent of this process, or of a dead one that is fenced.

        A failure is logged, not raised. `retry` or `recover_dead` tries again.
        """
        intent_log = self._logs.of(intent)
        self._attempt(intent, partial(self._resolve, intent_log, intent))

    def clear(self, intent: Intent) -> None:
        """Clear the intent of a change that was refused, and so changed nothing. Handles failures as `resolve` does."""
        self._attempt(intent, partial(self._logs.of(intent).clear, intent))

    def finish(self, intent: Intent) -> None:
        """Clear the intent of a change that is durable. Handles failures as `resolve` does."""
        self._attempt(intent, partial(self._logs.of(intent).finish, intent))

    def retry(self) -> None:
        """Resolve the intents of this process that no thread holds any more."""
        for intent_log, intent in list(self._logs.abandoned()):
            self._attempt(intent, partial(self._resolve, intent_log, intent))

    def recover_dead(self) -> int:
        """Fence the dead processes, resolve their intents, and return how many intents they had left."""
        for process in self._processes.dead_with_leftovers():
            self._processes.fence(process)
        count = 0
        for process in self._logs.processes():
            if self._processes.is_dead(process):
                # Fence it before its intents are resolved, so that no late rename of it can land.
                self._processes.fence(process)
                count += self._recover(process)
        return count

    def stale(self, transaction: Transaction, intents: Iterable[Intent]) -> list[Intent]:
        """Return the `intents`, all from the index, that no living process and no thread of this one is working on.

        The caller holds, in `transaction`, the lock of a key of each. So a move whose file is at its destination is not
        in its commit any more: it has failed, and is finished before anything else happens to its keys.
        """
        return [
            intent for intent in intents if self._is_stale(intent) or is_half_done(transaction, self._store, intent)
        ]

    def resolve_stale(self, intent: Intent) -> None:
        """Resolve `intent`, which is from the index. Fence its process before, if that is dead.

        Raises as the index does.
        """
        if intent.process != self._logs.process and self._processes.is_dead(intent.process):
            self._processes.fence(intent.process)
        self._resolve(self._logs.of(intent), intent)

    def _is_stale(self, intent: Intent) -> bool:
        if intent.process == self._logs.process:
            return not self._logs.is_held(intent)
        return self._processes.is_dead(intent.process)

    def _resolve(self, intent_log: IntentLog, intent: Intent) -> None:
        with self._index.write() as transaction:
            current = intent_log.current(transaction, intent)
            if current is not None:
                reconcile_intent(transaction, self._store, current)
                intent_log.clear_in(transaction, current)
        self._store.tidy()  # of the sidecar that a move has left
        intent_log.finish(intent)

    def _recover(self, process: str) -> int:
        """Resolve the intents of a dead `process`, which is fenced. Return how many there were."""
        in_table = self._index.intents_of(process)
        for intent in in_table:
            self.resolve(intent)
        try:
            in_file = list(self._logs.files.read(process))
        except StorageError as error:  # one log that cannot be read must not hold up the others
            log.warning("intents of a dead process cannot be read yet: %s", error.detail, extra={"of": process})
            return len(in_table)
        resolved = [self._attempt(intent, partial(self._reconcile, intent)) for intent in in_file]
        if all(resolved):
            self._logs.files.remove(process)
        return len(in_table) + len(in_file)

    def _reconcile(self, intent: Intent) -> None:
        with self._index.write() as transaction:
            reconcile_intent(transaction, self._store, intent)

    def _attempt(self, intent: Intent, action: Callable[[], None]) -> bool:
        """Run `action`, with the space of the ballast if the disk is full. Return whether it succeeded.

        A failure is logged, not raised: it must not hide the error that led here.
        """
        try:
            self._ballast.spend_on(action)
        except StorageError as error:
            log.warning("an intent could not be resolved yet: %s", error.detail, extra={"intent": intent.id})
            return False
        return True
