"""Copies of files: what a copy takes from its source, who may make it, and what it leaves."""

import errno
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from storage_app.domain.buckets import Grant, Totals
from storage_app.domain.copies import CopyRequest, Place
from storage_app.domain.files import UNCONDITIONAL, File, WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.domain.uploads import FileAttributes
from storage_app.errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    DamagedFile,
    FileExists,
    FileNotFound,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    Unauthenticated,
)
from storage_app.services import copies
from tests.support.core import ALICE, BOB, CAROL, Core
from tests.support.disk import refuse

DESCRIBED = FileAttributes(
    filename="cat.txt", content_type="text/x-cat", metadata={"album": "cats"}, cache_control="no-store"
)
PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)


@pytest.fixture
def core(empty: Core) -> Core:
    """Two buckets of Alice's; the first one has a file."""
    empty.bucket()
    empty.bucket("other")
    empty.put("a/b.txt", b"abc", attributes=DESCRIBED)
    return empty


def copy(
    core: Core,
    source: str = "photos/a/b.txt",
    to: str = "photos/copy.txt",
    *,
    by: Principal = ALICE,
    **fields: Any,
) -> tuple[File, bool]:
    return core.services.copies.copy(by, CopyRequest(place(source), place(to), **fields))


def place(path: str) -> Place:
    return Place(*path.split("/", 1))


def read(core: Core, path: str) -> bytes | None:
    bucket, key = path.split("/", 1)
    file = core.file(key, bucket=bucket)
    return None if file is None else core.read(file, bucket=bucket)


@pytest.mark.parametrize("to", ["photos/copy.txt", "other/a/b.txt"])
def test_copy_is_a_file_like_its_source(core: Core, to: str) -> None:
    source = core.file("a/b.txt")
    assert source is not None
    copied, created = copy(core, to=to)
    assert created
    assert core.file(copied.key, bucket=to.split("/", maxsplit=1)[0]) == copied
    assert read(core, to) == read(core, "photos/a/b.txt") == b"abc"
    for name in ("filename", "content_type", "metadata", "cache_control", "size", "sha256", "owner_id"):
        assert getattr(copied, name) == getattr(source, name)
    assert copied.blob != source.blob
    assert copied.created_at == copied.updated_at > source.updated_at
    core.check()


def test_copy_replaces_only_if_that_is_asked_for(core: Core) -> None:
    old, _ = core.put("copy.txt", b"old one", by=ALICE)
    with pytest.raises(FileExists):
        copy(core)
    copied, created = copy(core, overwrite=True)
    assert not created
    assert (copied.created_at, copied.updated_at > old.updated_at) == (old.created_at, True)
    assert read(core, "photos/copy.txt") == b"abc"
    assert core.totals() == Totals(2, 6)
    core.check()


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"metadata": {}}, {"metadata": {}}),
        ({"content_type": "text/x-dog"}, {"content_type": "text/x-dog"}),
        ({"filename": "dog.txt"}, {"filename": "dog.txt"}),
        ({"filename": None}, {"filename": "copy.txt"}),
        ({"cache_control": None}, {"cache_control": None}),
    ],
)
def test_given_attribute_replaces_that_of_the_source(
    core: Core, changes: Mapping[str, Any], expected: Mapping[str, Any]
) -> None:
    copied, _ = copy(core, changes=changes)
    shown = {name: getattr(copied, name) for name in ("filename", "content_type", "metadata", "cache_control")}
    kept = {"filename": "cat.txt", "content_type": "text/x-cat; charset=utf-8", "metadata": {"album": "cats"}}
    assert shown == {**kept, "cache_control": "no-store", **expected} | (
        {"content_type": "text/x-dog; charset=utf-8"} if "content_type" in changes else {}
    )


@pytest.mark.parametrize(
    ("filename", "expected"),
    [(None, "x/new.txt"), ("b.txt", "new.txt"), ("other.txt", "other.txt")],
    ids=["the key", "its last segment", "another"],
)
def test_filename_follows_the_key_that_it_came_from(core: Core, filename: str | None, expected: str) -> None:
    core.put("a/b.txt", b"abc", attributes=FileAttributes(filename=filename))
    assert copy(core, to="photos/x/new.txt")[0].filename == expected


def test_content_type_is_decided_by_the_bytes_as_that_of_an_upload_is(core: Core) -> None:
    core.put("a.png", PNG)
    assert copy(core, "photos/a.png", changes={"content_type": "image/jpeg"})[0].content_type == "image/png"
    core.buckets.change(ALICE, "other", {"allowed_content_types": ("image/*",)})
    with pytest.raises(ContentTypeNotAllowed, match="its bytes are image/png"):
        copy(core, "photos/a.png", "other/a.png", changes={"content_type": "image/jpeg"})
    with pytest.raises(ContentTypeNotAllowed, match="does not take text/x-cat"):
        copy(core, to="other/a.txt")
    copy(core, "photos/a.png", "other/a.png")
    core.check()


