"""Stores to measure, made through the service's own layers: everything in them follows from a number."""

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from storage_app.blobstore import BlobStore, new_blob_name
from storage_app.domain.buckets import Bucket
from storage_app.domain.files import File
from storage_app.domain.principals import Principal, PrincipalKind
from storage_app.maintenance import recover as maintenance
from storage_app.node import Services, Storage
from storage_app.settings import Settings, load_settings

from ..service import OWNER as OWNER_SUB
from ..service import SECRET_KEY

BUCKET = "measured"
OWNER = Principal(PrincipalKind.USER, OWNER_SUB)

_BODY_BYTES = 16
_BATCH = 1000
_FIRST_MOMENT = datetime(2026, 1, 1, tzinfo=UTC)
_BETWEEN_FILES = timedelta(milliseconds=1)
# A prime, so that the order of keys visits every file once and has nothing to do with the order of creation.
_STRIDE = 2**31 - 1

# Called with the number of files made so far, and how many a second.
Progress = Callable[[int, float], None]


@dataclass(frozen=True, slots=True)
class MeasuredStore:
    """A store with one bucket of `count` files. With `rows_alone`, the index knows them, and the disk has none."""

    path: Path
    count: int
    rows_alone: bool = False

    @property
    def environment(self) -> Mapping[str, str]:
        return {
            "SECRET_KEY": SECRET_KEY,
            "STORAGE_PATH": str(self.path),
            "MIN_FREE_BYTES": "0",
            # A sync costs the same in every bucket, and would hide what differs.
            "DURABILITY": "none",
            "LOG_LEVEL": "WARNING",
        }

    @property
    def settings(self) -> Settings:
        return load_settings(self.environment)

    def key(self, place: int) -> str:
        """Return the key at `place` of the list by key, counted from 0."""
        return f"{place:09d}.txt"

    def key_created(self, number: int) -> str:
        """Return the key of the file that was created after `number` others."""
        return self.key(number * _STRIDE % self.count)

    def created_at(self, number: int) -> datetime:
        return _FIRST_MOMENT + number * _BETWEEN_FILES

    def make(self, progress: Progress) -> None:
        """Make the store; one that was made before is taken as it is. Raises `ValueError` when it is another one."""
        with self.opened() as services:
            if not self._is_made(services):
                self._fill(services, progress)

    @contextmanager
    def opened(self) -> Iterator[Services]:
        """Hold the store in this process, from its recovery to the mark of a clean stop."""
        maintenance.recover(self.path, durable=False)
        storage = Storage(self.settings)
        try:
            yield storage.services
        finally:
            storage.stop()
        maintenance.mark_clean_stop(self.path)

    def _is_made(self, services: Services) -> bool:
        found = services.index.bucket(BUCKET)
        if found is None:
            return False
        if found[1].file_count != self.count:
            raise ValueError(
                f"{self.path} holds {found[1].file_count:,} files, not {self.count:,}: name another folder."
            )
        return True

    def _fill(self, services: Services, progress: Progress) -> None:
        bucket, _ = services.buckets.create(OWNER, BUCKET, {})
        began = time.perf_counter()
        for first in range(0, self.count, _BATCH):
            numbers = range(first, min(first + _BATCH, self.count))
            files = [self._made(services.store, bucket, number) for number in numbers]
            with services.index.write() as transaction:
                transaction.add_files(bucket.uid, files)
            progress(numbers.stop, numbers.stop / (time.perf_counter() - began))

    def _made(self, blobs: BlobStore, bucket: Bucket, number: int) -> File:
        file, body = self._file(bucket, number)
        if self.rows_alone:
            return file
        with blobs.stage(bucket) as staged:
            staged.write(body)
            with blobs.stage_sidecar(bucket, file, staged) as sidecar:
                blobs.place(bucket, sidecar, staged)
        return file

    def _file(self, bucket: Bucket, number: int) -> tuple[File, bytes]:
        key, created_at = self.key_created(number), self.created_at(number)
        body = f"{number:0{_BODY_BYTES}d}".encode()
        file = File(
            bucket_uid=bucket.uid,
            key=key,
            blob=new_blob_name(key),
            filename=key,
            content_type="text/plain",
            size=len(body),
            sha256=hashlib.sha256(body).hexdigest(),
            owner_id=OWNER.sub or "",
            metadata={},
            cache_control=None,
            created_at=created_at,
            updated_at=created_at,
        )
        return file, body
