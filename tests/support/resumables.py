"""Resumable uploads for tests of the services and of what is below them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from storage_app.auth.signed_urls import SignedUpload
from storage_app.domain.principals import Principal, Replace, UploadRight
from storage_app.domain.resumables import Checksum, Resumable
from storage_app.domain.times import now
from storage_app.domain.uploads import UploadRequest
from storage_app.services.resumables.appending import State
from storage_app.services.resumables.creation import Creation
from tests.support.core import ALICE, Core

HELLO = b"hello world"


@dataclass
class Piece:
    """A body that comes in one piece, and fails after it with `error`. In chunks, its length is not known before."""

    data: bytes = b""
    error: Exception | None = None
    chunked: bool = False
    longer_by: int = 0

    @property
    def length(self) -> int | None:
        return None if self.chunked else len(self.data) + self.longer_by

    def copy_to(self, write: Callable[[bytes], Any]) -> None:
        write(self.data)
        if self.error is not None:
            raise self.error


def a_resumable(upload_id: str = "A" * 32, **fields: Any) -> Resumable:
    """Return an upload of eleven bytes by Alice to new.txt of photos."""
    created = now()
    given: dict[str, Any] = {
        "id": upload_id,
        "bucket_uid": "uid",
        "request": UploadRequest("photos", key="new.txt"),
        "principal": ALICE,
        "right": UploadRight("alice", create=True, replace=Replace.OWN),
        "length": len(HELLO),
        "created_at": created,
        "expires_at": created + timedelta(days=1),
        "boot_id": "this boot",
    }
    return Resumable(**given | fields)


def create(
    core: Core,
    length: int | None = len(HELLO),
    data: bytes = b"",
    *,
    key: str | None = "new.txt",
    by: Principal | SignedUpload = ALICE,
    checksum: Checksum | None = None,
    **fields: Any,
) -> State:
    """Create an upload to photos, or a part of one without a key."""
    request = UploadRequest("photos", key=key, **fields)
    concat = "partial" if key is None else None
    creation = Creation(request, length, upload_concat=concat)
    return core.services.creations.create(by, creation, Piece(data), checksum)


def append(core: Core, upload_id: str, offset: int, data: bytes = b"", **more: Any) -> State:
    piece = more.pop("piece", Piece(data))
    return core.services.appending.append(upload_id, offset, piece, **more)


def reserved(core: Core) -> tuple[int, int]:
    """Return how many uploads are open, and how many bytes they may still send."""
    with core.index.write() as transaction:
        return transaction.open_resumables()
