"""Write-ahead intents and pending deletions: the nouns of the journal."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial


class IntentKind(StrEnum):
    """The change that a process intends: to write a file, to delete one, or to change a bucket."""

    WRITE = "write"
    DELETE = "delete"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that `process` is about to make to a key, or to a bucket, whose name is then in `key`.

    `key` is None until it is known. `blob` names the bytes that arrive or leave, and is None if there are none. The
    intent reserves `size` bytes of the bucket's quota.
    """

    process: str
    kind: IntentKind
    bucket_uid: str
    key: str | None
    blob: str | None = None
    size: int = 0
    id: str = field(default_factory=partial(secrets.token_hex, 12))


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """A scheduled deletion: of a blob of `key` or, if `key` is None, of the remains of a bucket."""

    id: int
    bucket_uid: str
    key: str | None
    blob: str | None
