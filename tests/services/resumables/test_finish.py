"""The finish: bytes are sealed before they can be a blob, and a finish that fails can be tried again."""

import contextlib
import hashlib
import json

import pytest

from storage_app.blobstore.resumables.held import HeldResumable
from storage_app.domain.resumables import Checksum
from storage_app.errors import FileExists, InsufficientStorage, Unavailable, UploadGone
from storage_app.journal.commit import Commits
from storage_app.services.resumables.finish import Finisher
from tests.support.core import ALICE, Core
from tests.support.resumables import HELLO, append, create, reserved

OF_HELLO = Checksum("sha1", hashlib.sha1(HELLO).digest())


class KilledError(BaseException):
    """The process ends here."""


def killed(*_: object, **__: object) -> None:
    raise KilledError


def after_a_kill(core: Core, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """Let a process be killed between the commit and the end of the record, and return the blob as it is then."""
    upload = create(core).upload.id
    with monkeypatch.context() as patch:
        patch.setattr(Finisher, "_end", killed)
        with pytest.raises(KilledError):
            append(core, upload, 0, HELLO, checksum=OF_HELLO)
    with contextlib.suppress(UploadGone):
        core.services.appending.state(upload)
    file = core.file("new.txt")
    assert file is not None
    return core.read(file)


def test_sealed_bytes_are_not_touched_after_a_kill(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    assert after_a_kill(core, monkeypatch) == HELLO


def test_without_the_seal_a_blob_would_change(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def forget(held: HeldResumable, **changes: object) -> None:
        held.is_just_sealed = "blob" in changes  # and nothing is recorded

    monkeypatch.setattr(HeldResumable, "sync", forget)
    assert after_a_kill(core, monkeypatch) != HELLO


def test_record_names_the_blob_before_it_is_placed(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    upload = create(core).upload.id
    seen = []
    place = type(core.store).place

    def look(*arguments: object) -> None:
        record = json.loads((core.layout.resumable / upload / "upload.json").read_text())
        seen.append((record["synced"], record["checked_from"], record["blob"]))
        place(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(type(core.store), "place", look)
    append(core, upload, 0, HELLO, checksum=OF_HELLO)
    file = core.file("new.txt")
    assert file is not None
    assert seen == [(11, None, file.blob)]


@pytest.mark.parametrize("error", [Unavailable("The index is busy."), InsufficientStorage("The disk is full.")])
def test_finish_that_failed_is_tried_again(core: Core, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 11})
    upload = create(core).upload.id

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(Commits, "keys", fail)
        with pytest.raises(type(error)):
            append(core, upload, 0, HELLO)
    assert reserved(core) == (1, 0)
    names = [json.loads((core.layout.resumable / upload / "upload.json").read_text())["blob"]]
    state = core.services.appending.state(upload)
    names.append(state.file.blob if state.file else None)
    assert len(set(names)) == 2  # a name that was tried may be scheduled for deletion
    file = core.file("new.txt")
    assert file is not None
    assert core.read(file) == HELLO


def test_refused_finish_ends_the_upload(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    core.put("new.txt", b"first")
    with pytest.raises(FileExists):
        append(core, upload, 5, b" world")
    with pytest.raises(UploadGone):
        core.services.appending.state(upload)
    assert (list(core.resumables.ids()), reserved(core)) == ([], (0, 0))
    core.check()


def test_overwrite_replaces_and_counts_the_difference(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 15})
    core.put("new.txt", b"0123456789")
    upload = create(core, 15, b"0123456789", overwrite=True).upload.id
    assert append(core, upload, 10, b"abcde").file is not None
    assert core.totals().total_size == 15
    core.check()


def test_whole_is_hashed_once_if_pieces_came_to_other_processes(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    core.services.appending._hashes.take(upload, cuts=0)  # as if another process had it
    file = append(core, upload, 5, b" world").file
    assert file is not None
    assert file.sha256 == hashlib.sha256(HELLO).hexdigest()
