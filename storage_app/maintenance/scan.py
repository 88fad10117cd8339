"""Looking for damage, and on demand repairing what can be repaired without losing anything."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from ..blobstore import DamagedRecord, Inventory
from ..domain.buckets import Bucket
from ..domain.files import File
from ..domain.intents import IntentKind
from ..errors import DamagedFile, Unavailable
from ..index import Index
from ..journal.commit import Commits
from ..journal.log import IntentLogs
from ..journal.reconcile import reconcile_bucket, reconcile_file

_BATCH = 1000


class Damage(StrEnum):
    """What may be wrong."""

    RECORD = "a record that cannot be read"
    BYTES = "a record whose bytes are missing or have another size"
    SIDECAR = "a file whose sidecar is gone"
    INDEX = "a row that says something else than its record"
    STRAY = "bytes that nothing explains"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something that is wrong with `what`; `repaired` says how it was mended, if it was."""

    damage: Damage
    bucket: str
    what: str
    repaired: str | None = None

    def __str__(self) -> str:
        place = f"{self.bucket}: {self.what}" if self.bucket else self.what
        return f"{place}: {self.damage}" + (f"; {self.repaired}" if self.repaired else "")


class Check:
    """Goes through a store that may be in use. With `repair`, mends what it finds under the locks that writers take."""

    def __init__(self, index: Index, store: Inventory, commits: Commits, logs: IntentLogs, *, repair: bool) -> None:
        self._index = index
        self._store = store
        self._commits = commits
        self._logs = logs
        self._repair = repair

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong, bucket by bucket, in constant deletion."""
        for bucket in self._store.buckets():
            if isinstance(bucket, DamagedRecord):
                yield Finding(Damage.RECORD, "", bucket)
                continue
            try:
                yield from self._findings_in(bucket)
            except (DamagedFile, Unavailable) as error:  # the others are looked at yet
                yield Finding(Damage.RECORD, bucket.name, error.detail)

    def _findings_in(self, bucket: Bucket) -> Iterator[Finding]:
        known = self._index.bucket(bucket.name)
        if known is None or known[0] != bucket:
            yield self._wrong_bucket(bucket)
        yield from self._records(bucket)
        lost: set[str] = set()  # as many as there is damage
        yield from self._rows(bucket, lost)
        yield from self._strays(bucket, lost)

    def _wrong_bucket(self, bucket: Bucket) -> Finding:
        if not self._repair:
            return Finding(Damage.INDEX, bucket.name, "the bucket's own record")
        with self._index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            reconcile_bucket(transaction, self._store, bucket.name, adopt=True)
        return Finding(Damage.INDEX, bucket.name, "the bucket's own record", "the row was written again")

    def _records(self, bucket: Bucket) -> Iterator[Finding]:
        """Look at every sidecar: whether it can be read, its bytes are there, and the index agrees."""
        for file in self._store.files(bucket):
            if isinstance(file, DamagedRecord):
                yield Finding(Damage.RECORD, bucket.name, file)
            elif not self._is_unchanged(bucket, file):
                continue
            elif self._index.file(bucket.uid, file.key) != file:
                yield self._wrong_row(bucket, file.key)
            elif self._store.blob_size(bucket, file.blob) != file.size:
                yield Finding(Damage.BYTES, bucket.name, file.key)

    def _rows(self, bucket: Bucket, lost: set[str]) -> Iterator[Finding]:
        """Look for rows whose sidecar is gone; add the names of their bytes to `lost`."""
        last = ""
        while page := self._index.files_by_key(bucket.uid, prefix="", start=last, after=True, limit=_BATCH):
            for file in page:
                with suppress(DamagedFile, Unavailable):  # found among the records
                    if self._store.read(bucket, file.key) is None and self._is_lost(bucket, file):
                        lost.add(file.blob)
                        yield self._lost_sidecar(bucket, file)
            last = page[-1].key

    def _strays(self, bucket: Bucket, lost: set[str]) -> Iterator[Finding]:
        for blob in self._store.blobs(bucket):
            if blob not in lost and not self._is_explained(bucket, blob) and self._is_stray(bucket, blob):
                yield self._stray(bucket, blob)

    def _is_stray(self, bucket: Bucket, blob: str) -> bool:
        """Look again, with nobody deciding in the bucket: it may be on its way in, or just be replaced."""
        with self._index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            return not self._is_explained(bucket, blob)

    def _is_explained(self, bucket: Bucket, blob: str) -> bool:
        return self._store.is_named(bucket, blob) or self._logs.explains(bucket.uid, blob)

    def _is_unchanged(self, bucket: Bucket, file: File) -> bool:
        """Whether the sidecar still says so: the file may have been replaced or deleted since it was listed."""
        with suppress(DamagedFile, Unavailable):
            return self._store.read(bucket, file.key) == file
        return False

    def _is_lost(self, bucket: Bucket, file: File) -> bool:
        """Whether the row is still there, under the key's lock, and no delete in progress explains it."""
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, file.key)])
            deleting = any(intent.kind is IntentKind.DELETE for intent in transaction.intents_on(bucket.uid, file.key))
            is_missing = self._store.read(bucket, file.key) is None
            return is_missing and not deleting and transaction.file(bucket.uid, file.key) == file

    def _wrong_row(self, bucket: Bucket, key: str) -> Finding:
        if not self._repair:
            return Finding(Damage.INDEX, bucket.name, key)
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, key)])
            reconcile_file(transaction, self._store, bucket, key)
        return Finding(Damage.INDEX, bucket.name, key, "the row was written again")

    def _lost_sidecar(self, bucket: Bucket, file: File) -> Finding:
        finding = Finding(Damage.SIDECAR, bucket.name, file.key)
        if not self._repair or self._store.blob_size(bucket, file.blob) != file.size:
            return finding
        self._commits.restore(bucket, file)
        return Finding(Damage.SIDECAR, bucket.name, file.key, "the sidecar was written again, from the index")

    def _stray(self, bucket: Bucket, blob: str) -> Finding:
        if not self._repair:
            return Finding(Damage.STRAY, bucket.name, blob)
        self._store.set_aside(bucket, blob)
        return Finding(Damage.STRAY, bucket.name, blob, "they were moved to lost+found")
