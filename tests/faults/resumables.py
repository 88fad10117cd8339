"""Resumable uploads under faults: what was acknowledged is there, and the upload goes on to the right end."""

import hashlib
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from storage_app.domain.files import UNCONDITIONAL
from storage_app.domain.resumables import Checksum
from storage_app.domain.uploads import UploadRequest
from storage_app.errors import UploadGone
from storage_app.services.resumables.creation import Creation
from tests.faults.victims import Answered
from tests.support.core import ALICE, Core

NEW = b"new " * 20
# Acknowledged after so many answers of `send`: the creation, a piece with a checksum, and one without.
_ACKNOWLEDGED = (0, 0, 30, 60, len(NEW))


@dataclass
class Piece:
    """A body that comes whole."""

    data: bytes

    @property
    def length(self) -> int | None:
        return len(self.data)

    def copy_to(self, write: Callable[[bytes], Any]) -> None:
        write(self.data)


def _creation(key: str | None, length: int | None) -> Creation:
    request = UploadRequest("photos", key=key, overwrite=True, conditions=UNCONDITIONAL)
    return Creation(request, length, upload_concat=None if key else "partial")


def send(core: Core, answered: Answered) -> None:
    """Create an upload, and send it in three pieces."""
    services = core.services
    upload = services.creations.create(ALICE, _creation("new.txt", len(NEW)), Piece(b"")).upload
    answered()
    checksum = Checksum("sha256", hashlib.sha256(NEW[:30]).digest())
    services.appending.append(upload.id, 0, Piece(NEW[:30]), checksum=checksum)
    answered()
    services.appending.append(upload.id, 30, Piece(NEW[30:60]))
    answered()
    services.appending.append(upload.id, 60, Piece(NEW[60:]))
    answered()


def join(core: Core, answered: Answered) -> None:
    """Send two parts, and make a file of them."""
    create = core.services.creations
    parts = [create.create(ALICE, _creation(None, 40), Piece(NEW[start : start + 40])).upload for start in (0, 40)]
    create.concatenate(ALICE, _creation("new.txt", None), [part.id for part in parts])
    answered()


def go_on(core: Core, answered: int) -> None:
    """Go on with every upload that is there, and raise unless each ends as it should."""
    found = list(core.resumables.ids())
    assert answered == 0 or len(found) == 1, f"after {answered} answers there are {len(found)} uploads"
    for upload_id in found:
        with suppress(UploadGone):
            _go_on(core, upload_id, _ACKNOWLEDGED[answered])
    if answered:
        assert _content(core) == NEW


def end_all(core: Core, _: int) -> None:
    """End every upload that is there."""
    for upload_id in list(core.resumables.ids()):
        with suppress(UploadGone):
            core.services.appending.terminate(upload_id)


def _go_on(core: Core, upload_id: str, acknowledged: int) -> None:
    state = core.services.appending.state(upload_id)
    assert state.offset >= acknowledged, f"{state.offset} bytes are left of the {acknowledged} that were acknowledged"
    if state.offset < len(NEW):
        core.services.appending.append(upload_id, state.offset, Piece(NEW[state.offset :]))
    assert _content(core) == NEW, f"{_content(core)!r} is there, from {state}"
    ended = core.services.appending.state(upload_id)
    assert ended.upload.is_finished
    core.services.appending.terminate(upload_id)
    with core.index.write() as transaction:
        assert transaction.open_resumables() == (0, 0)


def _content(core: Core) -> bytes | None:
    file = core.file("new.txt")
    return None if file is None else core.read(file)
