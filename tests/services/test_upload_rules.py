"""The rules of uploads, one by one: what each refuses, and in which order."""

from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import pytest

from storage_app.domain.buckets import Totals
from storage_app.domain.files import File, WriteConditions
from storage_app.domain.principals import Replace, UploadRight
from storage_app.domain.uploads import DeclaredBody, FileAttributes, UploadConstraints
from storage_app.errors import (
    ContentTypeNotAllowed,
    FileExists,
    FileTooLarge,
    Forbidden,
    InsufficientStorage,
    InvalidName,
    InvalidRequest,
    PreconditionFailed,
    QuotaExceeded,
    StorageError,
)
from storage_app.services.upload_rules import (
    UploadLimits,
    bindable,
    bound,
    check_accepted,
    check_bound_size,
    check_early,
    check_free_space,
    check_quota,
    check_size,
    growth,
)
from tests.services.upload_requests import ALL, THERE, a_request, a_target
from tests.support.core import a_bucket

OTHER = frozenset(['"other"'])

LIMITS = UploadLimits(max_file_size=1000, min_free_bytes=100)


# Each row breaks its rule and every one below; the first is what is said.
REFUSALS: list[tuple[type[StorageError], dict[str, Any]]] = [
    (PreconditionFailed, {"conditions": WriteConditions(if_match=OTHER)}),
    (FileExists, {"overwrite": False}),
    (Forbidden, {"right": UploadRight("bob", True, Replace.OWN)}),
    (FileTooLarge, {"size": 2000}),
    (InvalidRequest, {"constraints": UploadConstraints(size=3000)}),
    (InsufficientStorage, {"free_bytes": 0}),
    (ContentTypeNotAllowed, {"attributes": FileAttributes(content_type="image/png")}),
]


@pytest.mark.parametrize("broken", range(len(REFUSALS) + 1))
def test_order_of_refusals(broken: int) -> None:
    fields: dict[str, Any] = {"size": 3, "right": ALL, "free_bytes": 10_000}
    for _, rule in REFUSALS[broken:]:
        fields |= rule
    target = a_target(THERE, right=fields.pop("right"), allowed_content_types=("text/*",))
    body, free_bytes = DeclaredBody(size=fields.pop("size")), fields.pop("free_bytes")
    if broken == len(REFUSALS):
        check_early(a_request(**fields), body, target, LIMITS, free_bytes)
    else:
        with pytest.raises(REFUSALS[broken][0]):
            check_early(a_request(**fields), body, target, LIMITS, free_bytes)


@pytest.mark.parametrize(
    ("body", "refusal"),
    [
        (DeclaredBody(), None),
        (DeclaredBody(size=800), None),
        (DeclaredBody(size=901), InsufficientStorage),
        (DeclaredBody(size=901, is_stored=True), None),
        (DeclaredBody(least_size=901), InsufficientStorage),
        (DeclaredBody(least_size=1001), FileTooLarge),
        (DeclaredBody(size=5, least_size=1001), None),
    ],
)
def test_least_size_is_refused_before_bytes_too(body: DeclaredBody, refusal: type[StorageError] | None) -> None:
    if refusal is None:
        check_early(a_request(None), body, a_target(), LIMITS, 1000)
    else:
        with pytest.raises(refusal):
            check_early(a_request(None), body, a_target(), LIMITS, 1000)


@pytest.mark.parametrize("declared", [None, "nonsense", "application/octet-stream", "Text/Plain"])
def test_type_that_the_bytes_may_still_show_is_not_refused_early(declared: str | None) -> None:
    request = a_request(attributes=FileAttributes(content_type=declared))
    check_early(request, DeclaredBody(), a_target(allowed_content_types=("text/*",)), LIMITS, None)


@pytest.mark.parametrize(
    ("limit", "bucket", "signed", "most"),
    [(1000, None, None, 1000), (1000, 10, None, 10), (1000, 20, 10, 10), (None, 20, None, 20), (5, 20, 10, 5)],
)
def test_smallest_of_the_limits_counts(limit: int | None, bucket: int | None, signed: int | None, most: int) -> None:
    request = a_request(constraints=UploadConstraints(size=signed))
    limits, target = UploadLimits(limit, 0), a_target(max_file_size=bucket)
    check_size(request, target, limits, most)
    with pytest.raises(FileTooLarge, match=f"more than {most} bytes") as refused:
        check_size(request, target, limits, most + 1)
    assert refused.value.members == {"limit": most}


def test_size_has_no_limit_where_none_is_set() -> None:
    check_size(a_request(), a_target(), UploadLimits(None, 0), 2**62)


@pytest.mark.parametrize(
    ("existing", "size", "fits"), [(None, 100, True), (None, 101, False), (THERE, 160, True), (THERE, 161, False)]
)
def test_size_that_no_quota_could_hold_is_refused(existing: File | None, size: int, fits: bool) -> None:
    target = a_target(existing, quota=100)
    if fits:
        check_size(a_request(), target, LIMITS, size)
    else:
        with pytest.raises(QuotaExceeded, match="quota of 100 bytes"):
            check_size(a_request(), target, LIMITS, size)


