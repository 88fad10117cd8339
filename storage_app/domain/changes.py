"""Changes: what has happened to a file or a bucket, as it is announced."""

from dataclasses import dataclass
from enum import StrEnum


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
    """A change of `key` in the bucket called `bucket`, or of that bucket itself, which has no `key`.

    `source` is the name of the bucket and the key from where a file was moved.
    """

    kind: ChangeKind
    bucket: str
    key: str | None = None
    source: tuple[str, str] | None = None
