"""Bytes in: what becomes of them, and what a failure leaves."""

import hashlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.principals import ANONYMOUS, Principal
from storage_app.errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    DigestMismatch,
    FileExists,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    StorageError,
    TooManyUploads,
)
from storage_app.services.upload_rules import Description
from storage_app.services.uploads import Upload
from tests.support.core import ALICE, BOB, SERVICE, Core, open_core
from tests.support.disk import files_end_at

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
OTHER = frozenset(['"other"'])
ANY = frozenset(["*"])


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Core]:
    with open_core(tmp_path_factory.mktemp("core") / "store", MAX_UPLOADS="4", MAX_FILE_SIZE="1000") as core:
        yield core


@pytest.fixture
def core(opened: Core) -> Iterator[Core]:
    opened.bucket()
    yield opened
    opened.empty()


def test_upload_becomes_the_file(core: Core) -> None:
    description = Description("b.txt", "Text/Plain; charset=utf-8", {"k": [1]}, "no-store")
    file, is_new = core.put("dir/a.txt", b"hello", description=description)
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
    with core.uploads.begin(core.plan("a")) as upload:
        for piece in (b"ab", b"", b"c"):
            assert upload.write(piece) == len(piece)
        file, _ = upload.finish(Description())
    assert core.read(file) == b"abc"
    core.check()


def test_key_may_come_with_the_body(core: Core) -> None:
    for overwrite, is_new in ((False, True), (True, False)):
        with core.uploads.begin(core.plan(None)) as upload:
            upload.write(b"abc")
            assert upload.finish_as("late.txt", Description(), overwrite=overwrite)[1] is is_new
    with pytest.raises(FileExists), core.uploads.begin(core.plan(None)) as upload:
        upload.finish_as("late.txt", Description(), overwrite=False)
    with pytest.raises(InvalidName), core.uploads.begin(core.plan(None)) as upload:
        upload.finish_as("../late.txt", Description(), overwrite=False)
    core.check()


def test_overwrite_keeps_owner_and_creation_and_replaces_the_rest(core: Core) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"bob": Grant.WRITE}})
    before, _ = core.put("a.txt", b"abc", description=Description("old.txt", None, {"old": 1}, "no-store"))
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
    ("declared", "data", "allowed", "stored"),
    [
        (None, PNG, None, "image/png"),
        ("application/octet-stream", PNG, None, "image/png"),
        ("image/jpeg", PNG, None, "image/png"),
        ("image/png", PNG, ("image/*",), "image/png"),
        ("application/octet-stream", PNG, ("image/*",), "image/png"),
        ("image/jpeg", PNG, ("image/*",), None),
        ("text/plain", b"text", ("image/*",), None),
        (None, b"text", ("image/*",), None),
    ],
)
def test_content_type_is_what_the_bytes_are(
    core: Core, declared: str | None, data: bytes, allowed: tuple[str, ...] | None, stored: str | None
) -> None:
    core.buckets.change(ALICE, "photos", {"allowed_content_types": allowed})
    if stored is None:
        with pytest.raises(ContentTypeNotAllowed):
            core.put("a", data, description=Description(content_type=declared))
    else:
        assert core.put("a", data, description=Description(content_type=declared))[0].content_type == stored
    core.check()


@pytest.mark.parametrize(
    ("description", "fields", "refusal"),
    [
        (Description(sha256=frozenset(["00" * 32])), {}, DigestMismatch),
        (Description(sha256=frozenset([hashlib.sha256(b"abc").hexdigest(), "00" * 32])), {}, DigestMismatch),
        (Description(metadata={"k": "v" * 16 * 1024}), {}, InvalidRequest),
        (Description(filename="a\nb"), {}, InvalidName),
        (Description(), {"size": None, "signed_size": 4}, InvalidRequest),
    ],
)
def test_what_turns_out_wrong_at_the_end_is_not_kept(
    core: Core, description: Description, fields: dict[str, Any], refusal: type[StorageError]
) -> None:
    core.put("a.txt", b"old")
    with pytest.raises(refusal):
        core.put("a.txt", b"abc", description=description, **fields)
    assert core.totals() == Totals(1, 3)
    core.check()


def test_right_digest_is_accepted(core: Core) -> None:
    core.put("a.txt", b"abc", description=Description(sha256=frozenset([hashlib.sha256(b"abc").hexdigest()])))


def test_bucket_deleted_meanwhile_gets_nothing(core: Core) -> None:
    def make_again(_: Upload) -> None:
        core.buckets.delete(ALICE, "photos", force=True)
        core.bucket()

    with pytest.raises(BucketNotFound):
        core.send(core.plan("a.txt"), b"abc", meanwhile=make_again)
    assert core.totals() == Totals(0, 0)
    core.check()


def test_broken_connection_leaves_nothing(core: Core) -> None:
    def reset(_: Upload) -> None:
        raise ConnectionResetError

    with pytest.raises(ConnectionResetError):
        core.send(core.plan("a.txt", size=100), b"half", meanwhile=reset)
    assert core.file("a.txt") is None
    core.check()


def test_upload_that_is_not_finished_leaves_nothing(core: Core) -> None:
    with core.uploads.begin(core.plan("a.txt", size=100)) as upload:
        upload.write(b"half")
    assert core.file("a.txt") is None
    core.check()


def test_full_disk_leaves_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    def write_on_a_full_disk(upload: Upload) -> None:
        with files_end_at(400):
            upload.write(b"x")

    with pytest.raises(InsufficientStorage, match="disk is full"):
        core.send(core.plan("a.txt"), bytes(400), meanwhile=write_on_a_full_disk)
    core.check()
    monkeypatch.setattr(core.uploads, "_min_free_bytes", (core.store.free_bytes() or 0) + 2**40)
    with pytest.raises(InsufficientStorage, match="MIN_FREE_BYTES"), core.uploads.begin(core.plan("a.txt", size=1)):
        pytest.fail("bytes were asked for")
    core.check()


def test_more_bodies_than_max_uploads_are_refused(core: Core) -> None:
    held = [core.uploads.begin(core.plan(f"{number}", size=1)) for number in range(4)]
    uploads = [each.__enter__() for each in held]
    with pytest.raises(TooManyUploads), core.uploads.begin(core.plan("one more", size=1)):
        pytest.fail("bytes were asked for")
    for upload, each in zip(uploads, held, strict=True):
        upload.write(b"x")
        upload.finish(Description())
        each.__exit__(None, None, None)
    core.put("one more")
    core.check()


@pytest.mark.parametrize("overwrite", [False, True])
def test_of_sixteen_writers_of_one_key_one_is_first(tmp_path: Path, overwrite: bool) -> None:
    with open_core(tmp_path / "wide") as core:
        core.bucket()
        together = Barrier(16)

        def write(number: int) -> bool | None:
            data = bytes([number]) * (number + 1)
            try:
                with core.uploads.begin(core.plan("a.txt", size=len(data), overwrite=overwrite)) as upload:
                    upload.write(data)
                    together.wait(30)
                    return upload.finish(Description())[1]
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
