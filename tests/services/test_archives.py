"""Archives: who may have one, which files are in it, and how many are sent at once."""

from contextlib import ExitStack

import pytest

from storage_app.auth.signed_urls import SignedArchive
from storage_app.domain.buckets import Grant
from storage_app.domain.principals import ANONYMOUS, NOBODY, Principal
from storage_app.errors import (
    BucketNotFound,
    FileNotFound,
    Forbidden,
    InvalidRequest,
    InvalidSignedUrl,
    StorageError,
    Unauthenticated,
    Unavailable,
)
from storage_app.services import archives
from tests.support.core import ALICE, BOB, CAROL, SERVICE, Core


@pytest.fixture
def core(empty: Core) -> Core:
    empty.bucket("private", grants={"carol": Grant.READ})
    empty.bucket("public", is_public=True)
    for name in ("private", "public"):
        empty.put("a/b", to=name)
    return empty


@pytest.mark.parametrize(
    ("principal", "bucket", "refused"),
    [
        (NOBODY, "public", Unauthenticated),
        (NOBODY, "missing", Unauthenticated),
        (ANONYMOUS, "public", None),
        (ANONYMOUS, "private", Forbidden),
        (BOB, "private", Forbidden),
        (BOB, "public", None),
        (BOB, "missing", BucketNotFound),
        (CAROL, "private", None),
        (ALICE, "private", None),
        (SERVICE, "private", None),
    ],
)
def test_archive_is_for_those_who_may_list(
    core: Core, principal: Principal, bucket: str, refused: type[StorageError] | None
) -> None:
    if refused is None or principal is NOBODY:
        assert refused or core.archives.authorize(principal, bucket, "a/").name == bucket
    if refused is not None:
        with pytest.raises(refused):
            core.archives.authorize(principal, bucket, "a/")


def test_files_are_those_of_the_prefix_by_key(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "_BATCH", 2)
    bucket = core.buckets.get(ALICE, "private")[0]
    for key in ("a/c/d", "a/a", "b", "a"):
        core.put(key, key.encode(), to="private")
    assert [(file.name, file.size) for file in core.archives.files(bucket, "a/")] == [("a", 3), ("b", 3), ("c/d", 5)]
    assert len(core.archives.files(bucket, "")) == 5


def test_archive_of_nothing_is_not_found(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "private")[0]
    with pytest.raises(FileNotFound):
        core.archives.authorize(ALICE, "private", "x")
    with pytest.raises(FileNotFound):
        core.archives.files(bucket, "x")


def test_archive_of_too_many_files_is_refused(core: Core, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archives, "MAX_FILES", 1)
    bucket = core.buckets.get(ALICE, "private")[0]
    assert len(core.archives.files(bucket, "a")) == 1
    core.put("a/c", to="private")
    with pytest.raises(InvalidRequest, match="at most 1 "):
        core.archives.files(bucket, "a")


def test_link_does_not_reach_another_bucket_of_its_name(core: Core) -> None:
    bucket = core.buckets.get(ALICE, "private")[0]
    grant = SignedArchive(bucket.uid, "a/", 0)
    assert core.archives.authorize_signed(grant, "private") == bucket
    for name in ("public", "missing"):
        with pytest.raises(InvalidSignedUrl):
            core.archives.authorize_signed(grant, name)


def test_eight_are_sent_at_once(core: Core) -> None:
    with ExitStack() as held:
        for _ in range(8):
            held.enter_context(core.archives.hold())
        with pytest.raises(Unavailable) as refused, core.archives.hold():
            pass
        assert refused.value.headers == {"Retry-After": "10"}
    with core.archives.hold():
        pass
