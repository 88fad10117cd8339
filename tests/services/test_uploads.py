"""Bytes in: what becomes of them, and what a failure leaves."""

import hashlib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.principals import ANONYMOUS, Principal
from storage_app.domain.uploads import DeclaredBody, FileAttributes, UploadConstraints, UploadRequest
from storage_app.errors import (
    BucketNotFound,
    DigestMismatch,
    FileExists,
    FileTooLarge,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    StorageError,
    TooManyUploads,
    Unavailable,
)
from storage_app.services.upload_bodies import Write
from tests.support.core import ALICE, BOB, SERVICE, Core, Pieces, open_core
from tests.support.disk import files_end_at


def never(_: Write) -> None:
    pytest.fail("bytes were asked for")


def test_upload_becomes_the_file(core: Core) -> None:
    attributes = FileAttributes("b.txt", "Text/Plain; charset=utf-8", {"k": [1]}, "no-store")
    file, is_new = core.put("dir/a.txt", b"hello", attributes=attributes)
    assert is_new
    assert core.files.get(ALICE, "photos", "dir/a.txt")[1] == file
    assert (file.key, file.filename, file.content_type) == ("dir/a.txt", "b.txt", "text/plain; charset=utf-8")
    assert (file.metadata, file.cache_control) == ({"k": [1]}, "no-store")
    assert (file.size, file.sha256) == (5, hashlib.sha256(b"hello").hexdigest())
    assert file.owner_id == "alice"
    assert file.created_at == file.updated_at
    assert core.read(file) == b"hello"
    assert core.totals() == Totals(1, 5)
    core.check()


def test_filename_is_the_key_unless_another_is_given(core: Core) -> None:
    assert core.put("dir/a.txt")[0].filename == "dir/a.txt"
    assert core.put("x" * 1024)[0].filename == "x" * 1024


def test_pieces_are_one_file(core: Core) -> None:
    file, _ = core.send("a", b"ab", b"", b"c")
    assert core.read(file) == b"abc"
    core.check()


def test_key_may_come_with_the_body(core: Core) -> None:
    for overwrite, is_new in ((False, True), (True, False)):
        assert core.send(None, b"abc", late={"key": "late.txt", "overwrite": overwrite})[1] is is_new
    for key, refusal in (("late.txt", FileExists), ("../late.txt", InvalidName)):
        with pytest.raises(refusal):
            core.send(None, b"abc", late={"key": key, "overwrite": False})
    core.check()


