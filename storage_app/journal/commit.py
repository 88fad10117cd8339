"""Intents: what this process is about to do, recorded before it is done, and resolved when it was not.

They stand in the index, or in the process's own intent log where that does: where no other host needs them, no quota is
reserved by them, and the sidecar says what became of it.

The sidecar is the truth. Recovery never undoes: it reads the sidecar of the key of the intent again and makes
the row agree. It removes no file and touches no sidecar, so it may run twice, or late, or by another process.
"""

import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.times import now
from ..errors import BucketNotFound, StorageError, Unavailable
from ..host.ballast import Ballast
from ..host.blocking import detach
from ..index import Index, Transaction
from .file_log import FileLogs
from .liveness import Processes
from .reconcile import act_on, reconcile_bucket, reconcile_file, reconcile_row, resolve

log = logging.getLogger(__name__)

Check = Callable[[Transaction], None]


@dataclass(frozen=True, slots=True)
class Decision:
    """What a write decides by, under the lock of its key: `current` is the file that is there now."""

    transaction: Transaction
    bucket: Bucket
    current: File | None

    def replace(self, file: File) -> None:
        """Switch the row to `file`, whose sidecar is in place, and schedule the bytes that it replaced for deletion."""
        self.transaction.put_file(file, self.current)
        if self.current is not None and self.current.blob != file.blob:
            self.transaction.schedule_deletion(self.bucket.uid, file.key, self.current.blob, now())


