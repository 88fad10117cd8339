"""The commit: one transaction that locks its keys, lets the caller decide, and makes the change."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial

from ..blobstore import BlobStore, StagedBlob, StagedSidecar
from ..domain.buckets import Bucket, Totals
from ..domain.changes import Change, ChangeKind
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.times import now
from ..errors import BucketNotFound, StorageError
from ..host.blocking import detach
from ..index import Index, Transaction, Work
from .log import IntentLog, IntentLogs
from .reconcile import reconcile_bucket, reconcile_file, reconcile_row
from .recovery import Recovery

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class LockedKey:
    """A key whose lock is held, with its bucket and its current file, None if it has none.

    `totals` are the bucket's before this commit. Other commits may change them, unless the bucket has a quota.
    """

    bucket: Bucket
    totals: Totals
    key: str
    current: File | None


class _Announcing:
    """The changes that a commit makes. `Commits` announces them once they are durable."""

    def __init__(self) -> None:
        self.changes: list[Change] = []

    def emit(self, change: Change) -> None:
        """Add `change` to those that this commit announces. Every change of a file or a bucket passes through here."""
        self.changes.append(change)


class Commit(_Announcing):
    """A commit in progress, over the keys that it has locked."""

    def __init__(self, transaction: Transaction, store: BlobStore, keys: Sequence[LockedKey]) -> None:
        super().__init__()
        self._transaction = transaction
        self._store = store
        self.keys = keys

    @property
    def only(self) -> LockedKey:
        """The key of a commit over a single key."""
        (locked,) = self.keys
        return locked

    def replace(self, locked: LockedKey, sidecar: StagedSidecar, blob: StagedBlob | None = None) -> None:
        """Place `sidecar` at its key, and its new bytes before it if `blob` is given.

        Switches the row, and schedules a replaced blob for deletion. Raises what `BlobStore.place` raises.
        """
        file, before = sidecar.file, locked.current
        self._store.place(locked.bucket, sidecar, blob)
        self._transaction.put_file(file, before)
        if before is not None and before.blob != file.blob:
            self._transaction.schedule_deletion(file.bucket_uid, file.key, before.blob, now())
        self.emit(Change(_kind_of(before, file), locked.bucket.name, locked.key))

    def delete(self, locked: LockedKey) -> None:
        """Delete the file of `locked`, which must have one, and schedule its blob for deletion.

        Raises what `BlobStore.remove` raises.
        """
        assert locked.current is not None, "there is nothing to delete"
        self._store.remove(locked.bucket, locked.key)
        self._transaction.drop_file(locked.current)
        self._transaction.schedule_deletion(locked.bucket.uid, locked.key, locked.current.blob, now())
        self.emit(Change(ChangeKind.FILE_DELETED, locked.bucket.name, locked.key))


class BucketCommit(_Announcing):
    """A commit in progress over a whole bucket. `current` is the bucket that has its name now, with totals, or None."""

    def __init__(self, transaction: Transaction, store: BlobStore, current: tuple[Bucket, Totals] | None) -> None:
        super().__init__()
        self._transaction = transaction
        self._store = store
        self.current = current

    def create(self, bucket: Bucket) -> None:
        """Create `bucket`. Raises what `BlobStore.create_bucket` raises."""
        self._store.create_bucket(bucket)
        self._transaction.put_bucket(bucket)
        self.emit(Change(ChangeKind.BUCKET_CREATED, bucket.name))

    def replace(self, bucket: Bucket) -> None:
        """Replace the record of the bucket that has this uid."""
        self._store.replace_bucket(bucket)
        self._transaction.put_bucket(bucket)
        self.emit(Change(ChangeKind.BUCKET_UPDATED, bucket.name))

    def delete(self, bucket: Bucket) -> None:
        """Delete `bucket` with its files. Collection frees their space later."""
        self._store.remove_bucket(bucket)
        self._transaction.drop_bucket(bucket.uid)
        self._transaction.schedule_bucket_deletion(bucket.uid, now())
        self.emit(Change(ChangeKind.BUCKET_DELETED, bucket.name))


class Commits:
    """Makes the changes of one process: records their intents, and commits them."""

    def __init__(self, index: Index, store: BlobStore, logs: IntentLogs, recovery: Recovery) -> None:
        self._index = index
        self._store = store
        self._logs = logs
        self._recovery = recovery
        self._cut_short: set[str] = set()  # ids of intents whose commit failed after its first change
        self.process = logs.process

    @contextmanager
    def recorded(self, intent: Intent, check: Work | None = None) -> Iterator[Intent]:
        """Record `intent`, and keep it open while the body of `with` runs, which commits.

        If the body raises a refusal (4xx) before any change, the intent is cleared. After any other error the outcome
        may be unknown, and the intent is resolved. `check` may refuse in the transaction that records the intent. It
        must not have written anything when it raises.
        """
        try:
            intent_log = self._logs.record(intent, check)
            try:
                yield intent
            except BaseException as error:
                if _is_refusal(error) and intent.id not in self._cut_short:
                    self._recovery.clear(intent)
                else:
                    self._recovery.resolve(intent)
                raise
            try:
                intent_log.finish(intent)
            except StorageError:  # the change is durable, so this must not fail it
                self._recovery.finish(intent)
        finally:
            self._cut_short.discard(intent.id)
            self._logs.release(intent)

    def update(self, intent: Intent, check: Work | None) -> None:
        """Replace the recorded intent that has the id of `intent`. `check` may refuse; then the recorded one stays.

        Raises `Unavailable` if this process was declared dead.
        """
        self._logs.of(intent).update(intent, check)

    @contextmanager
    def keys(self, intents: Sequence[tuple[Intent, Bucket]]) -> Iterator[Commit]:
        """Commit a change of the keys that `intents` name, each in its bucket. They are locked in one global order.

        Each key has a recorded intent of its own, so that recovery looks at each. The body decides, and calls `replace`
        and `delete`. After it, the change is made durable and then announced. Raises `BucketNotFound` if a bucket was
        deleted, `Unavailable` if this process was declared dead, and what `Index.write` raises.
        """
        keys = [(bucket, _key_of(intent)) for intent, bucket in intents]
        attempt = _Attempt(quotas={bucket.name for _, bucket in intents if bucket.quota is not None})
        commit = None
        while commit is None:
            with self._index.write() as transaction:
                commit = self._begun(transaction, intents, attempt)
                if commit is not None:
                    with self._noticed_if_cut_short(commit, *(intent for intent, _ in intents)):
                        yield commit
                    for intent_log, intent in attempt.claimed:
                        intent_log.clear_in(transaction, intent)
                    for bucket, key in keys:
                        transaction.sync(partial(self._store.sync, bucket, key))
            # Each in its own transaction, because the body may refuse, which rolls back.
            for stale in attempt.stale:
                self._recovery.resolve_stale(stale)
            for bucket, key in attempt.unreconciled:
                self._reconcile(bucket, key)
        self._announce(commit.changes)

    @contextmanager
    def bucket(self, intent: Intent, bucket: Bucket) -> Iterator[BucketCommit]:
        """Commit a change of `bucket` under its lock, like `keys`."""
        detach()  # the store syncs under the bucket's lock, and every writer in the bucket waits for that lock
        commit = None
        while commit is None:
            with self._index.write() as transaction:
                transaction.lock_bucket(bucket.name)
                stale = self._recovery.stale(transaction.intents_on_bucket(bucket.name))
                intent_log = self._logs.claim(transaction, intent)
                if not stale:
                    current = reconcile_bucket(transaction, self._store, bucket.name)
                    commit = BucketCommit(transaction, self._store, current)
                    with self._noticed_if_cut_short(commit, intent):
                        yield commit
                    intent_log.clear_in(transaction, intent)
                    transaction.sync(partial(self._store.sync_bucket, bucket))
            for each in stale:
                self._recovery.resolve_stale(each)
        self._announce(commit.changes)

    def restore(self, bucket: Bucket, file: File) -> None:
        """Write the sidecar of `file` again, if it is still missing and the row still describes this file.

        This commit stands apart, because `keys` would take the missing sidecar for the truth. It announces nothing.
        """
        intent = Intent(self.process, IntentKind.WRITE, bucket.uid, file.key)
        with (
            self.recorded(intent),
            self._store.stage_sidecar(bucket, file) as sidecar,
            self._index.write() as transaction,
        ):
            transaction.lock_keys([(bucket.name, file.key)])
            if self._store.read(bucket, file.key) is None and transaction.file(bucket.uid, file.key) == file:
                self._store.place(bucket, sidecar, None)
                self._store.sync(bucket, file.key)
            self._logs.of(intent).clear_in(transaction, intent)

    @contextmanager
    def _noticed_if_cut_short(self, commit: "_Announcing", *intents: Intent) -> Iterator[None]:
        """Have `recorded` resolve `intents` even after a refusal if it came after the first change of `commit`."""
        try:
            yield
        except BaseException:
            if commit.changes:
                self._cut_short.update(intent.id for intent in intents)
            raise

    def _begun(
        self, transaction: Transaction, intents: Sequence[tuple[Intent, Bucket]], attempt: "_Attempt"
    ) -> Commit | None:
        """Lock the keys and return the commit over them, or None if `attempt` lists work that must be done first."""
        keys = [(bucket, _key_of(intent)) for intent, bucket in intents]
        transaction.lock_keys([(bucket.name, key) for bucket, key in keys], whole_buckets=attempt.quotas)
        open_ = [each for bucket, key in keys for each in transaction.intents_on(bucket.uid, key)]
        attempt.stale, attempt.unreconciled = self._recovery.stale(open_) if open_ else [], []
        attempt.claimed = []
        for intent, _ in intents:
            attempt.claimed.append((self._logs.claim(transaction, intent), intent))
        if attempt.stale:
            return None
        found = [_Found(transaction, self._store, bucket, key) for bucket, key in keys]
        with_quota = {each.bucket.name for each in found if each.bucket.quota is not None}
        if not with_quota <= attempt.quotas:  # a quota was set since, so the bucket must be locked as a whole
            attempt.quotas |= with_quota
            return None
        if not attempt.is_reconciled:
            attempt.unreconciled = [(each.bucket, each.key) for each in found if each.must_be_reconciled]
            if attempt.unreconciled:
                attempt.is_reconciled = True
                return None
        return Commit(transaction, self._store, [each.locked(transaction, self._store) for each in found])

    def _reconcile(self, bucket: Bucket, key: str) -> None:
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, key)])
            found = transaction.bucket(bucket.uid)
            if found is not None:
                reconcile_file(transaction, self._store, found[0], key)

    @staticmethod
    def _announce(changes: Sequence[Change]) -> None:
        """Log durable `changes`. No other code announces any. Must not raise: a durable change has not failed."""
        for change in changes:
            log.debug("%s", change.kind, extra={"bucket": change.bucket, "key": change.key})


@dataclass(slots=True)
class _Attempt:
    """The work that an attempt to commit has found, to be done before the next attempt.

    `quotas` names the buckets to lock as a whole. Otherwise two writers could each find that their own bytes fit.
    """

    quotas: set[str]
    claimed: list[tuple[IntentLog, Intent]] = field(default_factory=list)
    stale: list[Intent] = field(default_factory=list)
    unreconciled: list[tuple[Bucket, str]] = field(default_factory=list)
    is_reconciled: bool = False


class _Found:
    """A locked key with its row and its sidecar. Raises `BucketNotFound` if the bucket was deleted."""

    def __init__(self, transaction: Transaction, store: BlobStore, bucket: Bucket, key: str) -> None:
        found = transaction.bucket_and_file(bucket.uid, key)
        if found is None:
            raise BucketNotFound(bucket.name)
        self.bucket, self._totals, self._row = found
        self.key = key
        self._file = store.read(self.bucket, key)

    @property
    def must_be_reconciled(self) -> bool:
        """True if there is a sidecar and the row contradicts it.

        A missing sidecar is damage: no write removes one, and an open delete has been resolved by now. The row is then
        reconciled by the commit itself, so that it stays if the commit ends in a refusal.
        """
        return self._file not in (self._row, None)

    def locked(self, transaction: Transaction, store: BlobStore) -> LockedKey:
        """Return the key for the commit, with its row reconciled in the commit's `transaction`."""
        if self._file == self._row:
            return LockedKey(self.bucket, self._totals, self.key, self._file)
        current = reconcile_row(transaction, store, self.bucket, self.key, self._file, self._row)
        found = transaction.bucket(self.bucket.uid)  # reconciling changed the totals
        return LockedKey(self.bucket, found[1] if found else self._totals, self.key, current)


def _key_of(intent: Intent) -> str:
    assert intent.key is not None, "the key of a change is known at its commit"
    return intent.key


def _kind_of(before: File | None, file: File) -> ChangeKind:
    if before is None:
        return ChangeKind.FILE_CREATED
    return ChangeKind.FILE_UPDATED if before.blob == file.blob else ChangeKind.FILE_REPLACED


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, StorageError) and error.status < 500
