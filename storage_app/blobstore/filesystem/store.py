"""Buckets as directories of plain files.

    STORAGE_PATH/
      photos/                                           a bucket
        .bucket.json                                    its record
        7e/                                             the first two digits of the key's hash
          7e93….json                                    a sidecar: <hash of the key>.json
          7e93…-0198c3f2a7b84c1e2d3f-cat.jpg            its bytes: <hash>-<generation>-<slug>
      .system/
        staging/<process>/                              blobs and sidecars before they are placed
        trash/<uid>/                                    buckets that were deleted

All of it is one filesystem, so that a rename can place a staged file. Renames in a directory must reach the disk in
order, as they do on ext4, XFS, btrfs and ZFS. The only text of users in a path is the slug, which is reduced to
`[a-z0-9._-]`, and the bucket's name, which allows no other characters.
"""

import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

from ...domain.buckets import Bucket
from ...domain.files import File
from ...domain.text import quoted
from ...errors import BucketNotFound, DamagedFile, Unavailable
from ...host.files import ReadOnlyFile, read_whole, translated
from ...host.parts import Part, part_of
from ..base import DamagedRecord, NginxPath, StagedBlob, StagedSidecar
from ..names import key_hash, key_hash_of
from ..records import UnreadableRecord
from ..sidecars import load_file
from . import walk
from .buckets import MAX_CACHED, BucketDirectories
from .staging import BlobFile, CannotShareError, SharedBlobFile, SidecarFile
from .walk import SYSTEM


