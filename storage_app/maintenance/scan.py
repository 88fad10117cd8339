"""The scan of a store for damage, of which `repair` can undo a part."""

from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum

from ..blobstore import DamagedRecord, Inventory
from ..blobstore.resumables.store import ResumableStore
from ..domain.buckets import Bucket
from ..domain.files import File
from ..errors import DamagedFile, Unavailable
from ..index import Index
from ..journal.commit import Commits
from ..journal.log import IntentLogs
from .repair import Repair

_BATCH = 1000


class Damage(StrEnum):
    """The kinds of damage."""

    RECORD = "a record that cannot be read"
    BYTES = "a record whose bytes are missing or have another size"
    SIDECAR = "a file whose sidecar is missing"
    INDEX = "a row that says something else than its record"
    STRAY = "bytes that nothing explains"
    UPLOAD = "a resumable upload whose record cannot be read"
    FOREIGN = "a directory that is no bucket, and is not served"


@dataclass(frozen=True, slots=True)
class Finding:
    """Damage to `what`: a key, a blob or a description. `repaired` says how it was repaired, None if it was not."""

    damage: Damage
    bucket: str
    what: str
    repaired: str | None = None

    def __str__(self) -> str:
        place = f"{self.bucket}: {self.what}" if self.bucket else self.what
        return f"{place}: {self.damage}" + (f"; {self.repaired}" if self.repaired else "")


class Check:
    """Checks a store that may be in use. With `repair`, repairs what it finds as soon as it is found."""

    def __init__(
        self,
        index: Index,
        store: Inventory,
        resumables: ResumableStore,
        commits: Commits,
        logs: IntentLogs,
        *,
        repair: bool,
    ) -> None:
        self._index = index
        self._store = store
        self._resumables = resumables
        self._logs = logs
        self._repair = Repair(index, store, resumables, commits) if repair else None

    def findings(self) -> Iterator[Finding]:
        """Yield the damage, bucket by bucket. Memory grows with the damage, not with the number of files."""
        for name in self._store.foreign():
            yield Finding(Damage.FOREIGN, "", name)
        for bucket in self._store.buckets():
            if isinstance(bucket, DamagedRecord):
                yield Finding(Damage.RECORD, "", bucket)
                continue
            try:
                yield from self._findings_in(bucket)
            except (DamagedFile, Unavailable) as error:  # the check goes on with the other buckets
                yield Finding(Damage.RECORD, bucket.name, error.detail)
        yield from self._damaged_uploads()

    def _damaged_uploads(self) -> Iterator[Finding]:
        """Check every resumable upload: its record must be readable."""
        for upload_id in self._resumables.ids():
            try:
                self._resumables.read(upload_id)
            except DamagedFile:
                repaired = self._repair.upload(upload_id) if self._repair else None
                yield Finding(Damage.UPLOAD, "", f"resumable/{upload_id}", repaired)

    def _findings_in(self, bucket: Bucket) -> Iterator[Finding]:
        known = self._index.bucket(bucket.name)
        if known is None or known[0] != bucket:
            yield self._wrong_bucket(bucket)
        yield from self._records(bucket)
        lost: set[str] = set()  # the blobs whose sidecar is missing
        yield from self._rows(bucket, lost)
        yield from self._strays(bucket, lost)

    def _wrong_bucket(self, bucket: Bucket) -> Finding:
        repaired = self._repair.bucket_row(bucket) if self._repair else None
        return Finding(Damage.INDEX, bucket.name, "the bucket's own record", repaired)

    def _records(self, bucket: Bucket) -> Iterator[Finding]:
        """Check every sidecar: it must be readable, agree with its row, and name bytes of its size."""
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
        """Check every row: its sidecar must exist. Add the blobs of those without one to `lost`."""
        last = ""
        while page := self._index.files_by_key(bucket.uid, prefix="", start=last, after=True, limit=_BATCH):
            for file in page:
                with suppress(DamagedFile, Unavailable):  # `_records` has reported it
                    if self._store.read(bucket, file.key) is None and self._is_lost(bucket, file):
                        lost.add(file.blob)
                        yield self._lost_sidecar(bucket, file)
            last = page[-1].key

    def _strays(self, bucket: Bucket, lost: set[str]) -> Iterator[Finding]:
        """Check every blob that is not in `lost`: a sidecar, an intent or a pending deletion must name it."""
        for blob in self._store.blobs(bucket):
            if blob not in lost and not self._is_explained(bucket, blob) and self._is_stray(bucket, blob):
                yield self._stray(bucket, blob)

    def _is_stray(self, bucket: Bucket, blob: str) -> bool:
        """Check again under the lock of the bucket, because the blob may have been placed or replaced meanwhile."""
        with self._index.write() as transaction:
            transaction.lock_bucket(bucket.name)
            return not self._is_explained(bucket, blob)

    def _is_explained(self, bucket: Bucket, blob: str) -> bool:
        return self._store.is_named(bucket, blob) or self._logs.explains(bucket.uid, blob)

    def _is_unchanged(self, bucket: Bucket, file: File) -> bool:
        """Return whether the sidecar still describes `file`, which may have been replaced or deleted meanwhile."""
        with suppress(DamagedFile, Unavailable):
            return self._store.read(bucket, file.key) == file
        return False

    def _is_lost(self, bucket: Bucket, file: File) -> bool:
        """Return whether, under the key's lock, the row has no sidecar and no delete in progress explains that."""
        with self._index.write() as transaction:
            transaction.lock_keys([(bucket.name, file.key)])
            deleting = any(
                intent.takes_away(bucket.uid, file.key) for intent in transaction.intents_on(bucket.uid, file.key)
            )
            is_missing = self._store.read(bucket, file.key) is None
            return is_missing and not deleting and transaction.file(bucket.uid, file.key) == file

    def _wrong_row(self, bucket: Bucket, key: str) -> Finding:
        return Finding(Damage.INDEX, bucket.name, key, self._repair.row(bucket, key) if self._repair else None)

    def _lost_sidecar(self, bucket: Bucket, file: File) -> Finding:
        repaired = self._repair.sidecar(bucket, file) if self._repair else None
        return Finding(Damage.SIDECAR, bucket.name, file.key, repaired)

    def _stray(self, bucket: Bucket, blob: str) -> Finding:
        return Finding(Damage.STRAY, bucket.name, blob, self._repair.stray(bucket, blob) if self._repair else None)
