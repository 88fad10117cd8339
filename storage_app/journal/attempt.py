"""The attempts to begin a commit: each locks the keys, and finds what must be done before the next one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial

from ..blobstore import BlobStore
from ..domain.buckets import Bucket, Totals
from ..domain.changes import Change
from ..domain.files import File
from ..domain.intents import Intent
from ..errors import BucketNotFound
from ..index import Index, Transaction
from .log import IntentLogs
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
    """Attempts to begin a commit of `keys`, which `intents` are about, until nothing must be done before it.

    Stale intents are resolved and rows are reconciled in transactions of their own, because the commit may end in a
    refusal, which rolls back.
    """

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        logs: IntentLogs,
        recovery: Recovery,
        intents: Sequence[Intent],
        keys: Sequence[tuple[Bucket, str]],
    ) -> None:
        self._index = index
        self._store = store
        self._logs = logs
        self._recovery = recovery
        self._intents = intents
        self._keys = [(bucket.uid, key) for bucket, key in keys]
        self._by_bucket = _by_bucket(keys)
        # The names of the buckets to lock as a whole. Otherwise two writers could each find that their own bytes fit.
        self._with_quota = {bucket.name for bucket, _ in keys if bucket.quota is not None}
        self._stale: list[Intent] = []
        self._unreconciled: list[_Found] = []
        self._is_reconciled = False

    def lock(self, transaction: Transaction) -> list[LockedKey] | None:
        """Lock the keys and return them with their files, or None if `prepare_next` must be called first.

        Raises `BucketNotFound` if a bucket was deleted, and `Unavailable` if this process was declared dead.
        """
        names = [(bucket.name, key) for bucket, keys in self._by_bucket for key in keys]
        transaction.lock_keys(names, whole_buckets=self._with_quota)
        open_ = [each for bucket, keys in self._by_bucket for each in transaction.intents_on(bucket.uid, *keys)]
        self._stale, self._unreconciled = self._recovery.stale(transaction, open_) if open_ else [], []
        recorded = {each.id for each in open_}
        for intent in self._intents:
            self._logs.claim(transaction, intent, recorded)
        if self._stale:
            return None
        found = [each for of_bucket in self._by_bucket for each in _found(transaction, self._store, *of_bucket)]
        if self._must_lock_whole(found) or self._must_reconcile(found):
            return None
        locked = {each.name: each.locked(transaction, self._store) for each in found}
        return [locked[name] for name in self._keys]

    def clear(self, transaction: Transaction) -> None:
        """Clear the intents, and have `transaction` sync the keys: the change is complete."""
        self._logs.clear_in(transaction, self._intents)
        for bucket, keys in self._by_bucket:
            transaction.sync(partial(self._store.sync, bucket, *keys))

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
        """Return whether a row contradicts its sidecar. After one round, the commit reconciles whatever is left."""
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
                reconcile_file(transaction, self._store, found[0], key, partial(self._announce, transaction))

    def _announce(self, transaction: Transaction, change: Change) -> None:
        """Announce a change of a process that died, with what its intent says is to be told."""
        blob = None if change.file is None else change.file.blob
        transaction.announce(replace(change, notify=blob and self._logs.notify_of(change.bucket.uid, blob)))


class _Found:
    """A locked key with its row and its sidecar."""

    def __init__(self, store: BlobStore, bucket: Bucket, totals: Totals, key: str, row: File | None) -> None:
        self.bucket = bucket
        self.key = key
        self._totals = totals
        self._row = row
        self._file = store.read(bucket, key)

    @property
    def name(self) -> tuple[str, str]:
        """The uid of the bucket, and the key."""
        return self.bucket.uid, self.key

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


def _found(transaction: Transaction, store: BlobStore, bucket: Bucket, keys: Sequence[str]) -> list[_Found]:
    """Return `keys` of `bucket`, which are locked. Raises `BucketNotFound` if the bucket was deleted."""
    if len(keys) == 1:  # in one lookup
        both = transaction.bucket_and_file(bucket.uid, keys[0])
        found, rows = (None, {}) if both is None else (both[:2], {keys[0]: both[2]})
    else:
        found, rows = transaction.bucket(bucket.uid), {**transaction.files(bucket.uid, keys)}
    if found is None:
        raise BucketNotFound(bucket.name)
    return [_Found(store, *found, key, rows.get(key)) for key in keys]


def _by_bucket(keys: Sequence[tuple[Bucket, str]]) -> list[tuple[Bucket, list[str]]]:
    """Return each bucket with its `keys`."""
    found: dict[str, tuple[Bucket, list[str]]] = {}
    for bucket, key in keys:
        found.setdefault(bucket.uid, (bucket, []))[1].append(key)
    return list(found.values())


def key_of(intent: Intent) -> str:
    assert intent.key is not None, "the key of a change is known at its commit"
    return intent.key
