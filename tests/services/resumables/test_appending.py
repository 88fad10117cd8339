"""The pieces of resumable uploads: their offset, their length, what they reserve, and what ends an upload."""

import hashlib
from dataclasses import replace

import pytest

from storage_app.domain.resumables import Checksum
from storage_app.domain.uploads import UploadRequest
from storage_app.errors import (
    ChecksumMismatch,
    Conflict,
    FileTooLarge,
    Forbidden,
    InvalidRequest,
    OffsetConflict,
    QuotaExceeded,
    TooManyUploads,
    TruncatedBody,
    UploadGone,
    UploadNotFound,
)
from storage_app.services.resumables.creation import Creation
from tests.support.core import ALICE, Core
from tests.support.resumables import HELLO, Piece, append, create, reserved


def test_pieces_become_a_file(core: Core) -> None:
    upload = create(core).upload.id
    for offset, data in ((0, b"hel"), (3, b""), (3, b"lo wor")):
        assert append(core, upload, offset, data).offset == offset + len(data)
    state = append(core, upload, 9, b"ld")
    assert state.file is not None
    assert (core.read(state.file), state.file.sha256) == (HELLO, hashlib.sha256(HELLO).hexdigest())
    assert (state.upload.is_finished, reserved(core)) == (True, (0, 0))
    assert core.services.appending.state(upload).offset == 11
    core.check()


def test_wrong_offset_changes_nothing(core: Core) -> None:
    upload = create(core, data=b"hello").upload.id
    for offset in (0, 4, 6, 11):
        with pytest.raises(OffsetConflict):
            append(core, upload, offset, b"x")
    assert core.services.appending.state(upload).offset == 5


def test_lost_piece_keeps_what_came(core: Core) -> None:
    upload = create(core).upload.id
    lost = Piece(b"hello", TruncatedBody("The connection was lost."), longer_by=6)
    with pytest.raises(TruncatedBody):
        append(core, upload, 0, piece=lost)
    assert (core.services.appending.state(upload).offset, reserved(core)) == (5, (1, 6))
    with pytest.raises(TruncatedBody):
        append(core, upload, 5, piece=replace(lost, longer_by=1), checksum=Checksum("sha1", b""))
    assert append(core, upload, 5, b" world").file is not None


def test_piece_that_is_too_long_is_refused_before_it_comes(core: Core) -> None:
    upload = create(core).upload.id
    with pytest.raises(FileTooLarge):
        append(core, upload, 0, b"x" * 12)
    assert core.services.appending.state(upload).offset == 0


def test_length_of_a_piece_is_judged_before_its_first_byte(core: Core) -> None:
    unread = Piece(b"", TruncatedBody("Its bytes were asked for."), longer_by=12)
    with pytest.raises(FileTooLarge):
        append(core, create(core).upload.id, 0, piece=unread)


def test_piece_of_a_deferred_upload_needs_room_beside_others(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 20})
    upload = create(core, None, b"hello").upload.id
    create(core, 12, key="other.txt")
    unread = Piece(b"", TruncatedBody("Its bytes were asked for."), longer_by=4)
    with pytest.raises(QuotaExceeded):
        append(core, upload, 5, piece=unread)
    assert append(core, upload, 5, b"abc").offset == 8


def test_complete_upload_takes_no_more(core: Core) -> None:
    upload = create(core, data=HELLO).upload.id
    assert append(core, upload, 11).offset == 11
    with pytest.raises(FileTooLarge):
        append(core, upload, 11, b"x")
    with pytest.raises(Conflict):
        append(core, upload, 11, piece=Piece(b"x", chunked=True))


def test_deferred_length_reserves_what_has_come(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 20})
    upload = create(core, None).upload.id
    append(core, upload, 0, b"hello")
    with core.index.write() as transaction:
        assert transaction.reserved(transaction.bucket_named("photos")[0].uid) == 5  # type: ignore[index]
    for too_much in (Piece(b"x" * 16), Piece(b"x", longer_by=1000)):
        with pytest.raises((QuotaExceeded, FileTooLarge)):
            append(core, upload, 5, piece=too_much)
    append(core, upload, 5, piece=Piece(b" wor", chunked=True))
    with pytest.raises(QuotaExceeded):
        append(core, upload, 9, length=21)
    with pytest.raises(FileTooLarge):
        append(core, upload, 9, length=1001)
    with pytest.raises(InvalidRequest):
        append(core, upload, 9, length=8)
    state = append(core, upload, 9, b"ld", length=11)
    assert state.file is not None
    assert core.read(state.file) == HELLO


def test_length_that_is_reached_finishes_the_upload(core: Core) -> None:
    upload = create(core, None, HELLO).upload.id
    assert append(core, upload, 11, length=11).file is not None


def test_length_does_not_change(core: Core) -> None:
    upload = create(core).upload.id
    with pytest.raises(InvalidRequest):
        append(core, upload, 0, length=12)
    assert append(core, upload, 0, HELLO, length=11).file is not None


def test_length_that_comes_with_a_wrong_checksum_is_not_set(core: Core) -> None:
    upload = create(core, None, b"hello").upload.id
    with pytest.raises(ChecksumMismatch):
        append(core, upload, 5, b" world", length=11, checksum=Checksum("sha1", b""))
    state = core.services.appending.state(upload)
    assert (state.upload.length, state.offset, reserved(core)) == (None, 5, (1, 0))
    assert append(core, upload, 5, b" world!", length=12).file is not None


def test_made_of_parts_takes_no_bytes(core: Core) -> None:
    part = create(core, 5, b"hello", key=None).upload.id
    creation = Creation(UploadRequest("photos", key="new.txt"), None, upload_concat=f"final;{part}")
    final = core.services.creations.concatenate(ALICE, creation, [part]).upload.id
    with pytest.raises(Forbidden):
        append(core, final, 5)


def test_terminated_upload_gives_its_room_back(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 11})
    upload = create(core, data=b"hello").upload.id
    with pytest.raises(QuotaExceeded):
        create(core, 1)
    core.services.appending.terminate(upload)
    with pytest.raises(UploadGone):
        core.services.appending.state(upload)
    assert create(core, data=HELLO).file is not None
    core.check()


def test_unknown_upload_is_not_found(core: Core) -> None:
    for call in (core.services.appending.state, core.services.appending.terminate):
        with pytest.raises(UploadNotFound):
            call("A" * 32)


def test_pieces_count_in_max_uploads(core: Core) -> None:
    upload = create(core).upload.id
    slots = [core.services.slots.hold() for _ in range(16)]
    for slot in slots:
        slot.__enter__()
    with pytest.raises(TooManyUploads):
        append(core, upload, 0, b"x")
    assert append(core, upload, 0).offset == 0  # no bytes, no place
    for slot in slots:
        slot.__exit__(None, None, None)
    assert append(core, upload, 0, HELLO).file is not None
