"""The port that every store fulfils: what a write and a read need of a place that keeps bytes.

A store holds one record for each bucket; for each key at most one *sidecar*, the file's record; and *blobs*, the
immutable bytes that sidecars name. The sidecar is the truth: a blob that no sidecar names is nothing, however complete.

The port knows no rename, no lock and no directory. The caller holds the lock of the key (or the bucket) while it calls
`place`, `remove` and the methods that change buckets, so a store need not guard against two writers of one key. Readers
come at any time, and must see the old sidecar or the new one, never a part of either.

What only some stores can do is a capability, a protocol of its own: `Inventory`, without which an index cannot be
rebuilt.

Errors. A store raises `InsufficientStorage` when it is full, `Unavailable` when it cannot be written or reached (the
call may be tried again), `DamagedFile` when a record cannot be read, and `FileNotFoundError` from `open` alone. Nothing
else leaves a store: its own errors are translated there, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from ..domain.buckets import Bucket
from ..domain.files import File


class DamagedRecord(str):
    """Stands in an iteration for a record that cannot be read: where it lies and what is wrong, for an operator."""


@dataclass(frozen=True, slots=True)
class NginxPath:
    """Where nginx can read a blob: a path relative to the store."""

    path: str


class StagedBlob(Protocol):
    """Bytes on their way in, which no reader can see. Leaving it as a context discards them unless they were placed."""

    def write(self, data: bytes) -> int:
        """Append all of `data`, or raise."""

    def discard(self) -> None:
        """Discard the bytes, wherever they are. Does nothing once they are placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StagedSidecar(Protocol):
    """A sidecar ready to be placed, durable already if the store is. Leaving it as a context discards it likewise."""

    @property
    def file(self) -> File: ...

    def restage(self, file: File) -> None:
        """Make it the sidecar of `file`, which has the same key. Does nothing if it is already."""

    def discard(self) -> None:
        """Discard it. Does nothing once it is placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """A place that keeps buckets. Methods may be called from several threads and processes."""

    # Writes

    def stage(self, bucket: Bucket) -> StagedBlob:
        """Begin new bytes for some key of `bucket`."""

    def adopt(self, bucket: Bucket, source: BinaryIO) -> StagedBlob:
        """Begin new bytes that are complete: those of the open file `source`, to which nobody writes any more.

        The store may move the file away, by its `name`, or read it. The caller closes it.
        """

    def stage_sidecar(self, bucket: Bucket, file: File, blob: StagedBlob | None = None) -> StagedSidecar:
        """Stage the sidecar of `file`, and prepare its place. Raises `BucketNotFound` if the bucket was removed.

        With `blob`, end its bytes too: both become durable together, which takes less time than one after the other.
        """

    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        """Make `sidecar` the record of its key, after its bytes if `blob` is given. This is the commit of a write.

        A `blob` has gone through `stage_sidecar`. The sidecar is replaced atomically: after any failure there is the
        old one or the new one, and with the new one its bytes. Raises `BucketNotFound`, and places nothing, if the
        bucket was removed or another has its name.
        """

    def remove(self, bucket: Bucket, key: str) -> None:
        """Remove the sidecar of `key`, atomically. This is the commit of a delete. The bytes stay.

        Does nothing if there is none. Raises `BucketNotFound` as `place` does.
        """

    def sync(self, bucket: Bucket, key: str) -> None:
        """Make durable what `place` or `remove` did to `key`. The caller answers its client only after this."""

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        """Delete bytes for good, if they are there. The caller knows that no sidecar names them."""

    # Reads

    def read(self, bucket: Bucket, key: str) -> File | None:
        """Return what the sidecar of `key` says now, None if there is none.

        A sidecar with another bucket's uid counts as none: it belonged to a bucket that was deleted since.
        """

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        """Open bytes for reading. The caller closes them. Raises `FileNotFoundError` if they are not there."""

    def locate(self, bucket: Bucket, blob: str) -> NginxPath | None:
        """Return where bytes can be fetched without this process; None if nowhere.

        A store whose bytes have a URL adds a class beside `NginxPath`; `api/downloads.py` decides what a client gets.
        """

    # Buckets

    def create_bucket(self, bucket: Bucket) -> None:
        """Create the bucket and its record, atomically. Raises `BucketExists` if something is in its place."""

    def replace_bucket(self, bucket: Bucket) -> None:
        """Replace the record of a bucket, atomically."""

    def remove_bucket(self, bucket: Bucket) -> None:
        """Remove the bucket with all it holds, atomically, if it is there. `purge_bucket` frees the space."""

    def sync_bucket(self, bucket: Bucket) -> None:
        """Make durable what the three methods above did."""

    def purge_bucket(self, uid: str) -> None:
        """Free the space of a removed bucket. May take long; if interrupted, it is called again."""

    def read_bucket(self, name: str) -> Bucket | None:
        """Return the record of the bucket called `name`, None if there is none."""

    def has_files(self, bucket: Bucket) -> bool:
        """Whether the bucket holds a sidecar, readable or not."""

    # The store itself

    def free_bytes(self) -> int | None:
        """Return how many bytes are free, None if the store has no limit."""

    def is_fenced(self) -> bool:
        """Whether others declared this process dead, and so removed what it had staged."""

    def tidy(self) -> None:
        """Discard what could not be discarded before because the store could not be written. Never raises."""

    def probe(self) -> None:
        """Write, sync and delete a few bytes. Raises as a write would."""


class Inventory(BlobStore, Protocol):
    """A store that can list what it holds, in any order and in constant memory: for rebuilding and checking."""

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        """Yield the record of every bucket."""

    def removed_buckets(self) -> Iterator[str]:
        """Yield the uids of buckets that were removed and not purged."""

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        """Yield what every sidecar of `bucket` says."""

    def file_count(self, bucket: Bucket) -> int:
        """Return how many sidecars `files` is about to yield, for a progress bar."""

    def blobs(self, bucket: Bucket) -> Iterator[str]:
        """Yield the names of all blobs in `bucket`."""

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        """Yield the key and name of each blob whose sidecar names another one, which is there."""

    def blob_size(self, bucket: Bucket, blob: str) -> int | None:
        """Return how many bytes a blob has, None if it is not there."""

    def is_named(self, bucket: Bucket, blob: str) -> bool:
        """Whether a sidecar names the blob, or may: one that cannot be read may name any blob of its key."""

    def set_aside(self, bucket: Bucket, blob: str) -> None:
        """Move a blob to where only an operator looks, if it is there."""