def test_overwrite_keeps_owner_and_creation_and_replaces_the_rest(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    before, _ = core.put("a.txt", b"abc", attributes=FileAttributes("old.txt", None, {"old": 1}, "no-store"))
    after, is_new = core.put("a.txt", b"de", by=BOB)
    assert not is_new
    assert (after.owner_id, after.created_at) == (before.owner_id, before.created_at)
    assert after.updated_at > before.updated_at
    assert (after.filename, after.metadata, after.cache_control) == ("a.txt", {}, None)
    assert (after.size, after.etag, core.read(after)) == (2, f'"{hashlib.sha256(b"de").hexdigest()}"', b"de")
    assert core.read(before) == b"abc"
    assert core.totals() == Totals(1, 2)
    core.check()


@pytest.mark.parametrize(("by", "owner"), [(ANONYMOUS, "alice"), (BOB, "bob"), (SERVICE, "backend")])
def test_owner_is_who_uploads_and_the_buckets_for_anonymous(core: Core, by: Principal, owner: str) -> None:
    core.buckets.change(ALICE, "photos", {"is_public": True})
    assert core.put("a.txt", by=by)[0].owner_id == owner


@pytest.mark.parametrize(
    ("attributes", "fields", "refusal"),
    [
        (FileAttributes(sha256=frozenset(["00" * 32])), {}, DigestMismatch),
        (FileAttributes(sha256=frozenset([hashlib.sha256(b"abc").hexdigest(), "00" * 32])), {}, DigestMismatch),
        (FileAttributes(metadata={"k": "v" * 16 * 1024}), {}, InvalidRequest),
        (FileAttributes(filename="a\nb"), {}, InvalidName),
        (FileAttributes(), {"size": None, "constraints": UploadConstraints(size=4)}, InvalidRequest),
    ],
)
def test_what_turns_out_wrong_at_the_end_is_not_kept(
    core: Core, attributes: FileAttributes, fields: dict[str, Any], refusal: type[StorageError]
) -> None:
    core.put("a.txt", b"old")
    with pytest.raises(refusal):
        core.put("a.txt", b"abc", attributes=attributes, **fields)
    assert core.totals() == Totals(1, 3)
    core.check()


def test_right_digest_is_accepted(core: Core) -> None:
    core.put("a.txt", b"abc", attributes=FileAttributes(sha256=frozenset([hashlib.sha256(b"abc").hexdigest()])))


def test_bucket_deleted_meanwhile_gets_nothing(core: Core) -> None:
    def make_again(_: Write) -> None:
        core.buckets.delete(ALICE, "photos", force=True)
        core.bucket()

    with pytest.raises(BucketNotFound):
        core.send("a.txt", b"abc", meanwhile=make_again)
    assert core.totals() == Totals(0, 0)
    core.check()


def test_broken_connection_leaves_nothing(core: Core) -> None:
    def reset(_: Write) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        core.send("a.txt", b"half", meanwhile=reset, size=100)
    assert core.file("a.txt") is None
    core.check()


def test_full_disk_leaves_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_on_a_full_disk(write: Write) -> None:
        with files_end_at(400):
            write(b"x")

    with pytest.raises(InsufficientStorage, match="disk is full"):
        core.send("a.txt", bytes(400), meanwhile=write_on_a_full_disk)
    core.check()
    monkeypatch.setattr(core.store, "free_bytes", lambda: -1)
    with pytest.raises(InsufficientStorage, match="MIN_FREE_BYTES"):
        core.send("a.txt", size=1, meanwhile=never)
    core.check()


def test_more_bodies_than_max_uploads_are_refused(core: Core) -> None:
    def upload_beside(number: int) -> None:
        """Begin one upload in the middle of another, as often as MAX_UPLOADS allows."""
        if number < core.storage.settings.max_uploads:
            core.send(f"{number}", b"x", meanwhile=lambda _: upload_beside(number + 1))
        else:
            with pytest.raises(TooManyUploads):
                core.send("one more", meanwhile=never)

    upload_beside(0)
    core.put("one more")
    core.check()


def test_upload_whose_reservation_cannot_be_ended_leaves_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(_: str) -> None:
        raise Unavailable("the index is away")

    body = Pieces([b"abc"], lambda _: None, {}, DeclaredBody(size=3))
    monkeypatch.setattr(core.services.reservations, "end", fail)
    with pytest.raises(Unavailable):
        core.uploads.receive(ALICE, UploadRequest("photos", key="a.txt"), body, reservation_id="one")
    core.check()


def test_refused_upload_ends_its_reservation(core: Core) -> None:
    body = Pieces([b"abc"], lambda _: None, {}, DeclaredBody(size=3))
    request = UploadRequest("photos", key="a.txt")
    assert core.uploads.reserve(ALICE, request, body, reservation_id="one")
    assert core.index.reserved_bytes() == 3
    core.services.buckets.change(ALICE, "photos", {"max_file_size": 2})
    with pytest.raises(FileTooLarge):
        core.uploads.receive(ALICE, request, body, reservation_id="one")
    assert core.index.reserved_bytes() == 0


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_sixteen_writers_of_one_key_one_is_first(tmp_path: Path, overwrite: bool) -> None:
    with open_core(tmp_path / "wide") as core:
        core.bucket()
        together = Barrier(16)

        def write(number: int) -> bool | None:
            data = bytes([number]) * (number + 1)
            try:
                return core.send(
                    "a.txt", data, size=len(data), overwrite=overwrite, meanwhile=lambda _: together.wait(30)
                )[1]
            except FileExists:
                return None

        with ThreadPoolExecutor(16) as pool:
            results = list(pool.map(write, range(16)))
        assert results.count(True) == 1
        assert results.count(False if overwrite else None) == 15
        file = core.file("a.txt")
        assert file is not None
        assert core.read(file) == bytes([file.size - 1]) * file.size
        core.check()
