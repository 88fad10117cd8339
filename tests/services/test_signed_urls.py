"""Signed URLs: handed out for what their signer may do, and enforced when they are used."""

import time
from typing import Any

import pytest

from storage_app.auth.signed_urls import Disposition, SignedUpload
from storage_app.domain.buckets import Grant
from storage_app.domain.files import UNCONDITIONAL, File, WriteConditions
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.domain.uploads import FileAttributes, UploadConstraints, UploadRequest
from storage_app.errors import (
    BucketNotFound,
    ContentTypeNotAllowed,
    DigestMismatch,
    FileExists,
    FileNotFound,
    FileTooLarge,
    Forbidden,
    InvalidName,
    InvalidRequest,
    InvalidSignedUrl,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
    Unauthenticated,
)
from storage_app.services.signed_urls import SignedLink
from tests.support.core import ALICE, BOB, CAROL, SERVICE, Core, Meanwhile


@pytest.fixture
def core(empty: Core) -> Core:
    empty.bucket("private", grants={"bob": Grant.WRITE, "carol": Grant.READ})
    empty.bucket("public", is_public=True)
    for name in ("private", "public"):
        empty.put("alices.txt", to=name)
    empty.put("carols.txt", by=CAROL, to="public")
    return empty


def sign(
    core: Core,
    by: Principal = ALICE,
    bucket: str = "private",
    key: str = "new.txt",
    *,
    overwrite: bool = False,
    **promised: Any,
) -> SignedLink:
    request = UploadRequest(bucket, key=key, overwrite=overwrite, constraints=UploadConstraints(**promised))
    return core.signing.upload(by, request, expires_in=3600)


def grant_of(core: Core, link: SignedLink) -> SignedUpload:
    return core.storage.signed_urls.upload(link.token, link.key)


def use(
    core: Core,
    link: SignedLink,
    data: bytes = b"abc",
    *,
    content_type: str | None = None,
    conditions: WriteConditions = UNCONDITIONAL,
    meanwhile: Meanwhile = lambda _: None,
) -> tuple[File, bool]:
    """PUT to the URL as the routes do: the declared length first, then the bytes."""
    grant = grant_of(core, link)
    return core.send(
        grant.key,
        data,
        by=grant,
        to=link.bucket_name,
        overwrite=grant.overwrite,
        conditions=conditions,
        constraints=grant.constraints,
        by_link=True,
        least_size=len(data),
        attributes=FileAttributes(content_type=content_type),
        meanwhile=meanwhile,
    )


@pytest.mark.parametrize(
    ("principal", "bucket", "key", "overwrite", "refusal"),
    [
        (NOBODY, "missing", "new", False, Unauthenticated),
        (NOBODY, "public", "new", False, Unauthenticated),
        (NOBODY, "private", "new", False, Unauthenticated),
        (ANONYMOUS, "missing", "new", False, BucketNotFound),
        (ANONYMOUS, "private", "new", False, Forbidden),
        (ANONYMOUS, "public", "new", False, None),
        (ANONYMOUS, "public", "alices.txt", True, Forbidden),
        (CAROL, "private", "new", False, Forbidden),
        (CAROL, "public", "new", False, None),
        (CAROL, "public", "carols.txt", True, None),
        (CAROL, "public", "carols.txt", False, FileExists),
        (CAROL, "public", "alices.txt", True, Forbidden),
        (BOB, "private", "alices.txt", True, None),
        (BOB, "private", "alices.txt", False, FileExists),
        (SERVICE, "private", "alices.txt", True, None),
        (ALICE, "private", "../x", False, InvalidName),
        (ALICE, "missing", "new", False, BucketNotFound),
    ],
)
def test_upload_is_signed_only_for_who_may_upload(
    core: Core, principal: Principal, bucket: str, key: str, overwrite: bool, refusal: type[StorageError] | None
) -> None:
    if refusal is None:
        use(core, sign(core, principal, bucket, key, overwrite=overwrite))
    else:
        with pytest.raises(refusal):
            sign(core, principal, bucket, key, overwrite=overwrite)
    core.check()


@pytest.mark.parametrize(
    ("principal", "owner"), [(ALICE, "alice"), (BOB, "bob"), (SERVICE, "backend"), (ANONYMOUS, "alice")]
)
def test_owner_is_the_signer(core: Core, principal: Principal, owner: str) -> None:
    file, is_new = use(core, sign(core, principal, "private" if principal is not ANONYMOUS else "public"))
    assert is_new
    assert file.owner_id == owner


def test_link_says_what_it_is_for(core: Core) -> None:
    before = time.time()
    link = core.signing.upload(ALICE, UploadRequest("private", key="a/b"), expires_in=1)
    assert (link.bucket_name, link.key) == ("private", "a/b")
    assert before + 1 <= link.expires_at <= time.time() + 2
    assert grant_of(core, link).expires_at == link.expires_at


