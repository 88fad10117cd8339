"""Uploads that are refused: who is, for what, in which order, and before the first byte where that is possible."""

from pathlib import Path
from typing import Any

import pytest

from storage_app.auth.signed_urls import SignedUpload
from storage_app.domain.files import WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal, Replace, UploadRight
from storage_app.domain.uploads import UploadConstraints, UploadRequest
from storage_app.errors import (
    BucketNotFound,
    FileTooLarge,
    Forbidden,
    InvalidName,
    InvalidSignedUrl,
    PreconditionFailed,
    StorageError,
    Unauthenticated,
)
from storage_app.services.upload_bodies import Write
from storage_app.services.upload_targets import Target
from tests.support.core import ALICE, BOB, Core, open_core

OTHER = frozenset(['"other"'])
ANY = frozenset(["*"])


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


def test_signed_bucket_is_the_one_that_was_signed(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "photos")[0]
    grant = SignedUpload(bucket.uid, "a", 2**40, ALL)
    assert core.uploads.authorize(grant, UploadRequest("photos", key="a")) == Target(bucket, ALL)
    file, _ = core.put("a")
    assert core.uploads.authorize(grant, UploadRequest("photos", key="a")) == Target(bucket, ALL, file)
    for name in ("missing", core.bucket("other").name):
        with pytest.raises(InvalidSignedUrl):
            core.uploads.authorize(grant, UploadRequest(name, key="a"))


def test_key_is_judged_before_everything_else(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    core.put("a.txt")
    monkeypatch.setattr(core.store, "free_bytes", lambda: -1)
    broken: dict[str, Any] = {"conditions": WriteConditions(if_match=OTHER), "overwrite": False, "size": 2000}
    with pytest.raises(InvalidName):
        core.send("../a", meanwhile=never, **broken)
    with pytest.raises(PreconditionFailed):
        core.send("a.txt", meanwhile=never, **broken)
    core.check()