class Journal:
    """The intents of one process, and what it does about those of others."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        processes: Processes,
        file_logs: FileLogs,
        ballast: Ballast,
        *,
        process: str,
    ) -> None:
        self._index = index
        self._store = store
        self._processes = processes
        self._file_logs = file_logs
        self._file_log = file_logs.of(process)
        self._ballast = ballast
        self.process = process
        self._held: set[str] = set()

    def close(self) -> None:
        """Close the intent log, and remove it unless something in it is left to others."""
        if self._file_log.close():
            self._file_logs.remove(self.process)

    def probe(self) -> None:
        """Write an intent of nothing down where uploads have theirs; raises as they would."""
        if not self._index.is_shared:
            self._file_log.probe()

    def explains(self, bucket_uid: str, blob: str) -> bool:
        """Whether an intent, wherever it stands, or a pending deletion names these bytes."""
        recorded = any((intent.bucket_uid, intent.blob) == (bucket_uid, blob) for intent in self._file_logs.standing())
        return recorded or self._index.explains(bucket_uid, blob)

    @contextmanager
    def recorded(self, intent: Intent, check: Check | None = None) -> Iterator[Intent]:
        """Hold an intent while the body runs, which closes it by deciding. When the body fails, resolve it.

        `check` may refuse, in the transaction that writes the intent.
        """
        self._held.add(intent.id)
        try:
            self._write_down(intent, check)
            with self._closed_on_failure(intent):
                yield intent
            self._close(intent, self._file_log.clear)
        finally:
            self._held.discard(intent.id)

    def _write_down(self, intent: Intent, check: Check | None) -> None:
        if intent.kind is IntentKind.WRITE and check is None and not self._index.is_shared:
            self._file_log.write(intent)
            return

        def work(transaction: Transaction) -> None:
            if check is not None:
                check(transaction)
            transaction.add_intent(intent)

        self._index.write_grouped(work)

    def complete(self, intent: Intent, check: Check | None) -> None:
        """Record what `intent`, which is open, says by now. `check` may refuse, in the transaction that writes it."""
        if intent in self._file_log:
            self._file_log.write(intent)
            return
        with self._index.write() as transaction:
            claim(transaction, intent)
            if check is not None:
                check(transaction)
            transaction.change_intent(intent)

    @contextmanager
    def _closed_on_failure(self, intent: Intent) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            # What is refused has done nothing yet: only the intent itself is left to clear.
            self._close(intent, self._clear if _is_refusal(error) else self._resolve)
            raise

    def resolve(self, intent: Intent) -> None:
        """Resolve `intent` if it is still open. What fails is tried again by `retry`."""
        self._close(intent, self._resolve)

    def _close(self, intent: Intent, close: Callable[[Intent], None]) -> bool:
        try:
            self._ballast.spend_on(lambda: close(intent))
        except StorageError as error:
            # What led here is what to answer with: a failure, or a success.
            log.warning("an intent could not be resolved yet: %s", error.detail, extra={"intent": intent.id})
            return False
        return True

    def retry(self) -> None:
        """Resolve what could not be resolved before: the intents of this process that no thread holds any more."""
        for intent in [*self._index.intents_of(self.process), *self._file_log.intents()]:
            if intent.id not in self._held:
                self.resolve(intent)

    def recover_dead(self) -> int:
        """Fence the dead processes, resolve their intents, and return how many there were."""
        for process in self._processes.dead_with_leftovers():
            self._processes.fence(process)
        count = 0
        for process in {*self._index.processes_with_intents(), *self._file_logs.processes()}:
            # Its staging is away before its intents are judged, so that nothing of it can land afterwards.
            if self._processes.is_dead(process):
                self._processes.fence(process)
                count += self._put_right_notes_of(process)
        return count

    @contextmanager
    def deciding(self, intent: Intent, bucket: Bucket, key: str) -> Iterator[Decision]:
        """Decide about `key` under its lock: the one transaction of a write. Its body is the commit.

        On leaving, what it did is durable. Raises `BucketNotFound` when the bucket was deleted.
        """
        locks_bucket = self._must_hold_bucket(bucket)

        def hold(transaction: Transaction) -> list[Intent]:
            transaction.lock_key(bucket.name, key, whole_bucket=locks_bucket)
            return transaction.intents_on(bucket.uid, key)

        was_reconciled = False
        while True:
            with self._claiming(intent, hold) as transaction:
                found = transaction.bucket_and_file(bucket.uid, key)
                if found is None:
                    raise BucketNotFound(bucket.name)
                bucket_now, _, row = found
                if bucket_now.quota is not None and not locks_bucket:
                    raise Unavailable("The bucket was given a quota just now; try again.")
                file = self._store.read(bucket_now, key)
                # No write takes a record away, and the intent of a delete would have been resolved by now: that one is
                # missing is damage, and stays as it is where the decision is a refusal.
                if file in (row, None) or was_reconciled:
                    yield Decision(
                        transaction, bucket_now, reconcile_row(transaction, self._store, bucket, key, file, row)
                    )
                    self._drop(transaction, intent)
                    transaction.sync(lambda: self._store.sync(bucket, key))
                    break
            # In a transaction of its own: what is decided may be a refusal, and be undone.
            self._reconcile(bucket, key)
            was_reconciled = True

    def _reconcile(self, bucket: Bucket, key: str) -> None:
        with self._index.write() as transaction:
            transaction.lock_key(bucket.name, key)
            found = transaction.bucket(bucket.uid)
            if found is not None:
                reconcile_file(transaction, self._store, found[0], key)

    def _drop(self, transaction: Transaction, intent: Intent) -> None:
        """Clear `intent` with the COMMIT if it stands in the index. The file log clears its own later."""
        if intent not in self._file_log:
            transaction.clear_intent(intent)

    def _must_hold_bucket(self, bucket: Bucket) -> bool:
        """Whether two that write to it may not decide at once: each would find room in its quota for itself alone."""
        if not self._index.is_shared:
            return True  # a write transaction on a file holds everything
        now_there = self._index.bucket_with(bucket.uid)
        return now_there is not None and now_there.quota is not None

    @contextmanager
    def deciding_bucket(
        self, intent: Intent, bucket: Bucket
    ) -> Iterator[tuple[Transaction, tuple[Bucket, Totals] | None]]:
        """The same for a bucket: yields the transaction, and the bucket that has the name of `bucket` now."""

        detach()  # the store syncs under the lock, which all others wait for

        def hold(transaction: Transaction) -> list[Intent]:
            transaction.lock_bucket(bucket.name)
            return transaction.intents_on_bucket(bucket.name)

        with self._claiming(intent, hold) as transaction:
            yield transaction, reconcile_bucket(transaction, self._store, bucket.name)
            self._drop(transaction, intent)
            transaction.sync(lambda: self._store.sync_bucket(bucket))

    @contextmanager
    def _claiming(self, intent: Intent, hold: Callable[[Transaction], list[Intent]]) -> Iterator[Transaction]:
        """Open the transaction that decides about what `intent` is on; `lock` takes its lock and returns all intents
        on it.

        Those that nobody holds are resolved before, by themselves: what is decided may be a refusal, and be undone.
        """
        while True:
            with self._index.write() as transaction:
                intents = hold(transaction)
                if intent not in self._file_log:
                    claim(transaction, intent)
                stale = [each for each in intents if self._is_stale(each)]
                if not stale:
                    yield transaction
                    return
            for each in stale:
                self._resolve_stale(each)

    def _is_stale(self, intent: Intent) -> bool:
        if intent.process == self.process:
            return intent.id not in self._held
        return self._processes.is_dead(intent.process)

    def _resolve_stale(self, intent: Intent) -> None:
        if intent.process != self.process:
            self._processes.fence(intent.process)
        self._resolve(intent)

    def _clear(self, intent: Intent) -> None:
        if intent in self._file_log:
            self._file_log.clear(intent)
        else:
            with self._index.write() as transaction:
                transaction.clear_intent(intent)

    def _resolve(self, intent: Intent) -> None:
        if intent in self._file_log:
            self._resolve_standing(self._file_log.current(intent))
            self._file_log.clear(intent)
        else:
            with self._index.write() as transaction:
                resolve(transaction, self._store, intent)

    def _resolve_standing(self, intent: Intent) -> None:
        """Resolve `intent`, which stands in an intent log."""
        with self._index.write() as transaction:
            act_on(transaction, self._store, intent)

    def _put_right_notes_of(self, process: str) -> int:
        intents = self._index.intents_of(process)
        for intent in intents:
            self.resolve(intent)
        try:
            standing = list(self._file_logs.read(process))
        except StorageError as error:  # one that cannot be read must not hold up the others
            log.warning("intents of a dead process cannot be read yet: %s", error.detail, extra={"of": process})
            return len(intents)
        closed = [self._close(intent, self._resolve_standing) for intent in standing]
        if all(closed):
            self._file_logs.remove(process)
        return len(intents) + len(standing)


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, StorageError) and error.status < 500


def claim(transaction: Transaction, intent: Intent) -> None:
    """Make sure, inside the deciding transaction, that nobody declared this process dead and resolved its intent."""
    if transaction.intent(intent.id) is None:
        raise Unavailable("The write was given up because this process was declared dead; try again.")
