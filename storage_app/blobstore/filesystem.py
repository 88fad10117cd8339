"""Buckets as directories of plain files.

    STORAGE_PATH/
      photos/                                           a bucket
        .bucket.json                                    its record
        7e/                                             the first two digits of the key's hash
          7e93….json                                    a sidecar: <hash of the key>.json
          7e93…-0198c3f2a7b84c1e2d3f-cat.jpg            its bytes: <hash>-<generation>-<slug>
      .system/
        staging/<process>/                              bytes and records on their way in
        trash/<uid>/                                    buckets that were deleted

All of it is one filesystem, so that a rename places what was staged. Renames in a directory must reach the disk in
order (ext4, XFS, btrfs and ZFS do so). No text of a user reaches a path but the slug, which is reduced to
`[a-z0-9._-]`, and the bucket's name, which is no wider.
"""

import errno
import os
import secrets
import shutil
from collections.abc import Iterator
from contextlib import suppress
from itertools import groupby
from pathlib import Path
from typing import BinaryIO, cast

from ..domain import Bucket, File, quoted
from ..errors import BucketExists, BucketNotFound, DamagedFile
from .base import DamagedRecord, StagedBlob, StagedSidecar
from .disk import removed_on_failure, scan, sync_directory, translated, write_new
from .names import BLOB_NAME, key_hash, key_hash_of
from .records import UnreadableRecord, dump_bucket, load_bucket, load_file
from .staging import StagedBytes, StagedRecord

BUCKET_RECORD = ".bucket.json"
SYSTEM = ".system"


