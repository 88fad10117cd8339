"""Uploads that are refused: who is, for what, in which order, and before the first byte where that is possible."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from storage_app.auth.signed_urls import SignedUpload
from storage_app.domain.files import WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal, Replace, UploadRight
from storage_app.domain.uploads import FileAttributes, UploadConstraints, UploadRequest
from storage_app.errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    FileExists,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    InvalidSignedUrl,
    PreconditionFailed,
    StorageError,
    Unauthenticated,
)
from storage_app.services.upload_rules import Target
from storage_app.services.uploads import Write
from tests.support.core import ALICE, BOB, CAROL, Core, open_core

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


@pytest.mark.parametrize(
    ("by", "bucket", "refusal"),
    [
        (NOBODY, "missing", Unauthenticated),
        (NOBODY, "photos", Unauthenticated),
        (NOBODY, "public", Unauthenticated),
        (ANONYMOUS, "missing", BucketNotFound),
        (ANONYMOUS, "photos", Forbidden),
        (BOB, "missing", BucketNotFound),
        (BOB, "Not A Name", InvalidName),
    ],
)
def test_who_may_upload_nothing_is_refused_first(
    core: Core, by: Principal, bucket: str, refusal: type[StorageError]
) -> None:
    core.bucket("public", is_public=True)
    for key in (None, "a", "/no key"):
        with pytest.raises(refusal):
            core.uploads.authorize(by, UploadRequest(bucket, key=key))


def test_anonymous_uploads_may_be_switched_off(tmp_path: Path) -> None:
    with open_core(tmp_path / "closed", ANONYMOUS_UPLOADS="false") as core:
        core.bucket("public", is_public=True)
        with pytest.raises(Forbidden):
            core.uploads.authorize(ANONYMOUS, UploadRequest("public", key="a.txt"))
        target = core.uploads.authorize(BOB, UploadRequest("public", key="a.txt"))
        assert target.right == UploadRight("bob", False, Replace.OWN)
        with pytest.raises(Forbidden):
            core.put("a.txt", by=BOB, to="public")
        core.check()


ALL = UploadRight("alice", True, Replace.ANY)

# Each row breaks its rule and every one below; the first is what is said.
REFUSALS: list[tuple[type[StorageError], dict[str, Any]]] = [
    (InvalidName, {"key": "../a"}),
    (PreconditionFailed, {"conditions": WriteConditions(if_match=OTHER)}),
    (FileExists, {"overwrite": False}),
    (Forbidden, {"right": UploadRight("bob", True, Replace.OWN)}),
    (FileTooLarge, {"size": 2000}),
    (InvalidRequest, {"constraints": UploadConstraints(size=3000)}),
    (InsufficientStorage, {}),
    (ContentTypeNotAllowed, {"attributes": FileAttributes(content_type="image/png")}),
]


@pytest.mark.parametrize("broken", range(len(REFUSALS)))
def test_order_of_refusals(core: Core, broken: int, monkeypatch: pytest.MonkeyPatch) -> None:
    core.buckets.change(ALICE, "photos", {"allowed_content_types": ("text/*",)})
    core.put("a.txt")
    uid = core.buckets.get(ALICE, "photos")[0].uid
    fields: dict[str, Any] = {"key": "a.txt", "overwrite": True, "size": 3, "right": ALL}
    for _, rule in REFUSALS[broken:]:
        fields |= rule
    grant = SignedUpload(uid, fields["key"], 2**40, fields.pop("right"))
    by = ALICE if REFUSALS[broken][0] is InvalidName else grant  # nobody signs for such a key
    if broken <= REFUSALS.index((InsufficientStorage, {})):
        monkeypatch.setattr(core.store, "free_bytes", lambda: -1)
    with pytest.raises(REFUSALS[broken][0]):
        core.send(fields.pop("key"), by=by, meanwhile=never, **fields)
    core.check()


def test_who_may_do_nothing_with_a_key_learns_nothing_about_it(core: Core) -> None:
    """Only own uploads may be replaced here: a file of another and no file answer the same, conditions or not."""
    core.put("alices.txt")
    details = set()
    for key in ("alices.txt", "none.txt"):
        for conditions in (WriteConditions(), WriteConditions(if_match=OTHER), WriteConditions(if_none_match=ANY)):
            with pytest.raises(Forbidden) as refused:
                core.put(key, by=CAROL, conditions=conditions)
            details.add(refused.value.detail.replace(key, ""))
    assert len(details) == 1


@pytest.mark.parametrize(
    ("conditions", "there", "holds"),
    [
        (WriteConditions(if_none_match=ANY), False, True),
        (WriteConditions(if_none_match=ANY), True, False),
        (WriteConditions(if_match=ANY), False, False),
        (WriteConditions(if_match=ANY), True, True),
        (WriteConditions(if_match=OTHER), True, False),
    ],
)
def test_conditions_decide(core: Core, conditions: WriteConditions, there: bool, holds: bool) -> None:
    if there:
        core.put("a.txt", b"old")
    if holds:
        core.put("a.txt", b"new", conditions=conditions)
    else:
        with pytest.raises(PreconditionFailed):
            core.put("a.txt", b"new", conditions=conditions, overwrite=False)
    core.check()


def test_conditions_are_judged_again_when_the_bytes_are_there(core: Core) -> None:
    conditions = WriteConditions(if_none_match=ANY)
    with pytest.raises(PreconditionFailed):
        core.send("a.txt", b"slower", conditions=conditions, meanwhile=lambda _: core.put("a.txt", b"faster"))
    file = core.file("a.txt")
    assert file is not None
    assert core.read(file) == b"faster"
    core.check()


def never(_: Write) -> None:
    pytest.fail("all bytes were taken")


@pytest.mark.parametrize("limit", ["MAX_FILE_SIZE", "bucket", "signed"])
def test_too_large_is_refused_with_the_limit_at_the_first_byte_too_many(core: Core, limit: str) -> None:
    size = 1000 if limit == "MAX_FILE_SIZE" else 10
    if limit == "bucket":
        core.buckets.change(ALICE, "photos", {"max_file_size": 10})
    signed: dict[str, Any] = {"constraints": UploadConstraints(size=10)} if limit == "signed" else {}
    core.put("fits", bytes(size), **signed)
    with pytest.raises(FileTooLarge) as refused:
        core.send("b", size=size + 1, meanwhile=never, **signed)
    assert refused.value.members == {"limit": size}
    with pytest.raises(FileTooLarge):
        core.send("b", bytes(size), b"x", meanwhile=never, **signed)
    core.check()


def test_least_size_is_refused_before_bytes_too(core: Core) -> None:
    with pytest.raises(FileTooLarge):
        core.send(None, least_size=1001, meanwhile=never)


def test_signed_bucket_is_the_one_that_was_signed(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "photos")[0]
    grant = SignedUpload(bucket.uid, "a", 2**40, ALL)
    assert core.uploads.authorize(grant, UploadRequest("photos", key="a")) == Target(bucket, ALL)
    file, _ = core.put("a")
    assert core.uploads.authorize(grant, UploadRequest("photos", key="a")) == Target(bucket, ALL, file)
    for name in ("missing", core.bucket("other").name):
        with pytest.raises(InvalidSignedUrl):
            core.uploads.authorize(grant, UploadRequest(name, key="a"))
