"""Resumable uploads (tus 1.0.0): an upload that comes in pieces, and the space that it reserves."""

import hashlib
from dataclasses import dataclass
from datetime import datetime

from .principals import Principal, UploadRight
from .uploads import UploadRequest

MAX_UPLOAD_METADATA_BYTES = 16 * 1024
MAX_PARTS = 1000


@dataclass(frozen=True, slots=True)
class Resumable:
    """A resumable upload: what was said at its creation, and what is recorded of its bytes since.

    A whole upload becomes the file of its key. A part (tus: a partial upload) has no key, and is concatenated into a
    final upload. `length` is in bytes, None while it is deferred. `principal` is None for an upload by a signed URL,
    whose `right` is its own; that of others is judged again at the end. `upload_metadata` and `upload_concat` are the
    headers of the creation.

    `synced` is how many bytes survive a power cut, and `boot_id` tells for how long those beyond it are there.
    While the bytes of a checksum arrive, `checked_from` is where they begin. `cuts` counts how often bytes were cut
    off again. `blob` is the name under which its bytes were to be placed last: from then on they never change.
    """

    id: str
    bucket_uid: str
    request: UploadRequest
    principal: Principal | None
    right: UploadRight
    length: int | None
    created_at: datetime
    expires_at: datetime
    upload_metadata: str | None = None
    upload_concat: str | None = None
    boot_id: str = ""
    synced: int = 0
    checked_from: int | None = None
    cuts: int = 0
    blob: str | None = None
    is_finished: bool = False

    @property
    def is_part(self) -> bool:
        return self.request.key is None

    @property
    def is_final(self) -> bool:
        """Whether it was made of parts, at its creation."""
        return self.upload_concat is not None and not self.is_part

    def reservation(self, *, received: int, replaced_bytes: int) -> "ResumableReservation":
        """Return what it reserves after `received` bytes. `replaced_bytes` has the file that it would replace."""
        size = received if self.length is None else self.length
        return ResumableReservation(
            id=self.id,
            uploader=self.right.uploader,
            bucket_uid=self.bucket_uid,
            size=0 if self.is_finished else size,
            growth=0 if self.is_finished else max(0, size - replaced_bytes),
            received=0 if self.is_finished else received,
            is_open=not self.is_finished,
            created_at=self.created_at,
            expires_at=self.expires_at,
        )


@dataclass(frozen=True, slots=True)
class Checksum:
    """The digest that a piece must have, by an algorithm that `hashlib` knows under that name."""

    algorithm: str
    digest: bytes

    def is_of(self, data: bytes) -> bool:
        """Return whether `data` has this digest."""
        return hashlib.new(self.algorithm, data, usedforsecurity=False).digest() == self.digest


@dataclass(frozen=True, slots=True)
class ResumableReservation:
    """The space that a resumable upload reserves until it ends.

    `size` is its length in bytes or, while that is deferred, what has come; `received` is how much of it is on the
    disk. It reserves `growth` bytes of the bucket's quota. `uploader` is as in `Reservation`. An upload that is not
    open any more has become a file, and reserves nothing.
    """

    id: str
    uploader: str
    bucket_uid: str
    size: int
    growth: int
    received: int
    is_open: bool
    created_at: datetime
    expires_at: datetime
