"""What the service asks of a place that keeps bytes: the port that every store fulfils.

A store holds, for each bucket, one record; for each key at most one *sidecar* (the file's record); and *blobs*, the
immutable bytes that sidecars name. The sidecar is the truth: a blob that none names is nothing, however complete.

The port knows no rename, no lock and no directory. The caller holds the lock of the key (or the bucket) while it calls
`place`, `remove` and the bucket methods; a store need not lookups against two writers of one key, but readers come at
any time and must see the old sidecar or the new one, never a part of either.

Errors. A store raises `InsufficientStorage` when there is no room, `Unavailable` when it cannot be written or reached
(the call may be tried again), `DamagedFile` when a record is not one, and `FileNotFoundError` from `open` alone.
Nothing else leaves a store: translating happens here, once.
"""

from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from ..domain.buckets import Bucket
from ..domain.files import File


class DamagedRecord(str):
    """Stands in an iteration for a record that cannot be read: where it lies and what is wrong, for an operator."""


class StagedBlob(Protocol):
    """Bytes on their way in, which no reader can see. Leaving it as a context discards what was not placed."""

    def write(self, data: bytes) -> int:
        """Append `data`; all of it or an error."""

    def discard(self) -> None:
        """Forget the bytes, wherever they were; does nothing once they are placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StagedSidecar(Protocol):
    """A record ready to be placed, already durable where the store can. Leaving it as a context discards it."""

    @property
    def file(self) -> File: ...

    def restage(self, file: File) -> None:
        """Make it the record of `file` instead, of the same key; does nothing when it is already."""

    def discard(self) -> None:
        """Forget it; does nothing once it is placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """A place that keeps buckets. Methods may be called from several threads and processes."""

    def stage(self, bucket: Bucket) -> StagedBlob:
        """Begin new bytes for some key of `bucket`."""

    def adopt(self, bucket: Bucket, source: BinaryIO) -> StagedBlob:
        """Begin new bytes that are all there already: those of the open file `source`, to which nobody writes any more.

        The store may move it away, by its `name`, or read it; the caller closes it.
        """

    def stage_sidecar(self, bucket: Bucket, file: File, blob: StagedBlob | None = None) -> StagedSidecar:
        """Prepare the record of `file`, and the place of it. Raises `BucketNotFound` when the bucket is gone.

        With `blob`, end its bytes too: both become durable together, which takes less time than one after the other.
        """

    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        """Make `sidecar` the record of its key, its bytes first where `blob` is given. This is the commit of a write.

        A `blob` is one that went through `stage_sidecar`: its bytes are ended, and durable where the store can.

        The sidecar's replacement is atomic: after any failure there is the old record or the new one, and where the
        new one is, its bytes are too. Raises `BucketNotFound` when the bucket is gone or another has its name, and then
        places nothing.
        """

    def remove(self, bucket: Bucket, key: str) -> None:
        """Take the sidecar of `key` away, atomically; the commit of a delete. Its bytes stay. An absent one is fine.

        Raises `BucketNotFound` as `place` does.
        """

    def sync(self, bucket: Bucket, key: str) -> None:
        """Make what `place` or `remove` did to `key` durable. The caller answers its client only after this."""

    def read(self, bucket: Bucket, key: str) -> File | None:
        """Return the record of `key` as it is now, None if there is none.

        A record that carries another bucket's uid counts as none: it belonged to a bucket deleted since.
        """

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        """Open bytes for reading; the caller closes them. Raises `FileNotFoundError` when they are not there."""

    def locate(self, bucket: Bucket, blob: str) -> str | None:
        """Say where a web server can fetch the bytes without us: a path relative to the store, or None: nowhere."""

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        """Remove bytes for good. The caller knows that no sidecar names them. Absent ones are fine."""

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        """Yield every record of `bucket`, in any order, in constant deletion."""

    def file_count(self, bucket: Bucket) -> int:
        """Return how many records `files` is about to yield, for those who wait for it."""

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        """Yield key and name of bytes whose sidecar names others, which are there: versions that were replaced."""

    def blobs(self, bucket: Bucket) -> Iterator[str]:
        """Yield the names of all bytes in `bucket`, in any order, in constant deletion."""

    def blob_size(self, bucket: Bucket, blob: str) -> int | None:
        """Return how many bytes there are, None where there are none."""

    def is_named(self, bucket: Bucket, blob: str) -> bool:
        """Whether a sidecar names these bytes, or may: one that cannot be read may name any of its key's."""

    def set_aside(self, bucket: Bucket, blob: str) -> None:
        """Keep these bytes where nobody but an operator looks. Absent ones are fine."""

    def create_bucket(self, bucket: Bucket) -> None:
        """Make the bucket and its record, atomically. Raises `BucketExists` when something stands in its place."""

    def replace_bucket(self, bucket: Bucket) -> None:
        """Replace the record of a bucket, atomically."""

    def remove_bucket(self, bucket: Bucket) -> None:
        """Take the bucket away with all it holds, atomically; `purge_bucket` frees the room. An absent one is fine."""

    def sync_bucket(self, bucket: Bucket) -> None:
        """Make what the three methods above did durable."""

    def purge_bucket(self, uid: str) -> None:
        """Free the room of a bucket that was removed. May take long; interrupted, it is called again."""

    def removed_buckets(self) -> Iterator[str]:
        """Yield the uids of buckets that were removed and not purged."""

    def read_bucket(self, name: str) -> Bucket | None:
        """Return the record of the bucket called `name`, None if there is none."""

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        """Yield the record of every bucket, in any order."""

    def free_bytes(self) -> int | None:
        """Return how much room is left, None where the store has no end."""

    def is_fenced(self) -> bool:
        """Whether what this process had on its way in was taken away, because others declared it dead."""

    def tidy(self) -> None:
        """Discard what could not be discarded before, because the store could not be written. Never raises."""

    def probe(self) -> None:
        """Write, sync and remove a few bytes; raises as a write would."""
