"""The port that every store implements: the operations that writes and reads need.

A store holds one record for each bucket; for each key at most one *sidecar*, the file's record; and *blobs*, the
immutable bytes that sidecars name. The sidecar is the truth: a blob that no sidecar names is no part of any file.

The port knows no rename, no lock and no directory. The caller holds the lock of the key (or the bucket) while it calls
`place`, `remove` and the methods that change buckets, so a store need not guard against two writers of one key. Readers
come at any time, and must see the old sidecar or the new one, never a part of either.

An operation that only some stores can offer belongs to a capability, which is a protocol of its own. `Inventory` is
one: an index can be rebuilt only from a store that lists what it holds.

Errors. A store raises `InsufficientStorage` when it is full, `Unavailable` when it cannot be written or reached (the
call may be tried again), `DamagedFile` when a record cannot be read, and `FileNotFoundError` from `open` and `share`
alone. A store translates all other errors of its own, once.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from types import TracebackType
from typing import BinaryIO, Protocol, Self

from ..domain.buckets import Bucket
from ..domain.files import File


class DamagedRecord(str):
    """A record that cannot be read, as an item of an iteration: its place and the error, for an operator."""


@dataclass(frozen=True, slots=True)
class NginxPath:
    """The path of a blob relative to the store, from which nginx can read it."""

    path: str


class StagedBlob(Protocol):
    """A blob that no reader can see yet. On leaving its context it is discarded, unless it was placed."""

    def write(self, data: bytes) -> int:
        """Append all of `data`, or raise."""

    def append(self, source: BinaryIO, size: int) -> int:
        """Append up to `size` bytes of `source`, from where it stands. Return their number, 0 at its end.

        `source` is a blob of the store that `BlobStore.open` returned.
        """

    def discard(self) -> None:
        """Discard the bytes. Does nothing once they are placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class StagedSidecar(Protocol):
    """A sidecar ready to be placed, and synced if the store is durable. Its context discards it likewise."""

    @property
    def file(self) -> File: ...

    def restage(self, file: File) -> None:
        """Make it the sidecar of `file`, which has the same key. May sync it, while others wait for the key's lock."""

    def discard(self) -> None:
        """Discard it. Does nothing once it is placed. Never raises."""

    def __enter__(self) -> Self: ...

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class BlobStore(Protocol):
    """A store of buckets, blobs and sidecars. Threads and processes may call its methods at the same time."""

    # Writes

    def stage(self, bucket: Bucket) -> StagedBlob:
        """Begin a new blob for some key of `bucket`."""

    def adopt(self, bucket: Bucket, source: BinaryIO) -> StagedBlob:
        """Begin a new blob that is complete: the bytes of the open file `source`, which nobody writes to any more.

        The store may move the file away, by its `name`, or read it. The caller closes it.
        """

    def share(self, bucket: Bucket, source: Bucket, blob: str) -> StagedBlob | None:
        """Begin a new blob for some key of `bucket` that has the bytes of `blob` of the bucket `source`, at once.

        It is complete. Neither time nor space grows with its size: the two share their bytes, which never change.
        Returns None if the store cannot do that. The caller then copies the bytes with `StagedBlob.append`. Raises
        `FileNotFoundError` if `blob` is missing.
        """

    def stage_sidecar(self, bucket: Bucket, file: File, blob: StagedBlob | None = None) -> StagedSidecar:
        """Stage the sidecar of `file`, and prepare its place. Raises `BucketNotFound` if the bucket was removed.

        With `blob`, ends its bytes too. Both become durable together, which takes less time than one after the other.
        """

    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        """Place `blob`, if given, and then `sidecar` at its key. This is the commit of a write.

        `blob` was passed to `stage_sidecar` before. The sidecar is replaced atomically: after any failure the old one
        is there or the new one, and with the new one its bytes. Raises `BucketNotFound`, and places nothing, if the
        bucket was removed or another has its name.
        """

    def remove(self, bucket: Bucket, key: str) -> None:
        """Remove the sidecar of `key`, atomically. This is the commit of a delete. The blob stays.

        It may only be set aside, because the caller holds a lock; `tidy` frees its space. Does nothing if there is no
        sidecar. Raises `BucketNotFound` as `place` does.
        """

    def sync(self, bucket: Bucket, *keys: str) -> None:
        """Make durable what `place` or `remove` did to `keys`. The client is answered only after this.

        Of many keys, what they share is synced once.
        """

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        """Delete a blob for good, if it exists. The caller has made sure that no sidecar names it."""

    # Reads

    def read(self, bucket: Bucket, key: str) -> File | None:
        """Return the file that the sidecar of `key` describes now, or None if there is no sidecar.

        A sidecar with the uid of another bucket counts as missing. It belonged to a bucket that was deleted since.
        """

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        """Open a blob for reading. The caller closes it. Raises `FileNotFoundError` if it is missing."""

    def locate(self, bucket: Bucket, blob: str) -> NginxPath | None:
        """Return where a blob can be fetched without this process, or None.

        A store whose bytes have a URL adds a class beside `NginxPath`; `api/downloads.py` decides what a client gets.
        """

    # Buckets

    def create_bucket(self, bucket: Bucket) -> None:
        """Create the bucket with its record, atomically. Raises `BucketExists` if something else has its name."""

    def replace_bucket(self, bucket: Bucket) -> None:
        """Replace the record of a bucket, atomically. Raises `BucketNotFound` as `place` does."""

    def remove_bucket(self, bucket: Bucket) -> None:
        """Remove the bucket with all it holds, atomically, if it exists. `purge_bucket` frees the space."""

    def sync_bucket(self, bucket: Bucket) -> None:
        """Make durable what the three methods above did."""

    def purge_bucket(self, uid: str) -> Iterator[None]:
        """Free the space of a removed bucket, in steps. The caller takes them all, or begins again some other time.

        All steps may take long. Between two of them the caller may rest.
        """

    def read_bucket(self, name: str) -> Bucket | None:
        """Return the bucket that the record at `name` describes, or None if there is no record."""

    def has_files(self, bucket: Bucket) -> bool:
        """Return whether the bucket holds a sidecar, readable or not."""

    # The store itself

    def free_bytes(self) -> int | None:
        """Return how many bytes are free, or None if the store has no limit."""

    def is_fenced(self) -> bool:
        """Return whether another process has declared this one dead, and fenced what it had staged."""

    def tidy(self) -> None:
        """Free the space of removed sidecars, and of staged data that could not be discarded before. Never raises."""

    def probe(self) -> None:
        """Write, sync and delete a few bytes. Raises as a write would."""


