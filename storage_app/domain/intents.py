"""Write-ahead intents and pending deletions: the nouns of the journal."""

import secrets
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial


class IntentKind(StrEnum):
    """The change that a process intends: to write a file, to delete or move one, or to change a bucket."""

    WRITE = "write"
    DELETE = "delete"
    MOVE = "move"
    BUCKET = "bucket"


@dataclass(frozen=True, slots=True)
class Intent:
    """A change that `process` is about to make to a key, or to a bucket, whose name is then in `key`.

    `key` is None until it is known. `blob` names the bytes that arrive or leave, and is None if there are none. The
    intent reserves `size` bytes of the bucket's quota. A move is an intent on its destination, and names the file that
    it moves besides, by the fields that begin with `source`. For every other kind they are None. `notify` is told with
    the change that an upload makes.
    """

    process: str
    kind: IntentKind
    bucket_uid: str
    key: str | None
    blob: str | None = None
    size: int = 0
    source_uid: str | None = None
    source_key: str | None = None
    source_blob: str | None = None
    notify: str | None = None
    id: str = field(default_factory=partial(secrets.token_hex, 12))

    @property
    def places(self) -> set[tuple[str, str | None]]:
        """The keys that it is about, each with the uid of its bucket."""
        on_source = set() if self.source_uid is None else {(self.source_uid, self.source_key)}
        return {(self.bucket_uid, self.key), *on_source}

    def takes_away(self, bucket_uid: str, key: str) -> bool:
        """Return whether the change removes the file of `key`, and so explains that its sidecar is missing."""
        if self.kind is IntentKind.MOVE:
            return (self.source_uid, self.source_key) == (bucket_uid, key)
        return self.kind is IntentKind.DELETE and (self.bucket_uid, self.key) == (bucket_uid, key)


@dataclass(frozen=True, slots=True)
class PendingDeletion:
    """A scheduled deletion: of a blob of `key` or, if `key` is None, of the remains of a bucket."""

    id: int
    bucket_uid: str
    key: str | None
    blob: str | None