@pytest.mark.parametrize(
    ("quota", "total", "added", "fits"),
    [
        (None, 10**9, 10**9, True),
        (100, 60, 40, True),
        (100, 60, 41, False),
        (100, 100, 0, True),
        (100, 150, 0, True),
        (100, 150, -1, True),
        (100, 150, 1, False),
        (0, 0, 1, False),
    ],
)
def test_quota_takes_what_fits_and_always_less(quota: int | None, total: int, added: int, fits: bool) -> None:
    bucket, totals = a_bucket(quota=quota), Totals(1, total)
    if fits:
        check_quota(bucket, totals, added)
    else:
        with pytest.raises(QuotaExceeded) as refused:
            check_quota(bucket, totals, added)
        assert refused.value.members == {"limit": quota}


@pytest.mark.parametrize(
    ("size", "existing", "more"), [(5, None, 5), (0, None, 0), (70, THERE, 10), (60, THERE, 0), (1, THERE, 0)]
)
def test_overwrite_grows_a_bucket_by_the_difference(size: int, existing: File | None, more: int) -> None:
    assert growth(size, existing) == more


@pytest.mark.parametrize(("free", "size", "fits"), [(None, 2**62, True), (110, 10, True), (109, 10, False)])
def test_free_space_is_kept(free: int | None, size: int, fits: bool) -> None:
    if fits:
        check_free_space(free, size, LIMITS)
    else:
        with pytest.raises(InsufficientStorage, match="MIN_FREE_BYTES"):
            check_free_space(free, size, LIMITS)


@pytest.mark.parametrize(("bound_to", "size", "holds"), [(None, 5, True), (5, 5, True), (5, 4, False), (0, 1, False)])
def test_signed_size_is_the_size(bound_to: int | None, size: int, holds: bool) -> None:
    constraints = UploadConstraints(size=bound_to)
    if holds:
        check_bound_size(constraints, size)
    else:
        with pytest.raises(InvalidRequest, match=f"a file of {bound_to} bytes, and this one has {size}"):
            check_bound_size(constraints, size)


GIVEN = FileAttributes("given.txt", "text/plain", {"given": 1}, "no-store", frozenset(["aa"]))


@pytest.mark.parametrize(
    ("constraints", "expected"),
    [
        (UploadConstraints(), GIVEN),
        (UploadConstraints(size=5), GIVEN),
        (UploadConstraints(filename="bound.txt"), replace(GIVEN, filename="bound.txt")),
        (UploadConstraints(content_type="text/plain; a=b"), replace(GIVEN, content_type="text/plain; a=b")),
        (UploadConstraints(sha256="bb"), replace(GIVEN, sha256=frozenset(["aa", "bb"]))),
        (UploadConstraints(metadata={}), replace(GIVEN, metadata={})),
    ],
)
def test_constraints_take_the_place_of_what_is_given(constraints: UploadConstraints, expected: FileAttributes) -> None:
    request = a_request(attributes=GIVEN, constraints=constraints)
    assert bound(request) == replace(request, attributes=expected)


def test_other_type_than_the_bound_one_is_refused() -> None:
    request = a_request(attributes=GIVEN, constraints=UploadConstraints(content_type="image/png"))
    with pytest.raises(ContentTypeNotAllowed, match="for a file of type image/png"):
        bound(request)


@pytest.mark.parametrize(
    ("constraints", "refusal"),
    [
        (UploadConstraints(filename=""), InvalidName),
        (UploadConstraints(metadata={"k": "vv"}), InvalidRequest),
        (UploadConstraints(content_type="image/*"), InvalidRequest),
    ],
)
def test_constraint_that_could_not_be_kept_is_not_bound(
    constraints: UploadConstraints, refusal: type[StorageError]
) -> None:
    with pytest.raises(refusal):
        bindable(constraints, max_metadata_bytes=9)


def test_constraints_are_bound_with_their_type_in_normal_form() -> None:
    constraints = UploadConstraints("b.txt", "Text/Plain", 3, "aa", {"k": "v"})
    assert bindable(constraints, max_metadata_bytes=9) == replace(constraints, content_type="text/plain")


@pytest.mark.parametrize(
    ("patterns", "content_type", "accepted"),
    [
        (None, "anything/at-all", True),
        ((), "image/png", False),
        (("image/*",), "image/png; charset=utf-8", True),
        (("image/*", "application/pdf"), "application/json", False),
    ],
)
def test_bucket_takes_the_types_that_it_allows(
    patterns: tuple[str, ...] | None, content_type: str, accepted: bool
) -> None:
    bucket = a_bucket(allowed_content_types=patterns)
    with nullcontext() if accepted else pytest.raises(ContentTypeNotAllowed):
        assert check_accepted(bucket, content_type) == content_type
