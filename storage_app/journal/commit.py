"""The commit: one transaction that locks its keys, lets the caller decide, and makes the change."""

import logging
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from functools import partial
from typing import Any

from ..blobstore import BlobStore, StagedBlob, StagedSidecar
from ..domain.buckets import Bucket, Totals
from ..domain.changes import Change, ChangeKind, deletion, kind_of
from ..domain.files import File
from ..domain.intents import Intent, IntentKind
from ..domain.times import following, now
from ..errors import StorageError
from ..host.blocking import detach
from ..index import Index, Outbox, Transaction, Work
from .attempt import Attempt, LockedKey, key_of
from .log import IntentLogs
from .reconcile import reconcile_bucket
from .recovery import Recovery

log = logging.getLogger(__name__)


class _Announcing:
    """The changes that a commit makes. `Commits` announces them once they are durable."""

    def __init__(self, transaction: Transaction) -> None:
        self._transaction = transaction
        self.changes: list[Change] = []

    def emit(self, change: Change) -> None:
        """Add `change` to those that this commit announces. Every change of a file or a bucket passes through here."""
        self.changes.append(change)
        self._transaction.announce(change)

    @property
    def announced(self) -> Sequence[Mapping[str, Any]]:
        """What the transaction has announced: these changes, and those that it found when it began."""
        return self._transaction.announced


