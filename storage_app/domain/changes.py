"""Changes: what has happened to a file or a bucket, as it is announced."""

import hashlib
import json
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from .buckets import Bucket, Totals
from .files import File
from .times import following, now

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class ChangeKind(StrEnum):
    FILE_CREATED = "file.created"
    FILE_REPLACED = "file.replaced"
    FILE_UPDATED = "file.updated"
    FILE_DELETED = "file.deleted"
    FILE_MOVED = "file.moved"
    BUCKET_CREATED = "bucket.created"
    BUCKET_UPDATED = "bucket.updated"
    BUCKET_DELETED = "bucket.deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """A change at `at` of `file` in `bucket`, or of that bucket itself if `file` is None.

    They are as the change left them, or as they were if it took them away. `source` is the name of the bucket and the
    key from where a file was moved. `notify` is what the signer of an upload's URL wants to be told with it. A bucket
    has `totals`.
    """

    kind: ChangeKind
    bucket: Bucket
    at: datetime
    file: File | None = None
    source: tuple[str, str] | None = None
    notify: str | None = None
    totals: Totals | None = None

    @property
    def key(self) -> str | None:
        """The key of the file. None for a change of the bucket."""
        return None if self.file is None else self.file.key

    @property
    def sequence(self) -> int:
        """The time of the change in microseconds since the epoch. It grows with each change of a key or bucket."""
        return (self.at - _EPOCH) // timedelta(microseconds=1)

    @property
    def id(self) -> str:
        """An id that follows from the change, so that the same change has the same id wherever it is found."""
        generation = None if self.file is None else self.file.blob
        named = [self.bucket.uid, self.key, generation, self.sequence, self.kind]
        return f"evt_{hashlib.sha256(json.dumps(named).encode()).hexdigest()[:32]}"


def kind_of(before: File | None, file: File) -> ChangeKind:
    """Return what has happened to a key whose file was `before` and is `file` now."""
    if before is None:
        return ChangeKind.FILE_CREATED
    return ChangeKind.FILE_UPDATED if before.blob == file.blob else ChangeKind.FILE_REPLACED


def deletion(bucket: Bucket, file: File) -> Change:
    """Return the change that takes `file` away now."""
    return Change(ChangeKind.FILE_DELETED, bucket, following(now(), file.updated_at), file)