class Inventory(BlobStore, Protocol):
    """A store that can list what it holds, in any order and in constant memory, for rebuilds and checks."""

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        """Yield every bucket that has a record."""

    def linked_buckets(self) -> Iterator[str]:
        """Yield the names of buckets that are elsewhere, behind a link in the store. No other method lists these."""

    def foreign(self) -> Iterator[str]:
        """Yield the names of whatever lies where only buckets should be and is none. It is never served."""

    def removed_buckets(self) -> Iterator[str]:
        """Yield the uids of buckets that were removed and not purged."""

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        """Yield the files that the sidecars of `bucket` describe."""

    def file_count(self, bucket: Bucket) -> int:
        """Return how many items `files` would yield, for a progress bar. The number may change meanwhile."""

    def blobs(self, bucket: Bucket) -> Iterator[str]:
        """Yield the names of all blobs in `bucket`."""

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        """Yield the key and name of each blob whose sidecar names another blob that exists."""

    def blob_size(self, bucket: Bucket, blob: str) -> int | None:
        """Return the size of a blob in bytes, or None if it is missing."""

    def is_named(self, bucket: Bucket, blob: str) -> bool:
        """Return whether a sidecar names the blob, or may: one that cannot be read may name any blob of its key."""

    def set_aside(self, bucket: Bucket, blob: str) -> None:
        """Move a blob, if it exists, to a place where only an operator looks."""