class Commit(_Announcing):
    """A commit in progress, over the keys that it has locked. Others wait since `locked_at`, on the monotonic clock."""

    def __init__(
        self, transaction: Transaction, store: BlobStore, keys: Sequence[LockedKey], *, locked_at: float
    ) -> None:
        super().__init__(transaction)
        self._store = store
        self.keys = keys
        self.locked_at = locked_at

    @property
    def only(self) -> LockedKey:
        """The key of a commit over a single key."""
        (locked,) = self.keys
        return locked

    def replace(
        self, locked: LockedKey, sidecar: StagedSidecar, blob: StagedBlob | None = None, *, notify: str | None = None
    ) -> None:
        """Place `sidecar` at its key, and its new bytes before it if `blob` is given. `notify` is told with the change.

        Switches the row, and schedules a replaced blob for deletion. Raises what `BlobStore.place` raises.
        """
        self._place(locked, sidecar, blob)
        file, kind = sidecar.file, kind_of(locked.current, sidecar.file)
        self.emit(Change(kind, locked.bucket, file.updated_at, file, notify=notify))

    def move(self, source: LockedKey, target: LockedKey, sidecar: StagedSidecar, blob: StagedBlob) -> None:
        """Place `sidecar` and its bytes at `target`, and then delete the file of `source`, which must have one.

        Raises what `BlobStore.place`, `sync` and `remove` raise.
        """
        assert source.current is not None, "there is nothing to move"
        self._place(target, sidecar, blob)
        file, place = sidecar.file, (source.bucket.name, source.key)
        self.emit(Change(ChangeKind.FILE_MOVED, target.bucket, file.updated_at, file, source=place))
        # The two are in different directories. A power cut may leave both of them, and must not leave neither.
        self._store.sync(target.bucket, target.key)
        self._store.remove(source.bucket, source.key)
        self._transaction.drop_file(source.current)
        self._transaction.schedule_deletion(source.bucket.uid, source.key, source.current.blob, now())

    def _place(self, locked: LockedKey, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        file, before = sidecar.file, locked.current
        self._store.place(locked.bucket, sidecar, blob)
        self._transaction.put_file(file, before)
        if before is not None and before.blob != file.blob:
            self._transaction.schedule_deletion(file.bucket_uid, file.key, before.blob, now())

    def delete(self, locked: LockedKey) -> None:
        """Delete the file of `locked`, which must have one, and schedule its blob for deletion.

        Raises what `BlobStore.remove` raises.
        """
        file = self._removed(locked)
        self._transaction.drop_file(file)
        self._transaction.schedule_deletion(file.bucket_uid, file.key, file.blob, now())

    def delete_all(self, bucket: Bucket, every: Sequence[LockedKey]) -> None:
        """Delete the files of these keys of one bucket like `delete`, with fewer statements.

        If it raises, some may be deleted.
        """
        files = [self._removed(locked) for locked in every]
        if files:
            self._transaction.drop_files(bucket.uid, files)
            self._transaction.schedule_deletions(files, now())

    def _removed(self, locked: LockedKey) -> File:
        assert locked.current is not None, "there is nothing to delete"
        self._store.remove(locked.bucket, locked.key)
        self.emit(deletion(locked.bucket, locked.current))
        return locked.current


class BucketCommit(_Announcing):
    """A commit in progress over a whole bucket. `current` is the bucket that has its name now, with totals, or None."""

    def __init__(self, transaction: Transaction, store: BlobStore, current: tuple[Bucket, Totals] | None) -> None:
        super().__init__(transaction)
        self._store = store
        self.current = current

    def create(self, bucket: Bucket) -> None:
        """Create `bucket`. Raises what `BlobStore.create_bucket` raises."""
        self._store.create_bucket(bucket)
        self._transaction.put_bucket(bucket)
        self._emit(ChangeKind.BUCKET_CREATED, bucket, bucket.updated_at)

    def replace(self, bucket: Bucket) -> None:
        """Replace the record of the bucket that has this uid."""
        self._store.replace_bucket(bucket)
        self._transaction.put_bucket(bucket)
        self._emit(ChangeKind.BUCKET_UPDATED, bucket, bucket.updated_at)

    def delete(self, bucket: Bucket) -> None:
        """Delete `bucket` with its files. Collection frees their space later."""
        self._store.remove_bucket(bucket)
        self._transaction.drop_bucket(bucket.uid)
        self._transaction.schedule_bucket_deletion(bucket.uid, now())
        self._emit(ChangeKind.BUCKET_DELETED, bucket, following(now(), bucket.updated_at))

    def _emit(self, kind: ChangeKind, bucket: Bucket, at: datetime) -> None:
        totals = Totals(0, 0) if self.current is None else self.current[1]
        self.emit(Change(kind, bucket, at, totals=totals))


class Commits:
    """Makes the changes of one process: records their intents, and commits them."""

    def __init__(
        self,
        index: Index,
        store: BlobStore,
        logs: IntentLogs,
        recovery: Recovery,
        *,
        outbox: Outbox | None = None,
        listener: Callable[[Change], None] | None = None,
    ) -> None:
        """With `outbox`, a change is in it before its commit ends.

        `listener` is called with each durable change. It must not raise, because that change has not failed.
        """
        self._index = index
        self._outbox = outbox
        self._listener = listener
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
        with self._kept_open([intent], lambda: self._logs.record(intent, check)):
            yield intent

    @contextmanager
    def recorded_all(self, intents: Sequence[Intent]) -> Iterator[None]:
        """Record `intents` in the index, in one transaction. Otherwise like `recorded` without a check."""
        with self._kept_open(intents, lambda: self._logs.record_all(intents)):
            yield

    @contextmanager
    def _kept_open(self, intents: Sequence[Intent], record: Callable[[], object]) -> Iterator[None]:
        try:
            record()
            try:
                yield
            except BaseException as error:
                for intent in intents:
                    self._end(intent, error)
                raise
            for intent in intents:
                try:
                    self._logs.of(intent).finish(intent)
                except StorageError:  # the change is durable, so this must not fail it
                    self._recovery.finish(intent)
        finally:
            for intent in intents:
                self._cut_short.discard(intent.id)
                self._logs.release(intent)

    def _end(self, intent: Intent, error: BaseException) -> None:
        """End an intent whose change failed with `error`."""
        if _is_refusal(error) and intent.id not in self._cut_short:
            self._recovery.clear(intent)
        else:
            self._recovery.resolve(intent)

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
        keys = [(bucket, key_of(intent)) for intent, bucket in intents]
        with self._begun([intent for intent, _ in intents], keys) as commit:
            yield commit

    @contextmanager
    def move(self, intent: Intent, target: Bucket, source: Bucket) -> Iterator[Commit]:
        """Commit the move that `intent` names, like `keys`. Its keys are the destination and the source.

        One intent is recorded for both, so that recovery looks at both.
        """
        assert intent.source_key is not None, "the intent is that of a move"
        detach()  # the destination is synced under the locks
        with self._begun([intent], [(target, key_of(intent)), (source, intent.source_key)]) as commit:
            yield commit

    @contextmanager
    def _begun(self, intents: Sequence[Intent], keys: Sequence[tuple[Bucket, str]]) -> Iterator[Commit]:
        attempt = Attempt(self._index, self._store, self._logs, self._recovery, intents, keys)
        commit = None
        try:
            while commit is None:
                with self._index.write() as transaction:
                    locked_at = time.monotonic()
                    locked = attempt.lock(transaction)
                    if locked is not None:
                        commit = Commit(transaction, self._store, locked, locked_at=locked_at)
                        with self._noticed_if_cut_short(commit, *intents):
                            yield commit
                        attempt.clear(transaction)
                attempt.prepare_next()
        finally:
            self._store.tidy()  # under the locks, others would wait for it
        self._announce(commit)

    @contextmanager
    def bucket(self, intent: Intent, bucket: Bucket) -> Iterator[BucketCommit]:
        """Commit a change of `bucket` under its lock, like `keys`."""
        detach()  # the store syncs under the bucket's lock, and every writer in the bucket waits for that lock
        commit = None
        while commit is None:
            with self._index.write() as transaction:
                transaction.lock_bucket(bucket.name)
                stale = self._recovery.stale(transaction, transaction.intents_on_bucket(bucket.name))
                self._logs.claim(transaction, intent)
                if not stale:
                    current = reconcile_bucket(transaction, self._store, bucket.name)
                    commit = BucketCommit(transaction, self._store, current)
                    with self._noticed_if_cut_short(commit, intent):
                        yield commit
                    self._logs.clear_in(transaction, [intent])
                    transaction.sync(partial(self._store.sync_bucket, bucket))
            for each in stale:
                self._recovery.resolve_stale(each)
        self._announce(commit)

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

    def _announce(self, commit: _Announcing) -> None:
        """Put what a durable `commit` announced into the outbox, log its changes, and tell the listener."""
        if self._outbox is not None:
            self._outbox.put(commit.announced)
        for change in commit.changes:
            log.debug("%s", change.kind, extra={"bucket": change.bucket.name, "key": change.key})
            if self._listener is not None:
                self._listener(change)


def _is_refusal(error: BaseException) -> bool:
    return isinstance(error, StorageError) and error.status < 500
