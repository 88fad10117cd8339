"""A store in memory: all that the port asks for, and nothing that only a filesystem has.

It needs no lock either. Each step that a reader could see is one operation on a dictionary, which happens whole.
"""

import io
from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass, field
from types import TracebackType
from typing import BinaryIO, Self, cast

from storage_app.blobstore import DamagedRecord, NginxPath, StagedBlob, StagedSidecar
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from storage_app.errors import BucketExists, BucketNotFound, Unavailable


@dataclass(frozen=True, slots=True)
class _Bytes:
    key: str
    content: bytes


@dataclass(slots=True)
class _Contents:
    """What a bucket holds: its record, the sidecars by key, the bytes by name."""

    record: Bucket
    sidecars: dict[str, File] = field(default_factory=dict)
    blobs: dict[str, _Bytes] = field(default_factory=dict)


class _StagedFile:
    """Something on its way in, for as long as `waiting` holds it."""

    def __init__(self, waiting: set["_StagedFile"]) -> None:
        self._waiting = waiting
        waiting.add(self)

    def check(self) -> None:
        if self not in self._waiting:
            raise Unavailable("What was discarded, or placed already, cannot be placed.")

    def discard(self) -> None:
        self._waiting.discard(self)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.discard()


class _StagedBytes(_StagedFile):
    def __init__(self, waiting: set[_StagedFile]) -> None:
        super().__init__(waiting)
        self.buffer = bytearray()
        self.content = b""  # until `stage_sidecar` ends the bytes

    def write(self, data: bytes) -> int:
        self.buffer += data
        return len(data)

    def append(self, source: BinaryIO, size: int) -> int:
        return self.write(source.read(size))


class _StagedRecord(_StagedFile):
    def __init__(self, waiting: set[_StagedFile], file: File) -> None:
        super().__init__(waiting)
        self.file = deepcopy(file)

    def restage(self, file: File) -> None:
        self.file = deepcopy(file)