OWN_BUCKET = "bobs/copy.txt"


@pytest.mark.parametrize(
    ("by", "source", "to", "raised"),
    [
        (ALICE, "photos/a/b.txt", "other/c", None),
        (BOB, "photos/a/b.txt", OWN_BUCKET, Forbidden),
        (BOB, "photos/bobs.txt", OWN_BUCKET, None),
        (BOB, "public/a.txt", OWN_BUCKET, None),
        (BOB, "public/a.txt", "public/new.txt", None),
        (BOB, "public/a.txt", "other/c", Forbidden),
        (CAROL, "photos/a/b.txt", "public/new.txt", None),
        (CAROL, "photos/a/b.txt", "photos/new.txt", Forbidden),
        (CAROL, "photos/a/b.txt", "public/a.txt", Forbidden),
        (ANONYMOUS, "public/a.txt", "public/new.txt", None),
        (ANONYMOUS, "public/a.txt", "public/a2.txt", FileExists),
        (NOBODY, "public/a.txt", "public/new.txt", Unauthenticated),
    ],
)
def test_copy_needs_the_right_to_read_and_the_right_to_upload(
    core: Core, by: Principal, source: str, to: str, raised: type[StorageError] | None
) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"carol": Grant.READ, "bob": Grant.WRITE}})
    core.put("bobs.txt", by=BOB)
    core.buckets.change(ALICE, "photos", {"grants": {"carol": Grant.READ}})
    core.bucket("public", is_public=True)
    core.put("a.txt", to="public")
    core.put("a2.txt", to="public")
    core.buckets.create(BOB, "bobs", {})
    overwrite = to == "public/a.txt"
    if raised is None:
        copied, _ = copy(core, source, to, by=by, overwrite=overwrite)
        assert copied.owner_id == (by.sub or "alice")
    else:
        with pytest.raises(raised):
            copy(core, source, to, by=by, overwrite=overwrite)
    core.check()


@pytest.mark.parametrize(
    ("by", "source", "to", "raised"),
    [
        (ALICE, "none/a", "photos/c", BucketNotFound),
        (ALICE, "photos/a/b.txt", "none/c", BucketNotFound),
        (ALICE, "photos/none", "none/c", BucketNotFound),
        (ALICE, "photos/none", "photos/c", FileNotFound),
        (BOB, "photos/none", "none/c", Forbidden),
        (CAROL, "photos/none", "other/c", Forbidden),
    ],
)
def test_missing_source_is_told_after_all_rights(
    core: Core, by: Principal, source: str, to: str, raised: type[StorageError]
) -> None:
    core.buckets.change(ALICE, "photos", {"grants": {"carol": Grant.READ}})
    with pytest.raises(raised):
        copy(core, source, to, by=by)


@pytest.mark.parametrize(
    ("conditions", "there", "holds"),
    [
        ({"if_none_match": frozenset({"*"})}, False, True),
        ({"if_none_match": frozenset({"*"})}, True, False),
        ({"if_match": frozenset({"*"})}, True, True),
        ({"if_match": frozenset({"*"})}, False, False),
    ],
)
def test_conditions_are_those_of_the_destination(
    core: Core, conditions: Mapping[str, Any], there: bool, holds: bool
) -> None:
    if there:
        core.put("copy.txt", b"old")
    asked: dict[str, Any] = {"conditions": WriteConditions(**conditions), "overwrite": True}
    if holds:
        copy(core, **asked)
    else:
        with pytest.raises(PreconditionFailed):
            copy(core, **asked)
    assert read(core, "photos/copy.txt") == (b"abc" if holds else b"old" if there else None)
    core.check()


def test_source_etag_is_a_condition_of_the_source(core: Core) -> None:
    file = core.file("a/b.txt")
    assert file is not None
    copy(core, source_etag=file.etag)
    core.put("a/b.txt", b"replaced")
    with pytest.raises(PreconditionFailed, match="source_etag"):
        copy(core, to="photos/second.txt", source_etag=file.etag)
    core.check()


@pytest.mark.parametrize(
    ("settings", "raised"),
    [({"max_file_size": 2}, FileTooLarge), ({"quota": 2}, QuotaExceeded), ({"quota": 5}, QuotaExceeded), ({}, None)],
)
def test_limits_of_the_destination_hold_by_the_full_size(
    core: Core, settings: Mapping[str, Any], raised: type[StorageError] | None
) -> None:
    core.put("there", b"abc", to="other")
    core.buckets.change(ALICE, "other", settings)
    if raised is None:
        copy(core, to="other/c")
    else:
        with pytest.raises(raised):
            copy(core, to="other/c")
    assert core.totals("other") == (Totals(2, 6) if raised is None else Totals(1, 3))
    core.check()


