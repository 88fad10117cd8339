"""The rebuild of the index from the sidecars: fills a new index, or reconciles one that other processes use."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeVar

from ..blobstore import DamagedRecord, Inventory
from ..domain.buckets import Bucket
from ..domain.files import File
from ..domain.times import now
from ..errors import DamagedFile, Unavailable
from ..index import Index, Transaction
from ..journal.reconcile import reconcile_bucket, reconcile_file

# The files of one transaction. While the service runs, requests wait for it, so it is short.
_BATCH = 1000
_SHARED_BATCH = 100

# A callback that receives the number of files read so far, and the number of all files.
Progress = Callable[[int, int], None]
Item = TypeVar("Item")


def no_progress(files: int, total: int) -> None:
    """Report nothing."""


@dataclass(slots=True)
class Rebuilding:
    """A rebuild in progress: `files` of `total` read so far, and the records that could not be read."""

    index: Index
    store: Inventory
    progress: Progress = no_progress
    files: int = 0
    total: int = 0
    damaged: list[str] = field(default_factory=list)

    def fill(self, *, take_over: bool = False) -> None:
        """Fill an empty index, which becomes ready only at the end. With `take_over`, empty that of another store.

        Memory does not grow with the number of files. If interrupted, the next start begins again.
        """
        self.index.begin_anew(take_over=take_over)
        buckets = list(self._buckets())
        self.total = sum(self.store.file_count(bucket) for bucket in buckets)
        for bucket in buckets:
            with self.index.fill() as transaction:
                transaction.put_bucket(bucket)
            for batch in _batches(self._files(bucket), _BATCH):
                with self.index.fill() as transaction:
                    transaction.add_files(bucket.uid, batch)
                self._count(len(batch))
            for replaced in _batches(self.store.replaced_blobs(bucket), _BATCH):
                with self.index.fill() as transaction:
                    for key, blob in replaced:
                        transaction.schedule_deletion(bucket.uid, key, blob, now())
        with self.index.fill() as transaction:
            for uid in self.store.removed_buckets():
                transaction.schedule_bucket_deletion(uid, now())
            transaction.complete()

    def reconcile(self) -> None:
        """Reconcile every row of an index that other processes use with its sidecar, under the lock of its bucket."""
        buckets = list(self._buckets())
        self.total = sum(self.store.file_count(bucket) for bucket in buckets)
        names = [bucket.name for bucket in buckets]
        for name in {*names, *self._indexed_buckets()}:
            with self.index.write() as transaction:
                transaction.lock_bucket(name)
                with self._reporting():
                    reconcile_bucket(transaction, self.store, name, adopt=True)
        for name in names:
            found = self.index.bucket(name)
            if found is not None:
                self._reconcile_files(found[0])

    def _reconcile_files(self, bucket: Bucket) -> None:
        on_disk = (file.key for file in self._files(bucket))
        for keys in _batches(on_disk, _SHARED_BATCH):
            self._reconcile_keys(bucket, keys)
            self._count(len(keys))
        for keys in _batches(self._indexed_keys(bucket), _SHARED_BATCH):
            self._reconcile_keys(bucket, [key for key in keys if self._is_absent(bucket, key)])
        self._schedule_replaced(bucket)
        with self.index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            transaction.recount(bucket.uid)

    def _reconcile_keys(self, bucket: Bucket, keys: Iterable[str]) -> None:
        with self.index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            if transaction.bucket(bucket.uid) is not None:
                for key in keys:
                    if self._can_be_read(bucket, key):
                        reconcile_file(transaction, self.store, bucket, key)

    def _can_be_read(self, bucket: Bucket, key: str) -> bool:
        """Return whether the sidecar of `key` can be read. Report one that cannot, which keeps its row."""
        try:
            self.store.read(bucket, key)
        except (DamagedFile, Unavailable) as error:
            self.damaged.append(f"{bucket.name}: {key}: {error.detail}")
            return False
        return True

    def _is_absent(self, bucket: Bucket, key: str) -> bool:
        try:
            return self.store.read(bucket, key) is None
        except (DamagedFile, Unavailable):  # reported when the disk was read; its row stays
            return False

    def _schedule_replaced(self, bucket: Bucket) -> None:
        """Schedule for deletion each replaced blob that no intent and no pending deletion in the index names.

        Intents in file logs need no check: their processes place blob and sidecar under the lock that is taken here.
        """
        for key, blob in self.store.replaced_blobs(bucket):
            if self.index.explains(bucket.uid, blob):
                continue
            with self.index.write() as transaction:
                transaction.lock_keys([(bucket.name, key)])
                if self._is_replaced(transaction, bucket, key, blob):
                    transaction.schedule_deletion(bucket.uid, key, blob, now())

    def _is_replaced(self, transaction: Transaction, bucket: Bucket, key: str, blob: str) -> bool:
        if any(intent.blob == blob for intent in transaction.intents_on(bucket.uid, key)):
            return False
        try:
            file = self.store.read(bucket, key)
        except (DamagedFile, Unavailable):
            return False
        return file is not None and file.blob != blob

    def _buckets(self) -> Iterator[Bucket]:
        """Yield the readable buckets, each uid once. Report the others."""
        names: dict[str, str] = {}
        for bucket in self.store.buckets():
            if isinstance(bucket, DamagedRecord):
                self.damaged.append(bucket)
            elif bucket.uid in names:
                self.damaged.append(f"{bucket.name}: it is a copy of {names[bucket.uid]}, with the same uid")
            else:
                names[bucket.uid] = bucket.name
                yield bucket

    def _files(self, bucket: Bucket) -> Iterator[File]:
        for file in self.store.files(bucket):
            if isinstance(file, DamagedRecord):
                self.damaged.append(file)
            else:
                yield file

    def _indexed_buckets(self) -> Iterator[str]:
        last: str | None = None
        while batch := self.index.bucket_names(after=last, limit=_BATCH):
            yield from batch
            last = batch[-1]

    def _indexed_keys(self, bucket: Bucket) -> Iterator[str]:
        last = ""
        while batch := self.index.files_by_key(bucket.uid, prefix="", start=last, after=True, limit=_BATCH):
            yield from (file.key for file in batch)
            last = batch[-1].key

    @contextmanager
    def _reporting(self) -> Iterator[None]:
        try:
            yield
        except (DamagedFile, Unavailable) as error:
            self.damaged.append(error.detail)

    def _count(self, files: int) -> None:
        self.files += files
        self.progress(self.files, self.total)


def _batches(items: Iterable[Item], size: int) -> Iterator[list[Item]]:
    iterator = iter(items)
    while batch := list(islice(iterator, size)):
        yield batch