class FilesystemStore(BucketDirectories):
    """An `Inventory` at `root`: the directories of buckets, and the sidecars and blobs of files in them."""

    def __init__(self, root: Path, *, process: str, durable: bool = True) -> None:
        super().__init__(root, process=process, durable=durable)
        self._synced_subdirectories: set[tuple[str, str]] = set()

    # Writes

    def stage(self, bucket: Bucket) -> BlobFile:
        return BlobFile(self._staging)

    def adopt(self, bucket: Bucket, source: BinaryIO) -> BlobFile:
        return BlobFile(self._staging, source.name)

    def share(self, bucket: Bucket, source: Bucket, blob: str) -> BlobFile | None:
        try:
            return SharedBlobFile(self._staging, self._blob_path(source, blob))
        except CannotShareError:
            return None

    @part_of(Part.STORE)
    def stage_sidecar(self, bucket: Bucket, file: File, blob: StagedBlob | None = None) -> SidecarFile:
        # Not in `place`: a new subdirectory is synced, which should not happen under a lock.
        try:
            self._make_subdirectory(bucket, key_hash(file.key))
        except OSError as error:
            raise translated(error) from error
        return SidecarFile(self._staging, file, cast(BlobFile | None, blob))

    @part_of(Part.STORE)
    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        staged = cast(SidecarFile, sidecar)
        hashed = key_hash(staged.file.key)
        try:
            self._check_exists(bucket)
            try:
                path = self._sidecar_path(bucket, hashed)
                if blob is not None:
                    cast(BlobFile, blob).move_to(self._blob_path(bucket, staged.file.blob))
                # The commit: one rename, which replaces the old sidecar if there is one.
                staged.move_to(path)
            except FileNotFoundError:
                self._synced_subdirectories.discard((bucket.uid, hashed[:2]))  # an operator may have removed it
                raise
        except OSError as error:
            raise translated(error) from error

    @part_of(Part.STORE)
    def remove(self, bucket: Bucket, key: str) -> None:
        # Renamed into staging, not unlinked in place: the late delete of a process that was declared dead then fails,
        # because its staging directory is missing.
        path = self._staging.new_path()
        try:
            self._check_exists(bucket)
            try:
                os.rename(self._sidecar_path(bucket, key_hash(key)), path)
            except FileNotFoundError:
                if self.is_fenced():
                    raise
        except OSError as error:
            raise translated(error) from error
        self._staging.discard_later(path)

    @part_of(Part.STORE)
    def sync(self, bucket: Bucket, *keys: str) -> None:
        try:
            for subdirectory in {self._subdirectory(bucket, key_hash(key)) for key in keys}:
                with suppress(FileNotFoundError):  # the bucket may be in the trash by now
                    self._sync_directory(subdirectory)
        except OSError as error:
            raise translated(error) from error

    # Reads

    @part_of(Part.STORE)
    def read(self, bucket: Bucket, key: str) -> File | None:
        try:
            file = self._load_sidecar(self._sidecar_path(bucket, key_hash(key)))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("The record of the file cannot be read right now; try again.") from error
        if file.bucket_uid != bucket.uid:
            return None
        if file.key != key:
            raise DamagedFile(f"The record of file {quoted(key)} belongs to another file; ask the operator to look.")
        return file

    @part_of(Part.STORE)
    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        # Unbuffered, because callers read large pieces, or pass the whole file to the kernel.
        try:
            return cast(BinaryIO, ReadOnlyFile(self._blob_path(bucket, blob)))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise Unavailable(
                "The bytes of the file cannot be read right now; try again or ask the operator."
            ) from error

    def locate(self, bucket: Bucket, blob: str) -> NginxPath:
        return NginxPath(f"{bucket.name}/{blob[:2]}/{blob}")

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        try:
            with suppress(FileNotFoundError):
                os.unlink(self._blob_path(bucket, blob))
        except OSError as error:
            raise translated(error) from error

    def has_files(self, bucket: Bucket) -> bool:
        return next(self.files(bucket), None) is not None

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        return walk.files(self.root, bucket)

    def file_count(self, bucket: Bucket) -> int:
        return sum(1 for _ in walk.sidecars(self.root / bucket.name))

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        return walk.replaced_blobs(self.root, bucket)

    def blobs(self, bucket: Bucket) -> Iterator[str]:
        return walk.blobs(self.root / bucket.name)

    def blob_size(self, bucket: Bucket, blob: str) -> int | None:
        try:
            return os.stat(self._blob_path(bucket, blob)).st_size
        except FileNotFoundError:
            return None
        except OSError as error:
            raise Unavailable("The bytes of the file cannot be looked at right now; try again.") from error

    def is_named(self, bucket: Bucket, blob: str) -> bool:
        hashed = key_hash_of(blob)
        try:
            file = load_file(read_whole(self._sidecar_path(bucket, hashed)))
        except FileNotFoundError:
            return False
        except (UnreadableRecord, OSError):
            return True
        return file.bucket_uid == bucket.uid and file.blob == blob

    def set_aside(self, bucket: Bucket, blob: str) -> None:
        directory = self.root / SYSTEM / "lost+found" / bucket.name
        try:
            directory.mkdir(parents=True, exist_ok=True)
            with suppress(FileNotFoundError):
                os.rename(self._blob_path(bucket, blob), directory / blob)
        except OSError as error:
            raise translated(error) from error

    # The disk

    def free_bytes(self) -> int | None:
        try:
            disk = os.statvfs(self.root)
            return disk.f_bavail * disk.f_frsize
        except OSError as error:
            raise translated(error) from error

    def probe(self) -> None:
        path = self._staging.new_path()
        self._staging.write(path, b"probe\n")
        self._staging.discard(path)

    def is_fenced(self) -> bool:
        try:
            os.stat(self._staging.directory)
        except FileNotFoundError:
            return True
        except OSError:  # unknown, so assume that it is not
            return False
        return False

    def tidy(self) -> None:
        self._staging.tidy()

    # Strings, because every request needs some. To make a `Path` takes as long as a `stat` of it.

    def _subdirectory(self, bucket: Bucket, hashed: str) -> str:
        return f"{self.root}/{bucket.name}/{hashed[:2]}"

    def _sidecar_path(self, bucket: Bucket, hashed: str) -> str:
        return f"{self._subdirectory(bucket, hashed)}/{hashed}.json"

    def _blob_path(self, bucket: Bucket, blob: str) -> str:
        return f"{self._subdirectory(bucket, blob)}/{blob}"

    def _make_subdirectory(self, bucket: Bucket, hashed: str) -> None:
        """Make the subdirectory and sync its name, if it is new. Raises `BucketNotFound` if the bucket is missing."""
        known = (bucket.uid, hashed[:2])
        if known in self._synced_subdirectories:
            return
        try:
            with suppress(FileExistsError):
                os.mkdir(self._subdirectory(bucket, hashed))
        except FileNotFoundError as error:
            raise BucketNotFound(bucket.name) from error
        self._sync_directory(self.root / bucket.name)
        if len(self._synced_subdirectories) >= MAX_CACHED:
            self._synced_subdirectories.clear()
        self._synced_subdirectories.add(known)

    def _load_sidecar(self, path: str) -> File:
        try:
            return load_file(read_whole(path))
        except UnreadableRecord as error:
            name = os.path.basename(path)
            raise DamagedFile(f"The sidecar {name} cannot be read; ask the operator to look.") from error
