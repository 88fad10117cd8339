"""The directories of buckets: how they are created, replaced, removed and listed."""

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from ...domain.buckets import Bucket
from ...domain.text import quoted
from ...errors import BucketExists, BucketNotFound, DamagedFile, Unavailable
from ...host.files import remove_tree, scan, sync_directory, translated, write_new
from ..base import DamagedRecord
from ..records import UnreadableRecord
from ..sidecars import dump_bucket
from . import walk
from .staging import Staging
from .walk import BUCKET_RECORD, SYSTEM, read_record

# Entries of each cache of a store. A full one is cleared.
MAX_CACHED = 100_000


class BucketDirectories:
    """The buckets in `root`. `process` names the staging directory. If `durable` is False, nothing is synced."""

    def __init__(self, root: Path, *, process: str, durable: bool) -> None:
        self.root = root
        self.durable = durable
        self._trash = root / SYSTEM / "trash"
        self._checked_records: dict[str, tuple[int, int]] = {}
        try:
            self._staging = Staging(root / SYSTEM / "staging" / process, durable=durable)
            self._trash.mkdir(exist_ok=True)
        except OSError as error:
            raise translated(error) from error

    def create_bucket(self, bucket: Bucket) -> None:
        staged = self._staging.new_path()
        try:
            with self._staging.discarded_on_failure(staged):
                os.mkdir(staged)
                write_new(f"{staged}/{BUCKET_RECORD}", dump_bucket(bucket), durable=self.durable)
                self._sync_directory(staged)
                try:
                    os.rename(staged, self.root / bucket.name)
                except OSError as error:
                    if error.errno in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                        raise BucketExists(
                            f"Something called {quoted(bucket.name)} is in the storage directory already; choose "
                            "another name or ask the operator to move it away."
                        ) from error
                    raise
        except OSError as error:
            raise translated(error) from error

    def replace_bucket(self, bucket: Bucket) -> None:
        staged = self._staging.new_path()
        self._staging.write(staged, dump_bucket(bucket))
        try:
            with self._staging.discarded_on_failure(staged):
                self._check_exists(bucket)
                os.rename(staged, self.root / bucket.name / BUCKET_RECORD)
        except OSError as error:
            raise translated(error) from error

    def remove_bucket(self, bucket: Bucket) -> None:
        try:
            with suppress(BucketNotFound):
                self._check_exists(bucket)
                self._trash.mkdir(exist_ok=True)  # operators empty the trash, and may remove its directory
                remove_tree(self._trash / bucket.uid)  # a copy with the same uid may have been deleted before
                os.rename(self.root / bucket.name, self._trash / bucket.uid)
        except OSError as error:
            raise translated(error) from error

    def sync_bucket(self, bucket: Bucket) -> None:
        try:
            with suppress(FileNotFoundError):
                self._sync_directory(self.root / bucket.name)
            self._sync_directory(self.root)
            self._sync_directory(self._trash)
        except OSError as error:
            raise translated(error) from error

    def purge_bucket(self, uid: str) -> Iterator[None]:
        directory = self._trash / uid
        try:
            for subdirectory in list(walk.subdirectories(directory)):
                remove_tree(subdirectory)
                yield
            remove_tree(directory)
        except OSError as error:
            raise translated(error) from error

    def removed_buckets(self) -> Iterator[str]:
        for entry in scan(self._trash):
            yield entry.name

    def read_bucket(self, name: str) -> Bucket | None:
        try:
            return read_record(self.root, name)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except UnreadableRecord as error:
            raise DamagedFile(f"The record of bucket {quoted(name)} cannot be read; ask the operator.") from error
        except OSError as error:
            raise Unavailable(f"The record of bucket {quoted(name)} cannot be read right now; try again.") from error

    def buckets(self) -> Iterator[Bucket | DamagedRecord]:
        return walk.buckets(self.root)

    def linked_buckets(self) -> Iterator[str]:
        return walk.linked_buckets(self.root)

    def foreign(self) -> Iterator[str]:
        return walk.foreign(self.root)

    def _check_exists(self, bucket: Bucket) -> None:
        """Raise `BucketNotFound` unless the directory belongs to `bucket`, whose row may be out of date."""
        try:
            found = os.stat(f"{self.root}/{bucket.name}/{BUCKET_RECORD}")
            identity = found.st_ino, found.st_ctime_ns
            if self._checked_records.get(bucket.uid) == identity:
                return
            if read_record(self.root, bucket.name).uid != bucket.uid:
                raise BucketNotFound(bucket.name)
        except FileNotFoundError as error:
            raise BucketNotFound(bucket.name) from error
        except UnreadableRecord as error:
            raise DamagedFile(
                f"The record of bucket {quoted(bucket.name)} cannot be read; ask the operator."
            ) from error
        if len(self._checked_records) >= MAX_CACHED:
            self._checked_records.clear()
        self._checked_records[bucket.uid] = identity

    def _sync_directory(self, directory: Path | str) -> None:
        if self.durable:
            sync_directory(directory)