def test_promises_are_bound_and_kept(core: Core) -> None:
    sha256 = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"  # of abc
    link = sign(core, filename="b.txt", content_type="Text/Plain", size=3, sha256=sha256, metadata={"k": 1})
    file, _ = use(core, link)
    assert (file.filename, file.content_type, file.size, file.sha256) == (
        "b.txt",
        "text/plain; charset=utf-8",
        3,
        sha256,
    )
    assert file.metadata == {"k": 1}
    core.check()


@pytest.mark.parametrize(
    ("promised", "data", "content_type", "refusal"),
    [
        ({"size": 3}, b"abcd", None, FileTooLarge),
        ({"size": 3}, b"ab", None, InvalidRequest),
        ({"size": 0}, b"a", None, FileTooLarge),
        ({"sha256": "00" * 32}, b"abc", None, DigestMismatch),
        ({"content_type": "text/plain"}, b"abc", "image/png", ContentTypeNotAllowed),
    ],
)
def test_broken_promise_is_refused_and_leaves_nothing(
    core: Core, promised: dict[str, Any], data: bytes, content_type: str | None, refusal: type[StorageError]
) -> None:
    with pytest.raises(refusal):
        use(core, sign(core, **promised), data, content_type=content_type)
    assert core.file("new.txt", bucket="private") is None
    core.check()


@pytest.mark.parametrize(
    "declared",
    [None, "", "application/octet-stream", "application/x-www-form-urlencoded", "TEXT/PLAIN", "text/plain; a=b"],
)
def test_bound_type_stands_where_nothing_else_was_declared(core: Core, declared: str | None) -> None:
    file, _ = use(core, sign(core, content_type="text/plain"), content_type=declared)
    assert file.content_type == "text/plain; charset=utf-8"


@pytest.mark.parametrize(("bound", "declared"), [("image/jpeg", "image/jpg"), ("image/pjpeg", "image/jpeg; a=b")])
def test_bound_type_may_be_declared_by_another_of_its_names(core: Core, bound: str, declared: str) -> None:
    file, _ = use(core, sign(core, content_type=bound), b"\xff\xd8\xff", content_type=declared)
    assert file.content_type == bound


@pytest.mark.parametrize("undeclared", ["application/octet-stream", "application/x-www-form-urlencoded"])
def test_type_that_nobody_chose_is_not_bound(core: Core, undeclared: str) -> None:
    link = sign(core, content_type=undeclared)
    file, _ = use(core, link, b"\x89PNG\r\n\x1a\n", content_type="image/png")
    assert file.content_type == "image/png"


@pytest.mark.parametrize("declared", [None, "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"])
def test_content_decides_if_no_type_is_bound_or_chosen(core: Core, declared: str | None) -> None:
    file, _ = use(core, sign(core), b"\xff\xd8\xff", content_type=declared)
    assert file.content_type == "image/jpeg"


@pytest.mark.parametrize(
    ("promised", "refusal"),
    [
        ({"filename": ""}, InvalidName),
        ({"filename": "x" * 256}, InvalidName),
        ({"metadata": {"k": "v" * 2048}}, InvalidRequest),
        ({"content_type": "nonsense"}, InvalidRequest),
        ({"content_type": "image/*"}, InvalidRequest),
        ({"content_type": "video/mp4"}, ContentTypeNotAllowed),
        ({"size": 101}, FileTooLarge),
    ],
)
def test_promise_that_could_not_be_kept_is_not_signed(
    core: Core, promised: dict[str, Any], refusal: type[StorageError]
) -> None:
    core.buckets.change(ALICE, "private", {"max_file_size": 100, "allowed_content_types": ("text/plain", "image/*")})
    with pytest.raises(refusal):
        sign(core, **promised)


def test_size_over_the_quota_is_not_signed(core: Core) -> None:
    core.buckets.change(ALICE, "private", {"quota": 10})
    with pytest.raises(QuotaExceeded):
        sign(core, size=11)


def test_upload_is_judged_against_the_file_then_there(core: Core) -> None:
    own, any_ = sign(core, CAROL, "public", overwrite=True), sign(core, BOB, "private", overwrite=True)
    once = sign(core, BOB, "private", key="once")
    core.put("new.txt", by=ALICE, to="public")
    with pytest.raises(Forbidden):
        use(core, own)
    core.put("new.txt", by=ALICE, to="private")
    assert use(core, any_)[1] is False
    assert use(core, once)[1] is True
    with pytest.raises(FileExists):
        use(core, once, b"other bytes")
    with pytest.raises(PreconditionFailed):
        use(core, any_, conditions=WriteConditions(if_none_match=frozenset(["*"])))
    core.check()


