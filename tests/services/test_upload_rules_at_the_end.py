"""The rules of uploads when all bytes have come: what they become, and what is refused at the commit."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.files import File
from storage_app.domain.principals import Replace, UploadRight
from storage_app.domain.uploads import FileAttributes, UploadConstraints
from storage_app.errors import (
    ContentTypeNotAllowed,
    DigestMismatch,
    FileExists,
    InvalidName,
    InvalidRequest,
    QuotaExceeded,
    StorageError,
)
from storage_app.services.upload_rules import (
    Received,
    UploadLimits,
    decide,
    decide_content_type,
    describe,
    inheriting,
)
from tests.services.upload_requests import ALL, THERE, a_request, a_target
from tests.support.core import A_TIME, a_bucket, a_file

PNG = b"\x89PNG\r\n\x1a\n" + bytes(100)
LATER = A_TIME + timedelta(days=1)


LIMITS = UploadLimits(max_file_size=1000, min_free_bytes=0)


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
    declared: str | None, data: bytes, allowed: tuple[str, ...] | None, stored: str | None
) -> None:
    bucket = a_bucket(allowed_content_types=allowed)
    if stored is None:
        with pytest.raises(ContentTypeNotAllowed):
            decide_content_type(bucket, declared, data, "a")
    else:
        assert decide_content_type(bucket, declared, data, "a") == stored


RECEIVED = Received(size=3, sha256="ab", head=b"abc")


def test_received_bytes_become_a_file() -> None:
    attributes = FileAttributes("b.txt", None, {"k": 1}, "no-store", frozenset(["ab"]))
    file = describe(a_request(attributes=attributes), a_target(), RECEIVED)
    assert (file.bucket_uid, file.key, file.blob, file.filename) == ("uid-of-photos", "a.txt", "", "b.txt")
    assert (file.content_type, file.size, file.sha256) == ("text/plain; charset=utf-8", 3, "ab")
    assert (file.owner_id, file.metadata, file.cache_control) == ("alice", {"k": 1}, "no-store")
    assert file.created_at == file.updated_at


@pytest.mark.parametrize(
    ("fields", "refusal"),
    [
        ({"constraints": UploadConstraints(size=4)}, InvalidRequest),
        ({"attributes": FileAttributes(sha256=frozenset(["ab", "cd"]))}, DigestMismatch),
        ({"attributes": FileAttributes(filename="a\n")}, InvalidName),
        ({"attributes": FileAttributes(metadata={"k": "\ud800"})}, InvalidRequest),
    ],
)
def test_received_bytes_that_break_a_rule_become_none(fields: dict[str, Any], refusal: type[StorageError]) -> None:
    with pytest.raises(refusal):
        describe(a_request(**fields), a_target(), RECEIVED)


NEW = a_file("a.txt", owner_id="alice", created_at=LATER, updated_at=LATER)


@pytest.mark.parametrize(
    ("existing", "right", "owner", "is_older"),
    [
        (None, ALL, "alice", False),
        (None, UploadRight("bob", True, Replace.OWN), "bob", False),
        (replace(THERE, owner_id="carol"), ALL, "carol", True),
    ],
)
def test_owner_and_creation_are_those_of_the_file_that_is_replaced(
    existing: File | None, right: UploadRight, owner: str, is_older: bool
) -> None:
    file = inheriting(NEW, a_target(existing, right=right))
    assert file == replace(NEW, owner_id=owner, created_at=A_TIME if is_older else LATER)


def test_file_that_was_to_replace_another_is_new_if_that_is_gone() -> None:
    file = replace(NEW, owner_id="carol", created_at=A_TIME)
    assert inheriting(file, a_target()) == replace(NEW, owner_id="alice", created_at=LATER)


@pytest.mark.parametrize(
    ("existing", "size", "overwrite", "refusal"),
    [
        (None, 40, False, None),
        (None, 41, False, QuotaExceeded),
        (THERE, 100, True, None),
        (THERE, 101, True, QuotaExceeded),
        (THERE, 101, False, FileExists),
    ],
)
def test_upload_is_judged_by_its_target_and_then_by_the_quota(
    existing: File | None, size: int, overwrite: bool, refusal: type[StorageError] | None
) -> None:
    file, target, totals = replace(NEW, size=size), a_target(existing, quota=100), Totals(1, 60)
    if refusal is None:
        assert decide(a_request(overwrite=overwrite), target, file, totals, LIMITS) == inheriting(file, target)
    else:
        with pytest.raises(refusal):
            decide(a_request(overwrite=overwrite), target, file, totals, LIMITS)