class MemoryStore:
    """A `Inventory` that lives as long as the process."""

    def __init__(self) -> None:
        self._buckets: dict[str, _Contents] = {}
        self._removed: dict[str, _Contents] = {}
        self.aside: dict[str, bytes] = {}
        self._staged: set[_StagedFile] = set()

    def leftovers(self) -> list[str]:
        """Say what is here and neither a record nor the bytes that one names."""
        unnamed = [
            f"{bucket.record.name}: {name}"
            for bucket in self._buckets.values()
            for name in bucket.blobs.keys() - {file.blob for file in bucket.sidecars.values()}
        ]
        return [*unnamed, *self._removed, *(repr(staged) for staged in self._staged)]

    # Writes

    def stage(self, bucket: Bucket) -> _StagedBytes:
        return _StagedBytes(self._staged)

    def adopt(self, bucket: Bucket, source: BinaryIO) -> _StagedBytes:
        staged = _StagedBytes(self._staged)
        staged.write(source.read())
        return staged

    def share(self, bucket: Bucket, source: Bucket, blob: str) -> _StagedBytes | None:
        self.open(source, blob).close()
        return None

    def stage_sidecar(self, bucket: Bucket, file: File, blob: StagedBlob | None = None) -> _StagedRecord:
        if blob is not None:
            written = cast(_StagedBytes, blob)
            written.content = bytes(written.buffer)
        return _StagedRecord(self._staged, file)

    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        contents, record = self._contents(bucket), cast(_StagedRecord, sidecar)
        if contents is None:
            raise BucketNotFound(bucket.name)
        record.check()
        if blob is not None:
            self._place_bytes(contents, record.file, cast(_StagedBytes, blob))
        self._place_record(contents, record)

    def _place_bytes(self, contents: _Contents, file: File, blob: _StagedBytes) -> None:
        blob.check()
        contents.blobs[file.blob] = _Bytes(file.key, blob.content)
        blob.discard()

    def _place_record(self, contents: _Contents, record: _StagedRecord) -> None:
        contents.sidecars[record.file.key] = record.file  # the commit
        record.discard()

    def remove(self, bucket: Bucket, key: str) -> None:
        contents = self._contents(bucket)
        if contents is None:
            raise BucketNotFound(bucket.name)
        contents.sidecars.pop(key, None)

    def sync(self, bucket: Bucket, *keys: str) -> None:
        """Nothing here outlives the process, and nothing is lost before."""

    # Reads

    def read(self, bucket: Bucket, key: str) -> File | None:
        contents = self._contents(bucket)
        file = None if contents is None else contents.sidecars.get(key)
        return deepcopy(file) if file is not None and file.bucket_uid == bucket.uid else None

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        contents = self._contents(bucket)
        found = None if contents is None else contents.blobs.get(blob)
        if found is None:
            raise FileNotFoundError(blob)
        return io.BufferedReader(cast(io.RawIOBase, io.BytesIO(found.content)))  # for reading only

    def locate(self, bucket: Bucket, blob: str) -> NginxPath | None:
        return None

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        contents = self._contents(bucket)
        if contents is not None:
            contents.blobs.pop(blob, None)

    def has_files(self, bucket: Bucket) -> bool:
        contents = self._contents(bucket)
        return contents is not None and bool(contents.sidecars)

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        contents = self._contents(bucket)
        for key in [] if contents is None else list(contents.sidecars):
            file = self.read(bucket, key)
            if file is not None:
                yield file

    def file_count(self, bucket: Bucket) -> int:
        return sum(1 for _ in self.files(bucket))

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        contents = self._contents(bucket)
        for name, blob in [] if contents is None else list(contents.blobs.items()):
            file = self.read(bucket, blob.key)
            if contents is not None and file is not None and name != file.blob and file.blob in contents.blobs:
                yield blob.key, name

    # Buckets

    def blobs(self, bucket: Bucket) -> Iterator[str]:
        contents = self._contents(bucket)
        yield from [] if contents is None else list(contents.blobs)

    def blob_size(self, bucket: Bucket, blob: str) -> int | None:
        contents = self._contents(bucket)
        held = None if contents is None else contents.blobs.get(blob)
        return None if held is None else len(held.content)

    def is_named(self, bucket: Bucket, blob: str) -> bool:
        return any(isinstance(file, File) and file.blob == blob for file in self.files(bucket))

    def set_aside(self, bucket: Bucket, blob: str) -> None:
        contents = self._contents(bucket)
        if contents is not None and blob in contents.blobs:
            self.aside[blob] = contents.blobs.pop(blob).content

    def create_bucket(self, bucket: Bucket) -> None:
        made = _Contents(deepcopy(bucket))
        if self._buckets.setdefault(bucket.name, made) is not made:
            raise BucketExists(f"There is a bucket {bucket.name} already.")

    def replace_bucket(self, bucket: Bucket) -> None:
        contents = self._contents(bucket)
        if contents is None:
            raise BucketNotFound(bucket.name)
        contents.record = deepcopy(bucket)

    def remove_bucket(self, bucket: Bucket) -> None:
        contents = self._contents(bucket)
        if contents is not None:
            self._removed[bucket.uid] = contents
            self._buckets.pop(bucket.name, None)

    def sync_bucket(self, bucket: Bucket) -> None:
        """As `sync`."""

    def purge_bucket(self, uid: str) -> Iterator[None]:
        self._removed.pop(uid, None)
        yield

    def removed_buckets(self) -> Iterator[str]:
        yield from list(self._removed)

    def read_bucket(self, name: str) -> Bucket | None:
        contents = self._buckets.get(name)
        return None if contents is None else deepcopy(contents.record)

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        for name in list(self._buckets):
            bucket = self.read_bucket(name)
            if bucket is not None:
                yield bucket

    def linked_buckets(self) -> Iterator[str]:
        yield from ()

    def foreign(self) -> Iterator[str]:
        yield from ()

    def free_bytes(self) -> int | None:
        return None

    def probe(self) -> None:
        """Memory can always be written."""

    def tidy(self) -> None:
        """And what was discarded is gone."""

    def is_fenced(self) -> bool:
        return False

    def _contents(self, bucket: Bucket) -> _Contents | None:
        """What `bucket` holds; None when it is gone, also where another took its name."""
        contents = self._buckets.get(bucket.name)
        return contents if contents is not None and contents.record.uid == bucket.uid else None
