"""The attempts to begin a commit: each locks the keys, and finds what must be done before the next one."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals
from ..domain.files import File
from ..domain.intents import Intent
from ..errors import BucketNotFound
from ..index import Index, Transaction
from .log import IntentLog, IntentLogs
from .reconcile import reconcile_file, reconcile_row
from .recovery import Recovery


@dataclass(frozen=True, slots=True)
class LockedKey:
    """A key whose lock is held, with its bucket and its current file, None if it has none.

    `totals` are the bucket's before this commit. Other commits may change them, unless the bucket has a quota.
    """

    bucket: Bucket
    totals: Totals
    key: str
    current: File | None


class Attempt:
    """Attempts to begin a commit of the keys that `intents` name, until nothing must be done before it.

    Stale intents are resolved and rows are reconciled in transactions of their own, because the commit may end in a
    refusal, which rolls back.
    """

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        logs: IntentLogs,
        recovery: Recovery,
        intents: Sequence[tuple[Intent, Bucket]],
    ) -> None:
        self._index = index
        self._store = store
        self._logs = logs
        self._recovery = recovery
        self._intents = [intent for intent, _ in intents]
        self._keys = [(bucket, _key_of(intent)) for intent, bucket in intents]
        # The names of the buckets to lock as a whole. Otherwise two writers could each find that their own bytes fit.
        self._with_quota = {bucket.name for _, bucket in intents if bucket.quota is not None}
        self._claimed: list[tuple[IntentLog, Intent]] = []
        self._stale: list[Intent] = []
        self._unreconciled: list[_Found] = []
        self._is_reconciled = False

    def lock(self, transaction: Transaction) -> list[LockedKey] | None:
        """Lock the keys and return them with their files, or None if `prepare_next` must be called first.

        Raises `BucketNotFound` if a bucket was deleted, and `Unavailable` if this process was declared dead.
        """
        transaction.lock_keys([(bucket.name, key) for bucket, key in self._keys], whole_buckets=self._with_quota)
        open_ = [each for bucket, key in self._keys for each in transaction.intents_on(bucket.uid, key)]
        self._stale, self._unreconciled = self._recovery.stale(open_) if open_ else [], []
        self._claimed = [(self._logs.claim(transaction, intent), intent) for intent in self._intents]
        if self._stale:
            return None
        found = [_Found(transaction, self._store, bucket, key) for bucket, key in self._keys]
        if self._must_lock_whole(found) or self._must_reconcile(found):
            return None
        return [each.locked(transaction, self._store) for each in found]

    def clear(self, transaction: Transaction) -> None:
        """Clear the intents, and have `transaction` sync the keys: the change is complete."""
        for intent_log, intent in self._claimed:
            intent_log.clear_in(transaction, intent)
        for bucket, key in self._keys:
            transaction.sync(partial(self._store.sync, bucket, key))

    def prepare_next(self) -> None:
        """Do what `lock` has found, if anything, after its transaction. Raises as the index and the store do."""
        for stale in self._stale:
            self._recovery.resolve_stale(stale)
        for each in self._unreconciled:
            self._reconcile(each.bucket, each.key)

    def _must_lock_whole(self, found: Sequence["_Found"]) -> bool:
        """Return whether a bucket got a quota since it was looked up."""
        with_quota = {each.bucket.name for each in found if each.bucket.quota is not None}
        if with_quota <= self._with_quota:
            return False
        self._with_quota |= with_quota
        return True

    def _must_reconcile(self, found: Sequence["_Found"]) -> bool:
        """Return whether a row contradicts its sidecar. Once they were reconciled, the commit does it by itself."""
        if self._is_reconciled:
            return False
        self._unreconciled = [each for each in found if each.must_be_reconciled]
        self._is_reconciled = bool(self._unreconciled)
        return self._is_reconciled

    def _reconcile(self, bucket: Bucket, key: str) -> None:
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, key)])
            found = transaction.bucket(bucket.uid)
            if found is not None:
                reconcile_file(transaction, self._store, found[0], key)


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