def test_overwrite_by_a_copy_counts_the_difference(core: Core) -> None:
    core.put("c", b"12345", to="other")
    core.buckets.change(ALICE, "other", {"quota": 5})
    copy(core, to="other/c", overwrite=True)
    assert core.totals("other") == Totals(1, 3)
    core.check()


def test_copy_stays_when_its_source_is_replaced_and_deleted(core: Core) -> None:
    copy(core)
    core.put("a/b.txt", b"replaced")
    core.collect()
    core.files.delete(ALICE, "photos", "a/b.txt", conditions=UNCONDITIONAL)
    core.collect()
    assert read(core, "photos/copy.txt") == b"abc"
    core.check()


def test_source_that_is_collected_meanwhile_is_looked_up_again(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    real = core.store.share

    def replaced_first(*arguments: Any) -> Any:
        monkeypatch.setattr(core.store, "share", real)
        core.put("a/b.txt", b"replaced")
        core.collect()
        return real(*arguments)

    monkeypatch.setattr(core.store, "share", replaced_first)
    copy(core)
    assert read(core, "photos/copy.txt") == b"replaced"
    core.check()


def test_source_without_bytes_is_damaged(core: Core) -> None:
    file = core.file("a/b.txt")
    assert file is not None
    blob_of(core, file).unlink()
    with pytest.raises(DamagedFile):
        copy(core)
    assert core.file("copy.txt") is None
    assert (core.intents(), core.staged()) == ([], [])


@pytest.fixture
def unshared(monkeypatch: pytest.MonkeyPatch) -> None:
    """A disk whose files can neither be cloned nor linked."""
    refuse(monkeypatch, "fcntl.ioctl", errno.EOPNOTSUPP)
    refuse(monkeypatch, "link", errno.EMLINK)


@pytest.mark.usefixtures("unshared")
def test_bytes_are_copied_where_they_cannot_be_shared(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_PIECE_BYTES", 100)
    core.put("a", bytes(range(256)) * 3)
    copy(core, "photos/a")
    assert read(core, "photos/copy.txt") == bytes(range(256)) * 3
    core.check()


@pytest.mark.usefixtures("unshared")
def test_source_with_too_few_bytes_is_damaged(core: Core) -> None:
    file = core.file("a/b.txt")
    assert file is not None
    blob_of(core, file).write_bytes(b"ab")
    with pytest.raises(DamagedFile):
        copy(core)
    assert core.file("copy.txt") is None
    assert (core.intents(), core.staged()) == ([], [])


@pytest.mark.usefixtures("unshared")
def test_copy_that_finds_too_little_space_midway_leaves_nothing(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "_PIECE_BYTES", 2)
    free = iter([10**9, 10**9, -1])  # at the beginning, before the first piece, before the second
    monkeypatch.setattr(core.store, "free_bytes", lambda: next(free))
    with pytest.raises(InsufficientStorage):
        copy(core)
    monkeypatch.undo()
    assert core.file("copy.txt") is None
    core.check()


def test_shared_bytes_need_no_space(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core.store, "free_bytes", lambda: 0)
    copy(core)
    assert read(core, "photos/copy.txt") == b"abc"


@pytest.mark.parametrize(
    "meanwhile",
    [
        lambda core: core.put("copy.txt", b"first"),
        lambda core: core.buckets.change(ALICE, "photos", {"quota": 4}),
        lambda core: core.buckets.change(ALICE, "photos", {"max_file_size": 1}),
        lambda core: core.buckets.change(ALICE, "photos", {"allowed_content_types": ("image/*",)}),
        lambda core: core.buckets.delete(ALICE, "photos", force=True),
    ],
    ids=["file", "quota", "size", "type", "bucket"],
)
def test_copy_is_judged_at_its_commit(
    core: Core, meanwhile: Callable[[Core], object], monkeypatch: pytest.MonkeyPatch
) -> None:
    real = core.store.stage_sidecar

    def stage_later(*arguments: Any) -> Any:
        monkeypatch.setattr(core.store, "stage_sidecar", real)
        staged = real(*arguments)
        meanwhile(core)
        return staged

    monkeypatch.setattr(core.store, "stage_sidecar", stage_later)
    with pytest.raises((FileExists, QuotaExceeded, FileTooLarge, ContentTypeNotAllowed, BucketNotFound)):
        copy(core)
    assert read(core, "photos/copy.txt") in (None, b"first")
    core.check()


def blob_of(core: Core, file: File) -> Path:
    (path,) = core.root.glob(f"*/??/{file.blob}")
    return path