class FilesystemStore:
    """A `BlobStore` at `root`. `process` names the staging directory; with `durable` False nothing is synced."""

    def __init__(self, root: Path, *, process: str, durable: bool = True) -> None:
        self.root = root
        self.durable = durable
        self._staging = root / SYSTEM / "staging" / process
        self._trash = root / SYSTEM / "trash"
        self._synced_subdirectories: set[tuple[str, str]] = set()
        with translated():
            self._staging.mkdir(parents=True, exist_ok=True)
            self._trash.mkdir(exist_ok=True)

    # Writes

    def stage(self, bucket: Bucket) -> StagedBytes:
        return StagedBytes(self._new_staging_path(), durable=self.durable)

    def stage_sidecar(self, bucket: Bucket, file: File) -> StagedRecord:
        return StagedRecord(self._new_staging_path(), file, durable=self.durable)

    def place(self, bucket: Bucket, sidecar: StagedSidecar, blob: StagedBlob | None) -> None:
        record = cast(StagedRecord, sidecar)
        directory = self._subdirectory(bucket, key_hash(record.file.key))
        with translated():
            self._make_subdirectory(bucket, directory)
            if blob is not None:
                os.rename(cast(StagedBytes, blob).path, directory / record.file.blob)
            # The commit: one rename, over the old sidecar where there is one.
            os.rename(record.path, directory / f"{key_hash(record.file.key)}.json")

    def remove(self, bucket: Bucket, key: str) -> None:
        # By way of staging, not unlinked in place: a process taken for gone has lost its staging directory, and so
        # its late delete fails.
        path = self._new_staging_path()
        with translated():
            try:
                os.rename(self._sidecar_path(bucket, key), path)
            except FileNotFoundError:
                if not self._staging.is_dir():
                    raise
                return
            path.unlink(missing_ok=True)

    def settle(self, bucket: Bucket, key: str) -> None:
        with translated(), suppress(FileNotFoundError):  # the bucket may be in the trash by now
            self._sync_directory(self._subdirectory(bucket, key_hash(key)))

    # Reads

    def read(self, bucket: Bucket, key: str) -> File | None:
        path = self._sidecar_path(bucket, key)
        try:
            file = self._load_sidecar(path)
        except FileNotFoundError:
            return None
        if file.bucket_uid != bucket.uid:
            return None
        if file.key != key:
            raise DamagedFile(f"The record of file {quoted(key)} belongs to another file; ask the operator to look.")
        return file

    def open(self, bucket: Bucket, blob: str) -> BinaryIO:
        # Unbuffered: what reads it asks for large pieces or hands it to the kernel whole.
        try:
            return cast(BinaryIO, open(self._blob_path(bucket, blob), "rb", buffering=0))
        except FileNotFoundError:
            raise
        except OSError as error:
            raise DamagedFile("The bytes of the file cannot be read; ask the operator to look.") from error

    def locate(self, bucket: Bucket, blob: str) -> str | None:
        return f"{bucket.name}/{blob[:2]}/{blob}"

    def delete_blob(self, bucket: Bucket, blob: str) -> None:
        with translated():
            self._blob_path(bucket, blob).unlink(missing_ok=True)

    def files(self, bucket: Bucket) -> Iterator[File | DamagedRecord]:
        for subdirectory in self._subdirectories(bucket):
            for entry in scan(subdirectory):
                if entry.name.endswith(".json") and "-" not in entry.name:
                    yield from self._file_at(bucket, Path(entry.path))

    def replaced_blobs(self, bucket: Bucket) -> Iterator[tuple[str, str]]:
        for subdirectory in self._subdirectories(bucket):
            names = sorted(entry.name for entry in scan(subdirectory) if BLOB_NAME.fullmatch(entry.name))
            for hashed, versions in groupby(names, key=key_hash_of):
                yield from self._replaced(bucket, hashed, list(versions))

    # Buckets

    def create_bucket(self, bucket: Bucket) -> None:
        staged = self._new_staging_path()
        with translated(), removed_on_failure(staged):
            staged.mkdir()
            write_new(staged / BUCKET_RECORD, dump_bucket(bucket), durable=self.durable)
            self._sync_directory(staged)
            try:
                os.rename(staged, self.root / bucket.name)
            except OSError as error:
                if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                    raise BucketExists(
                        f"Something called {quoted(bucket.name)} is in the storage directory already; choose another "
                        "name or ask the operator to move it away."
                    ) from error
                raise

    def replace_bucket(self, bucket: Bucket) -> None:
        staged = self._new_staging_path()
        write_new(staged, dump_bucket(bucket), durable=self.durable)
        with translated(), removed_on_failure(staged):
            os.rename(staged, self.root / bucket.name / BUCKET_RECORD)

    def remove_bucket(self, bucket: Bucket) -> None:
        with translated(), suppress(FileNotFoundError):
            os.rename(self.root / bucket.name, self._trash / bucket.uid)

    def settle_bucket(self, bucket: Bucket) -> None:
        with translated():
            with suppress(FileNotFoundError):
                self._sync_directory(self.root / bucket.name)
            self._sync_directory(self.root)
            self._sync_directory(self._trash)

    def purge_bucket(self, uid: str) -> None:
        with translated(), suppress(FileNotFoundError):  # another worker may be at it, too
            shutil.rmtree(self._trash / uid)

    def removed_buckets(self) -> Iterator[str]:
        for entry in scan(self._trash):
            yield entry.name

    def read_bucket(self, name: str) -> Bucket | None:
        try:
            return self._load_bucket(name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (UnreadableRecord, OSError) as error:
            raise DamagedFile(f"The record of bucket {quoted(name)} cannot be read; ask the operator.") from error

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        for entry in scan(self.root):
            if entry.name == SYSTEM or not entry.is_dir(follow_symlinks=False):
                continue
            try:
                yield self._load_bucket(entry.name)
            except FileNotFoundError:
                continue
            except (UnreadableRecord, OSError) as error:
                yield DamagedRecord(f"{entry.name}/{BUCKET_RECORD}: {error}")

    # The disk

    def free_bytes(self) -> int | None:
        with translated():
            disk = os.statvfs(self.root)
            return disk.f_bavail * disk.f_frsize

    def probe(self) -> None:
        path = self._new_staging_path()
        write_new(path, b"probe\n", durable=self.durable)
        path.unlink(missing_ok=True)

    def _new_staging_path(self) -> Path:
        return self._staging / secrets.token_hex(8)

    def _subdirectories(self, bucket: Bucket) -> Iterator[str]:
        for entry in scan(self.root / bucket.name):
            if entry.is_dir(follow_symlinks=False) and len(entry.name) == 2:
                yield entry.path

    def _subdirectory(self, bucket: Bucket, hashed: str) -> Path:
        return self.root / bucket.name / hashed[:2]

    def _sidecar_path(self, bucket: Bucket, key: str) -> Path:
        hashed = key_hash(key)
        return self._subdirectory(bucket, hashed) / f"{hashed}.json"

    def _blob_path(self, bucket: Bucket, blob: str) -> Path:
        return self._subdirectory(bucket, blob) / blob

    def _make_subdirectory(self, bucket: Bucket, directory: Path) -> None:
        """Make it where it is missing, and durable before anything in it is; never makes the bucket's own."""
        known = (bucket.uid, directory.name)
        if known in self._synced_subdirectories:
            return
        try:
            directory.mkdir(exist_ok=True)
        except FileNotFoundError as error:
            raise BucketNotFound(bucket.name) from error
        self._sync_directory(directory.parent)
        self._synced_subdirectories.add(known)

    def _sync_directory(self, directory: Path) -> None:
        if self.durable:
            sync_directory(directory)

    def _load_sidecar(self, path: Path) -> File:
        try:
            return load_file(path.read_bytes())
        except FileNotFoundError:
            raise
        except (UnreadableRecord, OSError) as error:
            raise DamagedFile(f"The sidecar {path.name} cannot be read; ask the operator to look.") from error

    def _load_bucket(self, name: str) -> Bucket:
        bucket = load_bucket((self.root / name / BUCKET_RECORD).read_bytes())
        if bucket.name != name:
            raise UnreadableRecord(f"it is the record of {bucket.name!r}")
        return bucket

    def _replaced(self, bucket: Bucket, hashed: str, versions: list[str]) -> Iterator[tuple[str, str]]:
        if len(versions) < 2:
            return
        for file in self._file_at(bucket, self._subdirectory(bucket, hashed) / f"{hashed}.json"):
            if isinstance(file, File) and file.blob in versions:
                yield from ((file.key, version) for version in versions if version != file.blob)

    def _file_at(self, bucket: Bucket, path: Path) -> Iterator[File | DamagedRecord]:
        try:
            file = self._load_sidecar(path)
        except FileNotFoundError:  # deleted since it was listed
            return
        except DamagedFile as error:
            yield DamagedRecord(f"{path.relative_to(self.root)}: {error.__cause__}")
            return
        if path.stem != key_hash(file.key) or path.parent.name != path.stem[:2]:
            yield DamagedRecord(f"{path.relative_to(self.root)}: it is the record of {quoted(file.key)}")
        elif file.bucket_uid == bucket.uid:
            yield file
