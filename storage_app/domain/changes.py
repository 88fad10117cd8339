"""Changes: what has happened to a file or a bucket, as it is announced."""

from dataclasses import dataclass
from enum import StrEnum


class ChangeKind(StrEnum):
    FILE_CREATED = "file.created"
    FILE_REPLACED = "file.replaced"
    FILE_UPDATED = "file.updated"
    FILE_DELETED = "file.deleted"
    BUCKET_CREATED = "bucket.created"
    BUCKET_UPDATED = "bucket.updated"
    BUCKET_DELETED = "bucket.deleted"


@dataclass(frozen=True, slots=True)
class Change:
    """A change of `key` in the bucket called `bucket`, or of that bucket itself, which has no `key`."""

    kind: ChangeKind
    bucket: str
    key: str | None = None
