"""The creation of resumable uploads: what it refuses, and that a refusal leaves nothing."""

import hashlib
from contextlib import ExitStack

import pytest

from storage_app.domain.files import WriteConditions
from storage_app.domain.principals import ANONYMOUS
from storage_app.domain.resumables import Checksum
from storage_app.domain.uploads import FileAttributes, UploadRequest
from storage_app.errors import (
    BucketNotFound,
    ChecksumMismatch,
    FileExists,
    FileTooLarge,
    Forbidden,
    InvalidRequest,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    TooManyUploads,
    UploadGone,
)
from storage_app.services.resumables.creation import Creation
from tests.support.core import ALICE, BOB, Core
from tests.support.resumables import HELLO, create, reserved

ONLY_NEW = WriteConditions(if_none_match=frozenset("*"))
JSON_FILE = FileAttributes(content_type="application/json")


def concatenate(core: Core, *parts: str, key: str = "new.txt") -> str:
    request = create_request(key)
    creation = Creation(request, None, upload_concat="final;" + " ".join(parts))
    return core.services.creations.concatenate(ALICE, creation, parts).upload.id


def create_request(key: str | None) -> UploadRequest:
    return UploadRequest("photos", key=key)


def part(core: Core, data: bytes) -> str:
    return create(core, len(data), data, key=None).upload.id


def test_upload_is_created_and_reserves(core: Core) -> None:
    state = create(core, data=b"hello")
    assert (state.offset, state.file, list(core.resumables.ids())) == (5, None, [state.upload.id])
    assert reserved(core) == (1, 6)
    assert (state.upload.principal, state.upload.right.owner_id) == (ALICE, "alice")


def test_whole_upload_is_a_file_at_once(core: Core) -> None:
    state = create(core, data=HELLO)
    assert state.file is not None
    assert (core.read(state.file), core.file("new.txt"), reserved(core)) == (HELLO, state.file, (0, 0))
    core.check()


@pytest.mark.parametrize(
    ("refusal", "given"),
    [
        (Forbidden, {"by": BOB}),
        (Forbidden, {"by": ANONYMOUS}),
        (FileExists, {"key": "there.txt"}),
        (PreconditionFailed, {"key": "there.txt", "overwrite": True, "conditions": ONLY_NEW}),
        (FileTooLarge, {"length": 1001}),
        (QuotaExceeded, {"length": 96}),
        (FileTooLarge, {"data": b"x" * 12}),
        (ChecksumMismatch, {"data": b"hello", "checksum": Checksum("sha1", b"")}),
        (ChecksumMismatch, {"checksum": Checksum("sha1", b"")}),
    ],
)
def test_refused_creation_leaves_nothing(core: Core, refusal: type[StorageError], given: dict[str, object]) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 100})
    core.put("there.txt", b"there")
    with pytest.raises(refusal):
        create(core, **given)  # type: ignore[arg-type]
    assert (list(core.resumables.ids()), reserved(core), core.staged()) == ([], (0, 0), [])


def test_bucket_must_be_there(empty: Core) -> None:
    with pytest.raises(BucketNotFound):
        create(empty)


def test_type_is_judged_at_the_creation(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"allowed_content_types": ["image/*"]})
    with pytest.raises(StorageError, match="does not take application/json"):
        create(core, attributes=JSON_FILE)


def test_right_checksum_of_the_first_bytes_counts(core: Core) -> None:
    assert create(core, data=b"hello", checksum=Checksum("sha1", hashlib.sha1(b"hello").digest())).offset == 5


def test_parts_become_a_file_and_end(core: Core) -> None:
    parts = [part(core, b"hello "), part(core, b"world")]
    assert reserved(core) == (2, 0)
    final = concatenate(core, *parts)
    file = core.file("new.txt")
    assert file is not None
    assert (core.read(file), file.sha256) == (HELLO, hashlib.sha256(HELLO).hexdigest())
    assert (list(core.resumables.ids()), reserved(core)) == ([final], (0, 0))
    core.check()


def test_part_may_be_there_twice(core: Core) -> None:
    one = part(core, b"ab")
    concatenate(core, one, one)
    file = core.file("new.txt")
    assert file is not None
    assert core.read(file) == b"abab"


def test_parts_of_a_full_bucket_count_once(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"quota": 11})
    parts = [part(core, b"hello "), part(core, b"world")]
    with pytest.raises(QuotaExceeded):
        part(core, b"x")
    concatenate(core, *parts)


def test_parts_reserve_again_what_a_final_upload_that_failed_had_taken_over(core: Core) -> None:
    parts = [part(core, b"hello "), part(core, b"world")]
    with ExitStack() as slots:
        for _ in range(16):
            slots.enter_context(core.services.slots.hold())
        with pytest.raises(TooManyUploads):
            concatenate(core, *parts)
    assert (sorted(core.resumables.ids()), reserved(core)) == (sorted(parts), (2, 0))
    concatenate(core, *parts)


def test_refused_final_upload_keeps_its_parts(core: Core) -> None:
    whole, one = part(core, b"hello"), create(core, 9, b"half", key=None).upload.id
    core.put("there.txt", b"there")
    for refusal, parts, key in (
        (InvalidRequest, [whole, one], "new.txt"),
        (FileExists, [whole], "there.txt"),
        (FileTooLarge, [whole] * 201, "new.txt"),
    ):
        with pytest.raises(refusal):
            concatenate(core, *parts, key=key)
    core.services.appending.terminate(one)
    with pytest.raises(UploadGone):
        concatenate(core, whole, one)
    assert list(core.resumables.ids()) == [whole]
    assert reserved(core) == (1, 0)
