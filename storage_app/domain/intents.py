"""Intents, which say what a process is about to do, and pending deletions."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum


class IntentKind(StrEnum):
    WRITE = "write"
    DELETE = "delete"
    BUCKET = "bucket"


def _new_id() -> str:
    return secrets.token_hex(12)


@dataclass(frozen=True, slots=True)
class Intent:
    """What a process is about to do to a key, or to a bucket (whose name is then the `key`).

    `blob` is the name of the bytes on their way in or out, None where there are none. `key` is None while it is not
    known yet. `size` bytes are reserved of the bucket's quota.
    """

    process: str
    kind: IntentKind
    bucket_uid: str
    key: str | None
    blob: str | None = None
    size: int = 0
    id: str = field(default_factory=_new_id)


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """Something to remove when its time has come: a blob of `key`, or, without a key, what is left of a bucket."""

    id: int
    bucket_uid: str
    key: str | None
    blob: str | None