@pytest.mark.parametrize(
    ("signer", "overwrite"),
    [(ALICE, False), (BOB, False), (ANONYMOUS, False), (ANONYMOUS, True)],  # who may not replace what is there
)
def test_repeated_upload_is_answered_as_the_first_and_writes_nothing(
    core: Core, signer: Principal, overwrite: bool
) -> None:
    link = sign(core, signer, "public", overwrite=overwrite) if signer is not BOB else sign(core, BOB)
    first = use(core, link)
    core.collect()
    assert use(core, link) == first
    assert core.collect() == 0
    with pytest.raises((FileExists, Forbidden), match="The signed URL has been used"):
        use(core, link, b"abd")
    assert core.file("new.txt", bucket=link.bucket_name) == first[0]
    core.check()


def test_repetition_while_the_first_upload_is_in_progress_is_answered_as_it(core: Core) -> None:
    link, outcomes = sign(core), []
    outcomes.append(use(core, link, meanwhile=lambda _: outcomes.append(use(core, link))))
    assert outcomes[0] == outcomes[1]
    with pytest.raises(FileExists, match="has been used"):
        use(core, other := sign(core, key="other"), meanwhile=lambda _: use(core, other, b"abd"))
    core.check()


def test_repetition_fits_a_bucket_that_is_full_since(core: Core) -> None:
    link = sign(core)
    first = use(core, link)
    core.buckets.change(ALICE, "private", {"quota": core.totals("private").total_size})
    assert use(core, link) == first
    core.check()


@pytest.mark.parametrize("change", ["replace", "replace by other bytes", "edit", "delete and put again by another"])
def test_file_that_has_changed_since_is_no_outcome_of_the_link(core: Core, change: str) -> None:
    link = sign(core)
    use(core, link)
    if change == "edit":
        core.files.edit(ALICE, "private", "new.txt", changes={"metadata": {"a": 1}}, conditions=UNCONDITIONAL)
    elif change == "delete and put again by another":
        core.files.delete(ALICE, "private", "new.txt", conditions=UNCONDITIONAL)
        core.put("new.txt", by=BOB, to="private")
    else:
        core.put("new.txt", b"abc" if change == "replace" else b"abd", to="private")
    with pytest.raises(FileExists, match="was uploaded in another way since; ask for a new one"):
        use(core, link)
    core.check()


def test_link_works_again_once_its_file_is_deleted(core: Core) -> None:
    link = sign(core)
    use(core, link)
    core.files.delete(ALICE, "private", "new.txt", conditions=UNCONDITIONAL)
    assert use(core, link, b"abd")[1] is True
    core.check()


def test_condition_of_a_repeated_upload_still_decides(core: Core) -> None:
    link, none_there = sign(core), WriteConditions(if_none_match=frozenset(["*"]))
    use(core, link, conditions=none_there)
    with pytest.raises(PreconditionFailed):
        use(core, link, conditions=none_there)


def test_signed_upload_outlives_the_right_of_its_signer(core: Core) -> None:
    link = sign(core, BOB)
    core.buckets.change(ALICE, "private", {"grants": {}})
    assert use(core, link)[0].owner_id == "bob"


def test_signed_upload_ends_with_its_bucket(core: Core) -> None:
    link = sign(core)
    core.buckets.delete(ALICE, "private", force=True)
    with pytest.raises(InvalidSignedUrl):
        use(core, link)
    core.bucket("private")
    with pytest.raises(InvalidSignedUrl, match="not for this bucket"):
        use(core, link)
    assert core.file("new.txt", bucket="private") is None


def download(core: Core, by: Principal, bucket: str, key: str, filename: str | None = None) -> SignedLink:
    return core.signing.download(by, bucket, key, disposition=Disposition.INLINE, filename=filename, expires_in=60)


@pytest.mark.parametrize(
    ("principal", "bucket", "key", "refusal"),
    [
        (NOBODY, "private", "alices.txt", Unauthenticated),
        (ANONYMOUS, "private", "alices.txt", Forbidden),
        (ANONYMOUS, "public", "alices.txt", None),
        (CAROL, "private", "alices.txt", None),
        (CAROL, "private", "none", FileNotFound),
        (CAROL, "missing", "none", BucketNotFound),
    ],
)
def test_download_is_signed_only_for_who_may_read(
    core: Core, principal: Principal, bucket: str, key: str, refusal: type[StorageError] | None
) -> None:
    if refusal is None:
        link = download(core, principal, bucket, key, "b.txt")
        grant = core.storage.signed_urls.download(link.token, key)
        assert (grant.disposition, grant.filename, grant.key) == (Disposition.INLINE, "b.txt", key)
        assert core.files.get_signed(grant, bucket)[1].key == key
    else:
        with pytest.raises(refusal):
            download(core, principal, bucket, key)


def test_download_under_a_forbidden_filename_is_not_signed(core: Core) -> None:
    with pytest.raises(InvalidName):
        download(core, ALICE, "private", "alices.txt", "a\r\nb")
